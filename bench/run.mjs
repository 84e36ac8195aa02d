// npm run bench -- [--quick] [--only hub,echo,growth,idle,limits] [--engines sqlite,postgres] [--repeat N]
//   [--messages N] [--members N] [--json FILE]
import { cpus, loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fill } from './fill.mjs';
import { limits } from './limits.mjs';
import { startPostgres } from './postgres.mjs';
import { FIRST_PEER, drive, startGateway, startNullHub, usage } from './processes.mjs';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: 'limits,hub,echo,growth,idle' },
    engines: { type: 'string', default: 'sqlite,postgres' },
    repeat: { type: 'string' },
    messages: { type: 'string' },
    members: { type: 'string' },
    json: { type: 'string', default: 'bench/results.json' },
  },
});
const QUICK = flags.quick;
const REPEAT = Number(flags.repeat ?? (QUICK ? 1 : 3));
const sections = new Set(flags.only.split(','));
const engines = flags.engines.split(',');
const report = {
  at: new Date().toISOString(),
  node: process.version,
  cpus: cpus().length,
  quick: QUICK,
  loadBefore: loadavg(),
  rows: [],
};

const round = (value, digits = 2) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

function add(row) {
  report.rows.push(row);
  console.log(
    Object.entries(row)
      .map(([key, value]) => `${key}=${value}`)
      .join('  '),
  );
}

/** The same run against both hubs, one after the other, several times: medians. */
async function beside(nullHub, hub, options, setup) {
  const ours = [];
  const theirs = [];
  for (let n = 0; n < REPEAT; n++) {
    theirs.push(await drive(nullHub, options));
    ours.push(await drive(hub, options, setup));
  }
  const of = (runs, get) => median(runs.map(get));
  const figures = (runs) => ({
    accepted: of(runs, (r) => r.acceptedPerSec),
    fanout: of(runs, (r) => r.fanoutPdusPerSec),
    cpu: of(runs, (r) => r.hubCpuMsPerEvent),
    p50: of(runs, (r) => r.echoMs.p50),
    p95: of(runs, (r) => r.echoMs.p95),
    p99: of(runs, (r) => r.echoMs.p99),
    rss: of(runs, (r) => r.hubRssMiB),
  });
  return { ours: figures(ours), theirs: figures(theirs) };
}

const throughputRow = (what, { ours, theirs }) => ({
  what,
  'accepted/s': ours.accepted,
  'null accepted/s': theirs.accepted,
  'of null': round(ours.accepted / theirs.accepted),
  'fan-out/s': ours.fanout,
  'fan-out of null': round(ours.fanout / theirs.fanout),
  'CPU ms/event': ours.cpu,
  'CPU × null': round(ours.cpu / theirs.cpu),
  'RSS MiB': ours.rss,
});

async function withGateway(engine, postgres, work, options = {}) {
  const databaseUrl = engine === 'postgres' ? await postgres.createUrl() : undefined;
  const gateway = await startGateway({ databaseUrl, ...options });
  try {
    return await work(gateway);
  } finally {
    await gateway.stop();
  }
}

async function hubSection(nullHub, engine, postgres) {
  await withGateway(engine, postgres, async (gateway) => {
    const receivers = QUICK ? [1] : [0, 1, 4, 50];
    for (const batch of [1, 50]) {
      for (const count of receivers) {
        const events = Math.ceil((batch === 1 ? 500 : 2_000) / (QUICK ? 2 : 1) / (count > 4 ? 4 : 1));
        const result = await beside(nullHub, gateway, { events, batch, receivers: count });
        add(throughputRow(`${engine}: ${batch} PDUs a transaction, ${count} receivers`, result));
      }
    }
  });
}

async function echoSection(nullHub, engine, postgres) {
  await withGateway(engine, postgres, async (gateway) => {
    const { ours, theirs } = await beside(nullHub, gateway, { events: QUICK ? 150 : 500, rate: 50 });
    add({
      what: `${engine}: echo at 50 events/s`,
      'p50 ms': ours.p50,
      'p95 ms': ours.p95,
      'p99 ms': ours.p99,
      'null p50 ms': theirs.p50,
      'null p99 ms': theirs.p99,
      'p50 × null': round(ours.p50 / theirs.p50),
      'CPU ms/event': ours.cpu,
    });
  });
}

