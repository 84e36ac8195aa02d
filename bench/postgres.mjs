// A throw-away PostgreSQL cluster that waits for the disk, as a production one does; it ends with this process.
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './processes.mjs';

const VERSIONS = '/usr/lib/postgresql';

/** undefined: PostgreSQL is not installed. */
export async function startPostgres() {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : [];
  const binaries = process.env.PG_BIN ?? (versions[0] && join(VERSIONS, versions[0], 'bin'));
  if (binaries === undefined || !existsSync(join(binaries, 'initdb'))) return undefined;
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  const user = process.getuid() === 0 ? { uid: id('-u'), gid: id('-g') } : {}; // PostgreSQL refuses to run as root
  const data = mkdtempSync(join(tmpdir(), 'causeway-bench-pg-'));
  if (user.uid !== undefined) chownSync(data, user.uid, user.gid);
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  execFileSync(join(binaries, 'initdb'), init, { ...user, cwd: data, stdio: 'pipe' });
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=100'];
  const flags = settings.flatMap((setting) => ['-c', setting]);
  const server = spawn(join(binaries, 'postgres'), ['-D', data, '-p', String(port), ...flags], {
    ...user,
    cwd: data,
    stdio: 'ignore',
  });
  process.once('exit', () => server.kill('SIGQUIT'));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  for (let attempt = 0; !(await answers(url)); attempt++) {
    if (attempt === 200) throw new Error('PostgreSQL did not start');
    await sleep(100);
  }
  let made = 0;
  return {
    pid: server.pid,
    /** The URL of a fresh database. */
    async createUrl() {
      const name = `bench_${made++}`;
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return url.replace(/postgres$/, name);
    },
    async stop() {
      server.kill('SIGINT');
      await new Promise((resolve) => server.once('exit', resolve));
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function answers(connectionString) {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined); // a lost connection shows in the next query
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined); // it was not connected
  }
}
