import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { Client, type ClientConfig } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import type { DatabaseLocation } from '../config/index.js';
import { Database } from './database.js';
import { ENTITIES } from './entities/index.js';
import { MIGRATIONS } from './migrations/index.js';
import { SnakeCaseNaming } from './naming.js';

const MIGRATION_LOCK = 0x43_57_41_59; // any constant: the key of the advisory lock
const MIGRATION_LOCK_TIMEOUT_MS = 60_000;

/** Connects, and brings the schema up to date; several processes that start at once take turns. Rejects when it cannot. */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  const writer = new DataSource(dataSourceOptions(location));
  await writer.initialize();
  try {
    if (location.kind === 'postgres') {
      await migratePostgres(writer);
      return new Database(writer, writer);
    }
    await migrateSqlite(writer, location.path);
    const reader = new DataSource({
      ...dataSourceOptions(location),
      readonly: true,
      enableWAL: false,
    } as DataSourceOptions);
    await reader.initialize();
    return new Database(writer, reader);
  } catch (error) {
    await writer.destroy();
    throw error;
  }
}

/**
 * The pool takes its listener off a connection that broke, and a connection can fail twice (the server says that it ends it, then
 * the socket breaks): the second time nobody would listen, and the process would end. Whoever used it learns from its query.
 */
class PooledClient extends Client {
  constructor(options?: ClientConfig) {
    super(options);
    this.on('error', () => undefined);
  }
}

export function dataSourceOptions(location: DatabaseLocation): DataSourceOptions {
  const common = {
    entities: ENTITIES,
    migrations: MIGRATIONS,
    namingStrategy: new SnakeCaseNaming(),
    migrationsTransactionMode: 'all' as const,
    logging: false,
  };
  if (location.kind === 'postgres') {
    const extra = { Client: PooledClient };
    return { ...common, type: 'postgres', url: location.url, poolSize: 16, applicationName: 'causeway', extra };
  }
  return {
    ...common,
    type: 'better-sqlite3',
    database: location.path,
    enableWAL: true,
    timeout: 10_000,
    statementCacheSize: 500,
    prepareDatabase: (connection: BetterSqlite3.Database) => {
      connection.pragma('synchronous = FULL');
    },
  };
}

async function migratePostgres(dataSource: DataSource): Promise<void> {
  const lock = dataSource.createQueryRunner();
  try {
    await lock.connect();
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await dataSource.runMigrations();
    await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
  } finally {
    await lock.release();
  }
}

async function migrateSqlite(dataSource: DataSource, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  // A file beside the database: its lock is the operating system's, so a killed process leaves none behind.
  const lock = new BetterSqlite3(`${path}.migration-lock`, { timeout: MIGRATION_LOCK_TIMEOUT_MS });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    await dataSource.runMigrations();
    lock.exec('ROLLBACK');
  } finally {
    lock.close();
  }
}
