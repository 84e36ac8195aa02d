// Starts what is measured, and drives it: our gateway from the build, the null hub, and the driver.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SHARED = process.env.CAUSEWAY_SHARED ?? fileURLToPath(new URL('../../shared', import.meta.url));
const TOKEN = 'a-token-for-the-bench';
/** The scripted servers are localhost:FIRST_PEER and up. */
export const FIRST_PEER = 3305;
const MAX_PEERS = 60;

export const sharedBench = (name) => {
  const path = join(SHARED, 'bench', name);
  if (!existsSync(path))
    throw new Error(`${path} is missing: check out shared/ beside the project, or set CAUSEWAY_SHARED`);
  return path;
};

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** CPU of a process so far, user and system, in ms; and what it holds of memory, in MiB. */
export function usage(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, rssMiB: rss / 1024 };
}

/** The smallest hub there is: the ceiling of the driver. */
export async function startNullHub() {
  const port = await freePort();
  const child = spawn(process.execPath, [sharedBench('null-hub.mjs'), '--port', String(port)], { stdio: 'pipe' });
  await once(child.stdout, 'data');
  const make = `curl -sf -H 'content-type: application/json' -d '{"users":"'$BENCH_USERS'"}' http://127.0.0.1:${port}/__bench`;
  return { name: `localhost:${port}`, pid: child.pid, setup: make, stop: () => end(child) };
}

/** A gateway process of the build in dist/. `directory`: data of an earlier one, which is kept. `env`: further settings. */
export async function startGateway({ databaseUrl, directory: given, env = {} } = {}) {
  const directory = given ?? mkdtempSync(join(tmpdir(), 'causeway-bench-'));
  const port = Number(env.BENCH_PORT ?? (await freePort()));
  const admin = await freePort();
  const peers = Array.from({ length: MAX_PEERS }, (_, n) => `localhost:${FIRST_PEER + n}`);
  const began = performance.now();
  const child = spawn(process.execPath, [join(ROOT, 'dist/src/main.js')], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      CAUSEWAY_SERVER_NAME: `localhost:${port}`,
      CAUSEWAY_ADMIN_TOKEN: TOKEN,
      CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${port}`,
      CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      CAUSEWAY_FEDERATION_PEERS: JSON.stringify(
        Object.fromEntries(peers.map((p) => [p, `http://${p.replace('localhost', '127.0.0.1')}`])),
      ),
      CAUSEWAY_LOG_LEVEL: 'error',
      CAUSEWAY_DATABASE_URL: databaseUrl ?? `sqlite:${join(directory, 'bench.sqlite')}`,
      ...env,
    },
  });
  const api = `http://127.0.0.1:${admin}`;
  while (
    !(await fetch(`${api}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error('the gateway did not start');
    await sleep(20);
  }
  const startMs = performance.now() - began;
  const call = async (method, path, body) => {
    const response = await fetch(`${api}/_causeway/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const script = join(directory, 'setup.mjs');
  /** `room`: the id of one that exists already. */
  const setup = (room) => {
    writeFileSync(script, SETUP);
    return `${process.execPath} ${script} ${api} ${TOKEN} ${room === undefined ? '' : `'${room}'`}`;
  };
  return {
    name: `localhost:${port}`,
    port,
    pid: child.pid,
    startMs,
    directory,
    call,
    setup: setup(),
    setupIn: setup,
    async stop({ keep = false } = {}) {
      await end(child);
      if (!keep) rmSync(directory, { recursive: true, force: true });
    },
  };
}

const SETUP = `
const [api, token, given] = process.argv.slice(2);
const call = async (path, body) => {
  const headers = { authorization: 'Bearer ' + token, 'content-type': 'application/json' };
  const response = await fetch(api + '/_causeway/v1/' + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(path + ' ' + (await response.text()));
  return response.json();
};
const room = given ?? (await call('rooms', { name: 'bench' })).room_id;
for (const user_id of process.env.BENCH_USERS.split(',')) await call('rooms/' + encodeURIComponent(room) + '/invite', { user_id });
`;

async function end(child) {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** One run of the driver against a hub. `options`: those of hub-bench.mjs. Rejects when anything was lost, forked or forged. */
export function drive(hub, options, setup = hub.setup) {
  const flags = Object.entries({ port: FIRST_PEER, ...options }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const args = [
    sharedBench('hub-bench.mjs'),
    '--hub',
    hub.name,
    '--hub-pid',
    String(hub.pid),
    '--setup-cmd',
    setup,
    ...flags,
  ];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: 600_000 }, (error, stdout, stderr) => {
      const line = stdout.trim().split('\n').at(-1);
      if (error) reject(new Error(`${line}\n${stderr}`));
      else resolve(JSON.parse(line));
    });
  });
}
