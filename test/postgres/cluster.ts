import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from '../support/ports.js';

export interface Cluster {
  /** The maintenance database, as superuser. */
  url: string;
  /** Ends the server without a checkpoint, as a lost machine does, and its connections with it. */
  crash(): void;
  /** Starts a server that crashed again, at the same address; resolves when it answers. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** What is committed outlives a crash. Default: not, because everything is faster so. */
  durable?: boolean;
}

const DEBIAN_VERSIONS = '/usr/lib/postgresql';
const START_TIMEOUT_MS = 60_000;

// Everything a lost machine would need is off: this cluster never outlives a test run.
const THROW_AWAY = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];
const COMMON = ['shared_buffers=64MB', 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=300'];

// The server lives as long as its supervisor's standard input: however the test run ends, even by SIGKILL, that closes,
// and the server and its files go away. A line of input is a command.
const SUPERVISOR = `
  data=$1; shift
  "$@" & server=$!
  while read -r command; do
    case $command in
      crash) kill -QUIT "$server"; wait "$server" ;;
      start) "$@" & server=$! ;;
    esac
  done
  kill -INT "$server"
  wait "$server"
  rm -rf "$data"
`;

/** The directory with `initdb` and `postgres`: from PG_BIN, Debian's newest version, or PATH; undefined when there is none. */
export function findPostgresBinaries(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const candidates = [
    ...(env.PG_BIN ? [env.PG_BIN] : []),
    ...debianVersions().map((version) => join(DEBIAN_VERSIONS, version, 'bin')),
    ...(env.PATH ?? '').split(delimiter).filter((directory) => directory !== ''),
  ];
  return candidates.find((directory) => ['initdb', 'postgres'].every((name) => existsSync(join(directory, name))));
}

/** Starts a cluster in a temporary directory on a free loopback port. Rejects, with the server's own words, when it cannot. */
export async function startCluster(binaries: string, { durable = false }: ClusterOptions = {}): Promise<Cluster> {
  const user = unprivilegedUser();
  const data = mkdtempSync(join(tmpdir(), 'causeway-postgres-'));
  if (user) chownSync(data, user.uid, user.gid);
  try {
    const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    execFileSync(join(binaries, 'initdb'), options, { ...user, cwd: data, stdio: 'pipe' });
  } catch (error) {
    rmSync(data, { recursive: true, force: true });
    throw error;
  }

  const port = await freePort();
  const settings = [...(durable ? [] : THROW_AWAY), ...COMMON].flatMap((setting) => ['-c', setting]);
  const server = [join(binaries, 'postgres'), '-D', data, '-p', String(port), ...settings];
  const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'supervisor', data, ...server], {
    ...user,
    cwd: '/',
    detached: true, // a Ctrl-C on the terminal must not take the supervisor before it has cleaned up
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let log = '';
  supervisor.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
  const ended = new Promise<void>((resolve) => supervisor.once('close', () => resolve()));
  const stop = () => {
    supervisor.stdin.end();
    return ended;
  };

  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const answering = async (): Promise<void> => {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(url))) {
      if (Date.now() > deadline || log.includes('FATAL:  could not')) {
        await stop();
        throw new Error(`PostgreSQL from ${binaries} did not start:\n${log}`);
      }
      await sleep(50);
    }
  };
  await answering();
  return {
    url,
    crash: () => supervisor.stdin.write('crash\n'),
    restart: async () => {
      supervisor.stdin.write('start\n');
      await answering();
    },
    stop,
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined); // a lost connection shows in the next query
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** PostgreSQL refuses to run as root: then it runs as the account that its package made. */
function unprivilegedUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}

function debianVersions(): string[] {
  if (!existsSync(DEBIAN_VERSIONS)) return [];
  return readdirSync(DEBIAN_VERSIONS).sort((a, b) => Number(b) - Number(a));
}
