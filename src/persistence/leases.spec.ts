import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forEachDatabase } from '../../test/postgres/databases.js';
import { until } from '../../test/support/gateway.js';
import { parseDatabaseUrl } from '../config/values.js';
import type { Database } from './database.js';
import { AuditLogEntity } from './entities/index.js';
import { GatewayName } from './gateway-name.js';
import { LeaseLost, Leases } from './leases.js';
import { Loops } from './loops.js';
import { openDatabase } from './open-database.js';
import { WakeupRelay } from './wakeup-relay.js';
import { Wakeups } from './wakeups.js';

/** What one gateway process has of its own. */
class Process {
  readonly wakeups: Wakeups;
  readonly leases: Leases;

  private constructor(
    readonly database: Database,
    url: string,
  ) {
    const gateway = new GatewayName();
    this.wakeups = new Wakeups(database, url.startsWith('postgres') ? new WakeupRelay(url, gateway) : undefined);
    this.leases = new Leases(database, this.wakeups, gateway);
  }

  static async start(url: string): Promise<Process> {
    const location = parseDatabaseUrl(url);
    if (location === undefined) throw new Error(`${url} is no database`);
    return new Process(await openDatabase(location), url);
  }

  async stop(): Promise<void> {
    await this.leases.beforeApplicationShutdown();
    await this.kill();
  }

  /** Gives nothing back. */
  async kill(): Promise<void> {
    this.leases.stopRenewing();
    await this.wakeups.onApplicationShutdown();
    await this.database.onApplicationShutdown();
  }
}

const note = (id: number): AuditLogEntity => ({ id, actor: 'test', action: 'test', detail: '', at: 0 });

