// A model of many companies: 1,000 servers in 10,000 rooms. What does a message cost, and how long does a region that was away take
// to catch up? Usage: node bench/simulation.mjs [--servers 1000] [--rooms 10000] [--messages-per-second 200] [--outage-hours 4] …
//
// Rooms have a hub and participants; sizes and rates are heavy-tailed, as those of chats are. The rules are the product's: a hub
// sends to each participant with one transaction in flight and at most 50 PDUs in it; cursors, no row per event and destination.
// The times (round trip, cost of an event at either end) are inputs: measured ones are in docs/performance.md.
import { parseArgs } from 'node:util';

const DEFAULTS = {
  servers: 1_000,
  rooms: 10_000,
  'messages-per-second': 200, // in all rooms together
  'outage-hours': 4,
  'region-share': 0.2, // of the servers, away at the same time
  'round-trip-ms': 40,
  'event-ms': 2.5, // a participant verifies and appends an event, in a transaction of many
  'hub-event-ms': 0.5, // a hub reads an event for one destination, and sends it
  seed: 1,
};
const { values } = parseArgs({
  options: Object.fromEntries(Object.keys(DEFAULTS).map((name) => [name, { type: 'string' }])),
});
const given = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [name, Number(values[name] ?? value)]),
);
const { servers, rooms, seed } = given;
const MAX_PDUS = 50; // LM-04 §send
const ROOM_SIZE_EXPONENT = 1.6;
const LARGEST_ROOM = 300; // servers
const ROOM_RATE_EXPONENT = 1.3;

let state = seed;
function random() {
  // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pareto = (exponent, smallest) => smallest / (1 - random()) ** (1 / exponent);
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;

/** Rooms: hub, participants, events per second. */
const world = Array.from({ length: rooms }, () => {
  const size = Math.min(LARGEST_ROOM, servers, Math.round(pareto(ROOM_SIZE_EXPONENT, 2)));
  const members = new Set();
  while (members.size < size) members.add(Math.floor(random() * servers));
  const [hub, ...participants] = members;
  return { hub, participants, rate: pareto(ROOM_RATE_EXPONENT, 1) };
});
const totalRate = world.reduce((sum, { rate }) => sum + rate, 0);
for (const room of world) room.rate *= given['messages-per-second'] / totalRate;

// Steady state. What flows from a hub to a participant is a Poisson stream; while a transaction is in flight the next one gathers.
const pairs = new Map();
for (const { hub, participants, rate } of world) {
  for (const server of participants) {
    const key = hub * servers + server;
    const pair = pairs.get(key) ?? { hub, server, rate: 0, rooms: 0 };
    pair.rate += rate;
    pair.rooms += 1;
    pairs.set(key, pair);
  }
}
const tripMs = (pdus) => given['round-trip-ms'] + pdus * given['event-ms'];
let transactionsPerSecond = 0;
let copiesPerSecond = 0;
for (const pair of pairs.values()) {
  // In equilibrium a transaction holds what came while the one before it was under way, and at least one event.
  let pdus = 1;
  for (let n = 0; n < 20; n++) pdus = Math.min(MAX_PDUS, Math.max(1, (pair.rate * tripMs(pdus)) / 1_000));
  pair.transactions = pair.rate / pdus;
  transactionsPerSecond += pair.transactions;
  copiesPerSecond += pair.rate;
}
const perMessage = (rate) => rate / given['messages-per-second'];

// Rows written for one message, as the code writes them. Those of a transaction are shared by its events.
const AUTHOR = { inbox: 2, 'message mapping': 1 }; // accepted, settled
const HUB = { event: 1, 'room head': 1 };
const PARTICIPANT = { event: 1, 'room head': 1, delivery: 2, 'message mapping': 1, 'mapping cursor': 1 };
const TRANSACTION = { 'transaction out': 2, 'destination cursor': 1, 'transaction in': 1 };
const rows = (kinds) => Object.values(kinds).reduce((sum, n) => sum + n, 0);
const fanOut = perMessage(copiesPerSecond);
const sent = perMessage(transactionsPerSecond);
const writes = rows(AUTHOR) + rows(HUB) + fanOut * rows(PARTICIPANT) + sent * rows(TRANSACTION);
const hubWrites = rows(HUB) + sent * (TRANSACTION['transaction out'] + TRANSACTION['destination cursor']);

// A region goes away and comes back. Its servers catch up from all their hubs at once, each hub with one transaction in flight; a
// server appends one event at a time. Hubs that did not come back by their own backoff (up to an hour) are woken by the server's
// first request to them, which its own backlog of messages brings about: here within a minute.
const away = new Set(Array.from({ length: servers }, (_, n) => n).filter(() => random() < given['region-share']));
const outageS = given['outage-hours'] * 3_600;
const backlogs = new Map();
let largestPair = 0;
let queueRows = 0; // what a row per event and destination would be
for (const { hub, server, rate } of pairs.values()) {
  if (!away.has(server) || away.has(hub)) continue;
  const events = rate * outageS;
  queueRows += events;
  largestPair = Math.max(largestPair, events);
  const backlog = backlogs.get(server) ?? { events: 0, live: 0, slowest: 0 };
  backlog.events += events;
  backlog.live += rate;
  // Alone, a hub brings 50 events per round trip.
  backlog.slowest = Math.max(backlog.slowest, ((events / MAX_PDUS) * tripMs(MAX_PDUS)) / 1_000);
  backlogs.set(server, backlog);
}
const capacity = 1_000 / given['event-ms'];
const catchUp = [...backlogs.values()]
  .map(({ events, live, slowest }) => Math.max(slowest, events / Math.max(0.001, capacity - live)))
  .sort((a, b) => a - b);
const hubLoad = new Map();
for (const { hub, server, rate } of pairs.values()) {
  if (away.has(server) && !away.has(hub)) hubLoad.set(hub, (hubLoad.get(hub) ?? 0) + rate * outageS);
}
const hubSeconds = [...hubLoad.values()]
  .map((events) => (events * given['hub-event-ms']) / 1_000)
  .sort((a, b) => a - b);
const backlogSizes = [...backlogs.values()].map(({ events }) => events).sort((a, b) => a - b);

const round = (value, digits = 1) => Number(value.toFixed(digits));
const result = {
  given,
  world: {
    hubParticipantPairs: pairs.size,
    roomsPerServer: round([...world].reduce((sum, { participants }) => sum + participants.length + 1, 0) / servers),
    participantsPerRoom: round(world.reduce((sum, { participants }) => sum + participants.length, 0) / rooms),
  },
  message: {
    copies: round(fanOut),
    transactions: round(sent),
    pdusPerTransaction: round(fanOut / sent, 2),
    rowsWrittenEverywhere: round(writes),
    rowsWrittenByTheHub: round(hubWrites),
  },
  outage: {
    serversAway: away.size,
    eventsMissed: Math.round(queueRows),
    cursorRowsMoved: [...pairs.values()].filter(({ hub, server }) => away.has(server) && !away.has(hub)).length,
    backlogPerServer: { p50: Math.round(quantile(backlogSizes, 0.5)), p99: Math.round(quantile(backlogSizes, 0.99)) },
    largestBacklogOfOneHubForOneServer: Math.round(largestPair),
    catchUpSeconds: {
      p50: round(quantile(catchUp, 0.5)),
      p99: round(quantile(catchUp, 0.99)),
      last: round(catchUp.at(-1) ?? 0),
    },
    hubCpuSeconds: { p50: round(quantile(hubSeconds, 0.5)), max: round(hubSeconds.at(-1) ?? 0) },
  },
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
