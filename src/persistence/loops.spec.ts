import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../test/support/until.js';
import type { Database } from './database.js';
import { GatewayName } from './gateway-name.js';
import { Leases } from './leases.js';
import { Loops } from './loops.js';
import { openDatabase } from './open-database.js';
import { Wakeups } from './wakeups.js';

let directory: string;
let database: Database;
let loops: Loops<string>;
let runs: number;
let wait: number | undefined;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-loops-'));
  database = await openDatabase({ kind: 'sqlite', path: join(directory, 'x.db') });
  runs = 0;
  const work = (): Promise<number | undefined> => {
    runs++;
    return Promise.resolve(wait);
  };
  loops = new Loops(new Leases(database, new Wakeups(database), new GatewayName()), 'test', work, () => 0);
});

afterEach(async () => {
  await loops.stop();
  await database.onApplicationShutdown();
  rmSync(directory, { recursive: true, force: true });
});

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('a loop that has to wait', () => {
  it('is started by what ends the wait, and left alone by what does not', async () => {
    wait = 60_000;
    loops.start('a');
    await until('it has run', () => runs === 1);
    await settled();
    loops.startUnlessWaiting('a');
    await settled();
    expect(runs).toBe(1);
    loops.start('a');
    await until('it runs again', () => runs === 2);
  });

  it('is started by either when there is nothing to wait for', async () => {
    wait = undefined;
    loops.startUnlessWaiting('a');
    await until('it has run', () => runs === 1);
    await settled();
    loops.startUnlessWaiting('a');
    await until('it runs again', () => runs === 2);
  });
});
