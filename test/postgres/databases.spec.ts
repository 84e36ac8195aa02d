import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Client } from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { findPostgresBinaries } from './cluster.js';
import { forEachDatabase } from './databases.js';

const given: string[] = [];

describe('forEachDatabase', () => {
  forEachDatabase((engine) => {
    it('gives every caller a database of its own', async () => {
      const urls = [await engine.createUrl(), await engine.createUrl()];
      given.push(...urls);
      expect(new Set(urls).size).toBe(2);
    });

    it('gives an empty database of the engine it names', async () => {
      const url = await engine.createUrl();
      given.push(url);
      if (engine.name === 'sqlite') {
        expect(url).toMatch(/^sqlite:\/.*\/x\.db$/);
        expect(existsSync(dirname(url.slice('sqlite:'.length)))).toBe(true);
        return;
      }
      const client = new Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query(`SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = 'public'`);
      await client.end();
      expect(rows).toEqual([{ n: 0 }]);
    });
  });

  it('leaves nothing behind', async () => {
    const paths = given.filter((url) => url.startsWith('sqlite:')).map((url) => dirname(url.slice('sqlite:'.length)));
    expect(paths.filter((path) => existsSync(path))).toEqual([]);

    const postgresUrl = inject('postgresUrl');
    if (postgresUrl === undefined) return;
    const client = new Client({ connectionString: postgresUrl });
    await client.connect();
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database');
    await client.end();
    const names = given.filter((url) => url.startsWith('postgres:')).map((url) => new URL(url).pathname.slice(1));
    expect(rows.map(({ datname }) => datname).filter((name) => names.includes(name))).toEqual([]);
  });
});

describe('findPostgresBinaries', () => {
  it('takes PG_BIN before anything else, and passes over a directory without a server', () => {
    const found = findPostgresBinaries({ PATH: process.env.PATH });
    expect(findPostgresBinaries({ PATH: process.env.PATH, PG_BIN: '/nowhere' })).toBe(found);
    if (found !== undefined) expect(findPostgresBinaries({ PG_BIN: found, PATH: '' })).toBe(found);
  });
});