/** An empty room, a long one and a wide one of the same gateway, in turns. */
async function growthSection(nullHub, engine, postgres) {
  const messages = Number(flags.messages ?? (QUICK ? 20_000 : 1_000_000));
  const members = Number(flags.members ?? (QUICK ? 1_000 : 10_000));
  const databaseUrl = engine === 'postgres' ? await postgres.createUrl() : undefined;
  const first = await startGateway({ databaseUrl });
  const { directory, port } = first;
  await first.stop({ keep: true });
  const began = performance.now();
  const rooms = await fill({
    directory,
    name: first.name,
    databaseUrl,
    messages,
    members,
    servers: Math.ceil(members / 20),
  });
  add({
    what: `${engine}: filled with ${messages} messages and ${members} members`,
    seconds: round((performance.now() - began) / 1000, 0),
  });
  const gateway = await startGateway({ databaseUrl, directory, env: { BENCH_PORT: String(port) } });
  const kinds = { empty: undefined, long: rooms.long, wide: rooms.wide };
  const runs = { empty: [], long: [], wide: [] };
  const echoes = { empty: [], long: [], wide: [] };
  // Who has joined a room cannot be invited again: each run has two servers of its own.
  let last = FIRST_PEER;
  const peers = { next: () => (last += 2) };
  try {
    for (let n = 0; n < REPEAT; n++) {
      for (const [kind, room] of Object.entries(kinds)) {
        const setup = gateway.setupIn(room);
        const before = performance.now();
        const events = QUICK ? 250 : 500;
        runs[kind].push(await drive(gateway, { events, batch: 1, receivers: 1, port: peers.next() }, setup));
        runs[kind].at(-1).seconds = (performance.now() - before) / 1000;
        echoes[kind].push(await drive(gateway, { events: 150, rate: 50, port: peers.next() }, setup));
      }
    }
  } finally {
    await gateway.stop();
  }
  const accepted = (kind) => median(runs[kind].map((r) => r.acceptedPerSec));
  const p50 = (kind) => median(echoes[kind].map((r) => r.echoMs.p50));
  for (const kind of ['empty', 'long', 'wide']) {
    add({
      what: `${engine}: ${kind} room`,
      'accepted/s': accepted(kind),
      'of empty': round(accepted(kind) / accepted('empty')),
      'CPU ms/event': median(runs[kind].map((r) => r.hubCpuMsPerEvent)),
      'echo p50 ms': p50(kind),
      'echo × empty': round(p50(kind) / p50('empty')),
      'RSS MiB': median(runs[kind].map((r) => r.hubRssMiB)),
      'whole run with joins, s': round(median(runs[kind].map((r) => r.seconds)), 1),
    });
  }
}

async function idleSection(engine, postgres) {
  const idle = QUICK ? 500 : 10_000;
  const databaseUrl = engine === 'postgres' ? await postgres.createUrl() : undefined;
  const first = await startGateway({ databaseUrl });
  const empty = { startMs: first.startMs, rssMiB: usage(first.pid).rssMiB };
  await first.stop({ keep: true });
  await fill({ directory: first.directory, name: first.name, databaseUrl, idle });
  const gateway = await startGateway({
    databaseUrl,
    directory: first.directory,
    env: { BENCH_PORT: String(first.port) },
  });
  const { rssMiB } = usage(gateway.pid);
  const { rooms } = await gateway.call('GET', 'rooms?limit=1');
  const began = performance.now();
  await gateway.call('POST', `rooms/${encodeURIComponent(rooms[0].room_id)}/send`, { text: 'is anybody here?' });
  const firstMs = performance.now() - began;
  await gateway.stop();
  add({
    what: `${engine}: ${idle} idle rooms`,
    'start s': round(gateway.startMs / 1000),
    'empty start s': round(empty.startMs / 1000),
    'RSS MiB': round(rssMiB, 0),
    'empty RSS MiB': round(empty.rssMiB, 0),
    'first message ms': round(firstMs, 1),
  });
}

if (sections.has('limits')) {
  const steps = limits();
  for (const [step, us] of Object.entries(steps)) add({ what: `limit: ${step}`, 'CPU µs/event': round(us, 1) });
  const sum = Object.values(steps).reduce((a, b) => a + b, 0);
  add({ what: 'limit: all of it', 'CPU µs/event': round(sum, 1) });
}
const nullHub = await startNullHub();
const postgres = engines.includes('postgres') ? await startPostgres() : undefined;
try {
  for (const engine of engines) {
    if (engine === 'postgres' && postgres === undefined) {
      console.log('PostgreSQL is not installed: left out');
      continue;
    }
    if (sections.has('hub')) await hubSection(nullHub, engine, postgres);
    if (sections.has('echo')) await echoSection(nullHub, engine, postgres);
    if (sections.has('growth')) await growthSection(nullHub, engine, postgres);
    if (sections.has('idle')) await idleSection(engine, postgres);
  }
} finally {
  await nullHub.stop();
  await postgres?.stop();
  report.loadAfter = loadavg();
  writeFileSync(flags.json, JSON.stringify(report, null, 2));
  console.log(`\n${table(report.rows)}\nwritten to ${flags.json}`);
}

/** Markdown: a table for each set of columns. */
function table(rows) {
  return [...grouped(rows).values()]
    .map((group) => {
      const columns = Object.keys(group[0]);
      const line = (cells) => `| ${cells.join(' | ')} |`;
      return [line(columns), line(columns.map(() => '---')), ...group.map((row) => line(Object.values(row)))].join(
        '\n',
      );
    })
    .join('\n\n');
}

function grouped(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = Object.keys(row).join();
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return groups;
}
