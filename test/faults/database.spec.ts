import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, findPostgresBinaries, startCluster } from '../postgres/cluster.js';
import { forEachDatabase } from '../postgres/databases.js';
import { until } from '../support/until.js';
import { LONG } from './long.js';
import { Pair, SIDES } from './pair.js';
import { SMALL_DISKS, SmallDisk } from './small-disk.js';
import { Weather } from './weather.js';

const CASE_MS = 240_000;
const HOUR_MS = 3_600_000;
const FAULT_MS = LONG ? 20_000 : 3_000;
const CUT_EVERY_MS = 300;
const DISK_MIB = 12;
const NOTICED_MS = 60_000;
const WORKING_MS = 500;

/** People write on both sides while something is done to a database; then a while longer. */
async function writeDuring(pair: Pair, name: string, fault: () => Promise<void>): Promise<void> {
  let over = false;
  const writing = pair.burst(name, () => !over);
  try {
    await fault();
    await sleep(WORKING_MS);
  } finally {
    over = true;
    await writing;
  }
}

/** No gateway crashed, and none printed what nobody caught. */
function expectNoCrash(pair: Pair): void {
  for (const side of SIDES) {
    const { gateway } = pair.companies[side];
    expect(gateway.running).toBe(true);
    expect(gateway.errors().filter((line) => !line.startsWith('{'))).toEqual([]);
  }
}

const binaries = findPostgresBinaries();

describe.skipIf(binaries === undefined)('PostgreSQL', () => {
  let cluster: Cluster;
  let pair: Pair;

  const asSuperuser = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: cluster.url });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    cluster = await startCluster(binaries ?? '', { durable: true });
    for (const side of SIDES) await asSuperuser(`CREATE DATABASE ${side}`);
    const urlOf = (name: string): string => Object.assign(new URL(cluster.url), { pathname: name }).href;
    pair = await Pair.start({ databaseUrls: { hub: urlOf('hub'), participant: urlOf('participant') } });
  }, CASE_MS);

  afterAll(async () => {
    await pair.stop();
    await cluster.stop();
  });

  it(
    'that crashes under load and comes back loses nothing, and the gateways say meanwhile that they are not ready',
    async () => {
      await writeDuring(pair, 'crash', async () => {
        await sleep(WORKING_MS);
        cluster.crash();
        for (const side of SIDES) {
          const { gateway } = pair.companies[side];
          const unready = async (): Promise<boolean> => (await gateway.readiness())?.ok === false;
          await until(`the ${side} is not ready`, unready, NOTICED_MS);
          expect((await gateway.readiness())?.text).toMatch(/PostgreSQL/);
        }
        await cluster.restart();
      });
      await pair.settle();
      for (const side of SIDES) {
        await until(
          `the ${side} is ready`,
          async () => (await pair.companies[side].gateway.readiness())?.ok,
          NOTICED_MS,
        );
      }
      expectNoCrash(pair);
    },
    CASE_MS,
  );

  it(
    'that cuts every connection again and again loses nothing',
    async () => {
      const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('hub', 'participant')`;
      await writeDuring(pair, 'cut', async () => {
        const end = Date.now() + FAULT_MS;
        while (Date.now() < end) {
          await asSuperuser(cut);
          await sleep(CUT_EVERY_MS);
        }
      });
      await pair.settle();
      expectNoCrash(pair);
    },
    CASE_MS,
  );
});

describe.skipIf(!SMALL_DISKS)('SQLite on a disk that is full', () => {
  it.each(SIDES)(
    'of the %s: it is said, nothing is damaged or lost, and it goes on by itself when there is space again',
    async (side) => {
      const disk = SmallDisk.mount(DISK_MIB);
      const elsewhere = mkdtempSync(join(tmpdir(), 'causeway-disk-'));
      const path = join(disk.path, 'x.db');
      const urls = { hub: `sqlite:${join(elsewhere, 'x.db')}`, participant: `sqlite:${join(elsewhere, 'y.db')}` };
      const pair = await Pair.start({ databaseUrls: { ...urls, [side]: `sqlite:${path}` } });
      const { gateway } = pair.companies[side];
      try {
        await pair.burst('before', () => true, 5);
        await writeDuring(pair, 'full', async () => {
          disk.fill();
          await until('it is said', async () => (await gateway.readiness())?.text.includes('disk full'), NOTICED_MS);
          expect(await gateway.metrics()).toMatch(/^causeway_database_failing 1$/m);
          await sleep(FAULT_MS);
          expect((await gateway.readiness())?.ok).toBe(false);
        });
        expect(checkOf(path)).toBe('ok');
        expectNoCrash(pair);
        disk.free();
        await until('it is ready again', async () => (await gateway.readiness())?.ok, NOTICED_MS);
        expect(await gateway.metrics()).toMatch(/^causeway_database_failing 0$/m);
        await pair.settle();
        expect(checkOf(path)).toBe('ok');
      } finally {
        await pair.stop();
        disk.unmount();
        rmSync(elsewhere, { recursive: true, force: true });
      }
    },
    CASE_MS,
  );
});

/** As SQLite finds its file. */
function checkOf(path: string): unknown {
  const connection = new BetterSqlite3(path, { readonly: true });
  try {
    return connection.pragma('integrity_check', { simple: true });
  } finally {
    connection.close();
  }
}

it('the tests of a full disk are not left out where they are asked for', () => {
  const asked = (process.env.CAUSEWAY_REQUIRE ?? '').split(',').includes('root');
  expect(asked && !SMALL_DISKS).toBe(false);
});

forEachDatabase(({ createUrl }) => {
  describe('a clock that jumps', () => {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-clock-'));
    const weather = new Weather(directory);
    let pair: Pair;

    beforeAll(async () => {
      const { env, nodeOptions } = weather;
      const databaseUrls = { hub: await createUrl(), participant: await createUrl() };
      pair = await Pair.start({ databaseUrls, env, nodeOptions });
    }, CASE_MS);

    afterAll(async () => {
      await pair.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    it.each([
      ['ahead by two hours', 2 * HOUR_MS],
      ['back to the right time', 0],
      ['back by two hours', -2 * HOUR_MS],
    ])(
      '%s under load, with a restart and an outage of the other side: nothing is lost, and nothing waits for hours',
      async (name, clockMs) => {
        const { hub, participant } = pair.companies;
        await pair.burst(`${name}, before`, () => true, 5);
        // What is waited for now was set by the clock as it was.
        await participant.gateway.stop();
        await pair.burst(`${name}, alone`, () => true, 20);
        await weather.set({ clockMs });
        await hub.gateway.stop();
        await hub.gateway.start();
        await participant.gateway.start();
        await pair.burst(`${name}, after`, () => true, 5);
        await pair.settle();
        expectNoCrash(pair);
      },
      CASE_MS,
    );
  });
});
