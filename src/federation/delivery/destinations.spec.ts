import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../../test/postgres/databases.js';
import { until } from '../../../test/support/gateway.js';
import { parseDatabaseUrl } from '../../config/values.js';
import { Clock } from '../../persistence/clock.js';
import type { Database } from '../../persistence/database.js';
import { openDatabase } from '../../persistence/open-database.js';
import { Wakeups } from '../../persistence/wakeups.js';
import type { ServerName } from '../../protocol/index.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { Destinations } from './destinations.js';

const GLOBEX = 'globex.example' as ServerName;
const HOUR_MS = 3_600_000;

class HeldClock extends Clock {
  time = 1_800_000_000_000;

  now(): number {
    return this.time;
  }
}

forEachDatabase(({ createUrl }) => {
  let database: Database;
  let clock: HeldClock;
  let destinations: Destinations;

  const gone = new RemoteUnavailable(GLOBEX, 'nobody there');
  const busy = (retryAfterMs: number) => new RemoteRefusal(GLOBEX, 429, 'M_LIMIT_EXCEEDED', 'slowly', retryAfterMs);
  const failTimes = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n++) await destinations.failed(GLOBEX, gone);
  };

  beforeEach(async () => {
    const location = parseDatabaseUrl(await createUrl());
    if (location === undefined) throw new Error('the URL of the database is none');
    database = await openDatabase(location);
    clock = new HeldClock();
    destinations = new Destinations(database, new Wakeups(database), clock);
  });

  afterEach(() => database.onApplicationShutdown());

  describe('a server that does not answer', () => {
    it('is left alone for two seconds, then for twice as long each time, and at most for an hour', async () => {
      const waits: number[] = [];
      for (let n = 0; n < 16; n++) {
        await failTimes(1);
        waits.push(await destinations.waitFor(GLOBEX));
      }
      for (const [n, wait] of waits.entries()) {
        const base = Math.min(2_000 * 2 ** n, HOUR_MS);
        expect(wait).toBeGreaterThanOrEqual(base * 0.8);
        expect(wait).toBeLessThanOrEqual(Math.min(base * 1.2, HOUR_MS));
      }
    });

    it.each([
      [0, 2_000],
      [90_000, 90_000],
      [10 * 365 * 24 * HOUR_MS, 24 * HOUR_MS],
    ])('and asks for %d ms of rest gets %d', async (asked, given) => {
      await destinations.failed(GLOBEX, busy(asked));
      expect(await destinations.waitFor(GLOBEX)).toBe(given);
    });

    it('is healthy with its first answer', async () => {
      await failTimes(5);
      await destinations.succeeded(GLOBEX);
      expect(await destinations.waitFor(GLOBEX)).toBe(0);
    });

    it('is tried at once when it is heard by another process than the one that failed', async () => {
      await failTimes(8);
      const other = new Destinations(database, new Wakeups(database), clock);
      await other.refresh();
      other.heardFrom(GLOBEX);
      await until('the wait is over', async () => (await destinations.waitFor(GLOBEX)) === 0);
    });

    it('does not make us try with each of its requests', async () => {
      await failTimes(8);
      destinations.heardFrom(GLOBEX);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await destinations.waitFor(GLOBEX)).toBeGreaterThan(0);
      clock.time += 2_000;
      destinations.heardFrom(GLOBEX);
      await until('the wait is over', async () => (await destinations.waitFor(GLOBEX)) === 0);
    });

    it('is still known to be failing after the admin had it tried', async () => {
      await failTimes(8);
      await destinations.retryNow(GLOBEX);
      await failTimes(1);
      expect(await destinations.waitFor(GLOBEX)).toBeLessThan(3_000);
    });
  });
});
