import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Durability, GroupCommit } from './group-commit.js';

let directory: string;
let connection: BetterSqlite3.Database;
let groups: GroupCommit;
let statements: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-group-'));
  statements = [];
  connection = new BetterSqlite3(join(directory, 'x.db'), { verbose: (sql) => statements.push(String(sql)) });
  connection.pragma('journal_mode = WAL');
  connection.exec('CREATE TABLE said (word TEXT PRIMARY KEY)');
  groups = new GroupCommit(connection);
});

afterEach(() => {
  connection.close();
  rmSync(directory, { recursive: true, force: true });
});

const say = (word: string, durability: Durability = 'synced'): Promise<void> =>
  groups.run(durability, async () => {
    await Promise.resolve();
    connection.prepare('INSERT INTO said VALUES (?)').run(word);
  });
const words = (): unknown[] => connection.prepare('SELECT word FROM said ORDER BY word').pluck().all();
const count = (statement: string): number => statements.filter((each) => each === statement).length;

describe('group commit', () => {
  it('commits together what waits at the same time', async () => {
    await Promise.all(['a', 'b', 'c'].map((word) => say(word)));
    expect(words()).toEqual(['a', 'b', 'c']);
    expect(count('COMMIT')).toBe(1);
  });

  it('undoes the work that fails, whole, and nothing of its neighbours', async () => {
    const fail = () =>
      groups.run('synced', async () => {
        connection.prepare("INSERT INTO said VALUES ('gone')").run();
        await Promise.resolve();
        connection.prepare("INSERT INTO said VALUES ('a')").run();
      });
    const outcomes = await Promise.allSettled([say('a'), fail(), say('b')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(words()).toEqual(['a', 'b']);
  });

  it('gives turns: no work begins before the one before it has ended', async () => {
    const steps: string[] = [];
    const slow = (name: string) =>
      groups.run('synced', async () => {
        steps.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 5));
        steps.push(`${name} ends`);
      });
    await Promise.all([slow('first'), slow('second')]);
    expect(steps).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
  });

  it('reports no work whose commit fails, and goes on with the next', async () => {
    connection.pragma('foreign_keys = ON');
    connection.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY)');
    connection.exec('CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)');
    const orphan = () =>
      groups.run('synced', () => {
        connection.exec('INSERT INTO child VALUES (1)');
        return Promise.resolve();
      });
    const outcomes = await Promise.allSettled([say('a'), orphan()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await say('b');
    expect(words()).toEqual(['b']);
  });

  it('fails what SQLite itself has rolled back, and begins again with what had not begun', async () => {
    const rollBack = () =>
      groups.run('synced', () => {
        connection.exec('ROLLBACK'); // as SQLite does when the disk is full
        return Promise.reject(new Error('database or disk is full'));
      });
    const outcomes = await Promise.allSettled([say('before'), rollBack(), say('after')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(words()).toEqual(['after']);
  });

  it('waits for the disk as soon as one of a group must, and not for those that need not', async () => {
    const synchronous = (): unknown => connection.pragma('synchronous', { simple: true });
    await say('a', 'relaxed');
    expect(synchronous()).toBe(1);
    await Promise.all([say('b', 'relaxed'), say('c', 'synced')]);
    expect(synchronous()).toBe(2);
  });

  it('refuses what waits when no transaction can begin', async () => {
    connection.exec('BEGIN'); // somebody else uses the connection
    await expect(say('a')).rejects.toThrow('transaction');
    connection.exec('ROLLBACK');
    await say('b');
    expect(words()).toEqual(['b']);
  });
});
