import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServerName } from '../../src/protocol/index.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { algorithms } from './algorithms.js';
import { Attacker } from './attacker.js';
import { DestinationEntity } from '../../src/persistence/entities/index.js';
import { Wire } from './wire.js';
import { joinByRequest } from './world.js';

const { Peer } = algorithms;

/** Whatever the fuzzer found stays found: the bytes in found/, and what takes more than a request, by name. */
const FOUND = new URL('found/', import.meta.url);
const cases = readdirSync(FOUND).map((name) => ({
  name,
  ...(JSON.parse(readFileSync(new URL(name, FOUND), 'utf8')) as { what: string; request: string }),
}));

const ACME = 'acme.example';
const attackers = ['long.example', 'short.example', 'hub.example'].map((name) => new Attacker(name));
let acme: TestGateway;

beforeAll(async () => {
  for (const each of attackers) await each.listen();
  acme = await startGateway(ACME, Object.fromEntries(attackers.map(({ name, url }) => [name, url])));
});

afterAll(async () => {
  await acme.close();
  for (const each of attackers) await each.close();
});

describe('bytes that were once not answered well', () => {
  it.each(cases)('$name are answered with a Matrix error', async ({ request }) => {
    const wire = new Wire(Number(new URL(acme.url).port));
    const answer = await wire.exchange({ bytes: Buffer.from(request, 'hex'), method: 'GET', framed: true });
    wire.close();
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ errcode: expect.stringMatching(/^M_/) });
  });
});

describe('a server that asks to be left alone', () => {
  it.each([
    ['longer than a timer can hold', 'long.example', { retry_after_ms: 999_999_999_999 }],
    ['for a part of a millisecond', 'short.example', { retry_after_ms: 3_600_000.5 }],
  ])('%s is asked again within a day, and not before', async (_what, name, wait) => {
    const server = attackers.find((each) => each.name === name);
    if (server === undefined) throw new Error(name);
    let asked = 0;
    server.answering = ({ method }) => {
      if (method !== 'PUT') return undefined;
      asked += 1;
      return { status: 429, body: JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', error: 'wait', ...wait }) };
    };
    const roomId = await acme.rooms.create({ joinRule: 'public' });
    await joinByRequest(server, 'eve', roomId, acme.url);
    const destination = () => acme.database.read.findOneBy(DestinationEntity, { server: server.name as ServerName });
    await until('it was refused', async () => typeof (await destination())?.failingSince === 'number');
    await sleep(200); // a timer that overflows fires at once
    expect(asked).toBe(1);
    const { nextAttemptAt = 0 } = (await destination()) ?? {};
    expect(Number.isInteger(nextAttemptAt)).toBe(true);
    expect(nextAttemptAt - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
  });
});

it('a hub that names an event of the state twice is joined, and the event is kept once', async () => {
  const hub = new Peer('hub.example', { keep: false, peers: { [ACME]: acme.url } });
  const { roomId } = await hub.createRoom({ creator: '@boss:hub.example', joinRule: 'public' });
  const [server] = attackers.filter(({ name }) => name === 'hub.example');
  if (server === undefined) throw new Error('hub.example');
  server.intercept = (request, response) => {
    const end = response.end.bind(response);
    const twice = (text: string) => {
      const answer = JSON.parse(text) as { state?: unknown[] };
      return end(
        JSON.stringify(answer.state === undefined ? answer : { ...answer, state: [...answer.state, ...answer.state] }),
      );
    };
    hub.listener(request, Object.assign(response, { end: twice }));
    return true;
  };
  await acme.rooms.join(roomId, acme.rooms.bot, undefined, server.name as ServerName);
  const log = await acme.reader.eventsAfter(roomId, -1, 100);
  expect(new Set(log.map(({ eventId }) => eventId)).size).toBe(log.length);
  expect(await acme.reader.membership(roomId, acme.rooms.bot)).toBe('join');
  await hub.close();
});