forEachDatabase(({ name, createUrl }) => {
  let url: string;
  let first: Process;
  const others: Process[] = [];

  const another = async (): Promise<Process> => {
    const process = await Process.start(url);
    others.push(process);
    return process;
  };
  const notes = async (): Promise<number[]> => (await first.database.read.find(AuditLogEntity)).map(({ id }) => id);
  /** Lets every lease expire, on the database's clock. */
  const expire = (): Promise<unknown> =>
    first.database.transaction((manager) => manager.query('UPDATE lease SET expires_at = 1 WHERE expires_at > 1'));

  beforeEach(async () => {
    url = await createUrl();
    first = await Process.start(url);
  });

  afterEach(async () => {
    for (const process of others.splice(0)) await process.kill();
    await first.kill();
  });

  describe('a lease', () => {
    it('lets what its holder writes be committed', async () => {
      const lease = await first.leases.acquire('channel/1');
      await lease?.transaction((manager) => manager.insert(AuditLogEntity, note(1)));
      expect(await notes()).toEqual([1]);
    });

    it('commits nothing of a failed transaction', async () => {
      const lease = await first.leases.acquire('channel/1');
      const failing = lease?.transaction(async (manager) => {
        await manager.insert(AuditLogEntity, note(1));
        throw new Error('on purpose');
      });
      await expect(failing).rejects.toThrow('on purpose');
      expect(await notes()).toEqual([]);
    });
  });

  describe('a loop', () => {
    it('runs again when it was started while it ran, and never twice at once', async () => {
      let at = 0;
      let most = 0;
      let runs = 0;
      const loops = new Loops<string>(
        first.leases,
        'test',
        async () => {
          most = Math.max(most, ++at);
          await sleep(5);
          at -= 1;
          runs += 1;
          return undefined;
        },
        () => 10,
      );
      for (let n = 0; n < 5; n++) loops.start('a');
      await until('the second run', () => runs === 2);
      await loops.stop();
      expect([runs, most]).toEqual([2, 1]);
    });
  });

  describe.skipIf(name === 'sqlite')('between processes', () => {
    it('is held by one of many that ask at the same time', async () => {
      const processes = [first, await another(), await another()];
      const leases = await Promise.all(processes.map(({ leases }) => leases.acquire('channel/1')));
      expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1);
    });

    it('passes on at once when it is given back', async () => {
      const second = await another();
      await first.leases.acquire('channel/1');
      expect(await second.leases.acquire('channel/1')).toBeUndefined();
      await first.leases.release(['channel/1']);
      await until('it is free', async () => (await second.leases.acquire('channel/1')) !== undefined, 2_000);
    });

    it('passes on when its holder lets it expire, whose late writes are then refused', async () => {
      const second = await another();
      const old = await first.leases.acquire('channel/1');
      await expire();
      const fresh = await second.leases.acquire('channel/1');
      await fresh?.transaction((manager) => manager.insert(AuditLogEntity, note(2)));
      const late = old?.transaction((manager) => manager.insert(AuditLogEntity, note(1)));
      await expect(late).rejects.toThrow(LeaseLost);
      expect(await notes()).toEqual([2]);
    });

    it('is not taken over between the check of its token and the commit', async () => {
      const second = await another();
      const lease = await first.leases.acquire('channel/1');
      await expire();
      const order: string[] = [];
      let attempt: Promise<unknown> = Promise.resolve();
      await lease?.transaction(async (manager) => {
        await manager.insert(AuditLogEntity, note(1));
        attempt = second.leases.acquire('channel/1').then((got) => order.push(got === undefined ? 'refused' : 'taken'));
        await sleep(150);
        order.push('committed');
      });
      await attempt;
      expect(order).toEqual(['committed', 'taken']);
    });

    it('passes on without waiting for its end when its holder is killed', async () => {
      const second = await another();
      const third = await another();
      await until('they are present', () => [second, third].every(({ wakeups }) => wakeups.present));
      for (const { leases } of [second, third]) await leases.onApplicationBootstrap();
      expect(await second.leases.acquire('channel/1')).toBeDefined();
      expect(await third.leases.acquire('channel/1')).toBeUndefined();
      // So far away that waiting for it would fail the test.
      await first.database.transaction((manager) =>
        manager.query('UPDATE lease SET expires_at = expires_at + 3600000'),
      );
      await second.kill();
      others.splice(others.indexOf(second), 1);
      await until('it is free', async () => (await third.leases.acquire('channel/1')) !== undefined, 20_000);
      await third.leases.beforeApplicationShutdown();
    });

    it('is given back and taken by another process when a loop is stopped', async () => {
      const second = await another();
      const ran: string[] = [];
      const loopsOf = ({ leases }: Process, label: string): Loops<string> =>
        new Loops<string>(
          leases,
          'test',
          () => {
            ran.push(label);
            return Promise.resolve(undefined);
          },
          () => 10,
        );
      const [a, b] = [loopsOf(first, 'first'), loopsOf(second, 'second')];
      a.start('key');
      await until('the first ran', () => ran.length === 1);
      b.start('key');
      await sleep(100);
      expect(ran).toEqual(['first']);
      await a.stop();
      await until('the second runs', () => {
        b.start('key');
        return ran.includes('second');
      });
      await b.stop();
    });

    it('are spread over the processes that are alive, and of a process that goes only its own move', async () => {
      const second = await another();
      const third = await another();
      await until('they are present', () => [first, second, third].every(({ wakeups }) => wakeups.present));
      for (const { leases } of [first, second, third]) await leases.onApplicationBootstrap();
      await until('they see each other', () =>
        [first, second, third].every(({ leases }) => leases.alive().length === 3),
      );
      const keys = Array.from({ length: 300 }, (_, n) => `channel/${String(n)}`);
      const preferring = (...processes: Process[]): (Process | undefined)[] =>
        keys.map((key) => {
          const all = processes.filter(({ leases }) => leases.prefers(key));
          expect(all).toHaveLength(1);
          return all[0];
        });
      const before = preferring(first, second, third);
      for (const process of [first, second, third]) {
        expect(before.filter((each) => each === process).length).toBeGreaterThan(50);
      }
      await third.leases.beforeApplicationShutdown();
      await until('it is seen', () => [first, second].every(({ leases }) => leases.alive().length === 2));
      const after = preferring(first, second);
      expect(after.filter((each, n) => each !== before[n] && before[n] !== third)).toEqual([]);
      for (const { leases } of [first, second]) await leases.beforeApplicationShutdown();
    });
  });

  describe.skipIf(name === 'sqlite')('a wake-up', () => {
    it('reaches the other processes after the commit, and none when it is rolled back', async () => {
      const second = await another();
      const woken = { first: [] as string[], second: [] as string[] };
      const missed = new Promise<void>((resolve) => {
        second.wakeups.onMissed(resolve);
      });
      first.wakeups.on('room', (room) => woken.first.push(room));
      second.wakeups.on('room', (room) => woken.second.push(room));
      await missed; // it is connected
      await sleep(50);
      await first.database
        .transaction(() => {
          first.wakeups.wake('room', 'rolled back');
          return Promise.reject(new Error('on purpose'));
        })
        .catch(() => undefined);
      await first.database.transaction(() => {
        for (let n = 0; n < 300; n++) first.wakeups.wake('room', `${'x'.repeat(200)}${String(n)}`);
        return Promise.resolve();
      });
      await until('all have come', () => woken.second.length >= 300);
      expect(woken.second).toEqual(woken.first);
      expect(woken.second).toHaveLength(300);
    });

    it('is made up for by a look at everything when the connection was cut', async () => {
      const second = await another();
      let looks = 0;
      second.wakeups.onMissed(() => (looks += 1));
      await until('it is connected', () => looks === 1);
      vi.spyOn(process.stdout, 'write').mockReturnValue(true); // the warning
      await first.database.transaction((manager) =>
        manager.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'causeway wake-ups' AND datname = current_database()`),
      );
      await until('it looks again', () => looks === 2);
      const rooms: string[] = [];
      second.wakeups.on('room', (room) => rooms.push(room));
      await until('wake-ups come again', () => {
        first.wakeups.wake('room', 'r');
        return rooms.length > 0;
      });
    });
  });
});
