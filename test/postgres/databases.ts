import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, describe, inject } from 'vitest';

export interface DatabaseEngine {
  name: 'sqlite' | 'postgres';
  /** A fresh, empty database, as the configuration names one (`sqlite:PATH` or `postgres://…`); gone after the suite. */
  createUrl: () => Promise<string>;
}

/** Declares the same suite once per engine. Where the machine has no PostgreSQL that half shows as skipped. */
export function forEachDatabase(suite: (engine: DatabaseEngine) => void): void {
  const postgresUrl = inject('postgresUrl');

  describe('on sqlite', () => {
    const directories: string[] = [];
    afterAll(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))));
    suite({
      name: 'sqlite',
      createUrl: async () => {
        const directory = await mkdtemp(join(tmpdir(), 'causeway-sqlite-'));
        directories.push(directory);
        return `sqlite:${join(directory, 'x.db')}`;
      },
    });
  });

  describe.skipIf(postgresUrl === undefined)('on postgres', () => {
    const names: string[] = [];
    afterAll(() =>
      asSuperuser(
        postgresUrl,
        names.map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
      ),
    );
    suite({
      name: 'postgres',
      createUrl: async () => {
        const name = `test_${randomBytes(8).toString('hex')}`;
        await asSuperuser(postgresUrl, [`CREATE DATABASE ${name}`]);
        names.push(name);
        const url = new URL(postgresUrl ?? '');
        url.pathname = name;
        return url.href;
      },
    });
  });
}

async function asSuperuser(url: string | undefined, statements: string[]): Promise<void> {
  if (statements.length === 0) return;
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
