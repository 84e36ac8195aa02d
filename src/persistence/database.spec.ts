import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../test/postgres/databases.js';
import { parseDatabaseUrl } from '../config/values.js';
import type { Database } from './database.js';
import { LeaseEntity } from './entities/index.js';
import { dataSourceOptions, openDatabase } from './open-database.js';

const lease = (resource: string): LeaseEntity => ({ resource, holder: 'test', token: 1, expiresAt: 0 });
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

forEachDatabase(({ name, createUrl }) => {
  let database: Database;
  let url: string;

  const location = () => {
    const parsed = parseDatabaseUrl(url);
    if (parsed === undefined) throw new Error(`${url} is no database`);
    return parsed;
  };
  const resources = async (): Promise<string[]> =>
    (await database.read.find(LeaseEntity, { order: { resource: 'ASC' } })).map(({ resource }) => resource);

  beforeEach(async () => {
    url = await createUrl();
    database = await openDatabase(location());
  });

  afterEach(() => database.onApplicationShutdown());

  describe('the unit of work', () => {
    it('keeps exactly what succeeded of many concurrent transactions, of which every other one fails', async () => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, n) =>
          database.transaction(async (manager) => {
            await manager.insert(LeaseEntity, lease(`a${String(n)}`));
            await soon();
            await manager.insert(LeaseEntity, lease(`b${String(n)}`));
            if (n % 2 === 1) throw new Error('on purpose');
          }),
        ),
      );
      const kept = outcomes.flatMap(({ status }, n) =>
        status === 'fulfilled' ? [`a${String(n)}`, `b${String(n)}`] : [],
      );
      expect(kept).toHaveLength(40);
      expect(await resources()).toEqual(kept.sort());
    });

    it('is one with the transaction around it', async () => {
      const failing = database.transaction(async (manager) => {
        await manager.insert(LeaseEntity, lease('outer'));
        await database.transaction((inner) => inner.insert(LeaseEntity, lease('inner')));
        throw new Error('on purpose');
      });
      await expect(failing).rejects.toThrow('on purpose');
      expect(await resources()).toEqual([]);
    });

    it('shows to others only what is committed', async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const writing = database.transaction(async (manager) => {
        await manager.insert(LeaseEntity, lease('x'));
        expect(await resources()).toEqual(['x']);
        await held;
      });
      await soon();
      expect(await resources()).toEqual([]);
      release();
      await writing;
      expect(await resources()).toEqual(['x']);
    });

    it('has effects after its commit, and none when it is rolled back', async () => {
      const effects: string[] = [];
      await database.transaction(async () => {
        database.afterCommit(() => effects.push('committed'));
        await soon();
        expect(effects).toEqual([]);
      });
      await database
        .transaction(async () => {
          database.afterCommit(() => effects.push('rolled back'));
          await soon();
          throw new Error('on purpose');
        })
        .catch(() => undefined);
      expect(effects).toEqual(['committed']);
    });
  });

  it('relaxed, does not take up what must be on the disk', async () => {
    const wrong = database.transaction(() => database.transaction(() => Promise.resolve()), 'relaxed');
    await expect(wrong).rejects.toThrow('on the disk');
    const right = database.transaction(() => database.transaction(() => Promise.resolve(1), 'relaxed'));
    expect(await right).toBe(1);
  });

  it('relaxed, is committed before it is reported', async () => {
    await database.transaction((manager) => manager.insert(LeaseEntity, lease('x')), 'relaxed');
    expect(await resources()).toEqual(['x']);
  });

  describe('the schema', () => {
    it('is what the entities say', async () => {
      const dataSource = await new DataSource(dataSourceOptions(location())).initialize();
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
      await dataSource.destroy();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
    });

    it('is made once when several gateways start at the same time', async () => {
      url = await createUrl();
      const several = await Promise.all([1, 2, 3].map(() => openDatabase(location())));
      for (const each of several) {
        expect(await each.read.count(LeaseEntity)).toBe(0);
        await each.onApplicationShutdown();
      }
    });

    it('keeps its data over a restart', async () => {
      await database.transaction((manager) => manager.insert(LeaseEntity, lease('kept')));
      await database.onApplicationShutdown();
      database = await openDatabase(location());
      expect(await resources()).toEqual(['kept']);
    });
  });

  it.runIf(name === 'sqlite')('writes ahead, and waits for the disk', async () => {
    const journal: unknown = await database.read.query('PRAGMA journal_mode');
    const synchronous: unknown = await database.transaction((manager) => manager.query('PRAGMA synchronous'));
    expect(journal).toEqual([{ journal_mode: 'wal' }]);
    expect(synchronous).toEqual([{ synchronous: 2 }]);
  });

  it.runIf(name === 'sqlite')(
    'is needed: the plain transactions of a data source lose rows that they reported',
    async () => {
      const dataSource = await new DataSource(dataSourceOptions(location())).initialize();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) =>
          dataSource.transaction(async (manager) => {
            await manager.insert(LeaseEntity, lease(`a${String(n)}`));
            await soon();
            if (n % 2 === 1) throw new Error('on purpose');
          }),
        ),
      );
      const reported = outcomes.filter(({ status }) => status === 'fulfilled').length;
      const kept = await dataSource.manager.count(LeaseEntity);
      await dataSource.destroy();
      expect({ reported, kept }).not.toEqual({ reported: 10, kept: 10 });
    },
  );
});
