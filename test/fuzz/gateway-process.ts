import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { until } from '../support/gateway.js';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const LEVEL_ERROR = 50; // pino
export const ADMIN_TOKEN = 'a-token-for-the-fuzzer';

export interface Memory {
  /** Bytes. */
  rss: number;
  heapUsed: number;
  openFiles: number;
  cpuSeconds: number;
}

/** The gateway as it is deployed: a process, of which only its exit, its output, its API and the kernel are believed. */
export class GatewayProcess {
  /** Lines of level error, and all that the process wrote where it writes nothing when it is well. */
  readonly complaints: string[] = [];
  readonly warnings = new Map<string, number>();
  federationPort = 0;
  private child: ChildProcess | undefined;
  private adminPort = 0;
  private exit: string | undefined;

  constructor(
    readonly serverName: string,
    private readonly directory: string,
    private readonly env: Record<string, string>,
  ) {}

  async start(): Promise<this> {
    this.federationPort = await freePort();
    this.adminPort = await freePort();
    const child = spawn(process.execPath, [MAIN], {
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        CAUSEWAY_SERVER_NAME: this.serverName,
        CAUSEWAY_ADMIN_TOKEN: ADMIN_TOKEN,
        CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(this.federationPort)}`,
        CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${String(this.adminPort)}`,
        CAUSEWAY_LOG_LEVEL: 'warn',
        ...this.env,
      },
    });
    this.child = child;
    child.on('exit', (code, signal) => (this.exit = `the process exited: ${String(code ?? signal)}`));
    forEachLine(child.stdout, (line) => {
      this.readLog(line);
    });
    forEachLine(child.stderr, (line) => this.complaints.push(`stderr: ${line}`));
    await until('the gateway is ready', async () => this.exit !== undefined || (await this.answers()), 60_000);
    if (this.exit !== undefined) throw new Error(`${this.exit}: ${this.complaints.join('\n')}`);
    return this;
  }

  /** What is wrong with the process now, if anything. */
  async fault(): Promise<string | undefined> {
    if (this.exit !== undefined) return `${this.exit}; ${this.complaints.join('\n')}`;
    if (this.complaints.length > 0) return `it complains: ${this.complaints.join('\n')}`;
    return (await this.answers()) ? undefined : 'readyz does not answer 200';
  }

  /** Of /metrics and the kernel. */
  async memory(): Promise<Memory> {
    const text = await (await fetch(this.url('/metrics'))).text();
    const value = (name: string): number => Number(new RegExp(`^${name} ([0-9.e+]+)$`, 'm').exec(text)?.[1] ?? NaN);
    const status = readFileSync(`/proc/${String(this.child?.pid)}/status`, 'utf8');
    return {
      rss: Number(/^VmRSS:\s+([0-9]+) kB/m.exec(status)?.[1]) * 1_024,
      heapUsed: value('nodejs_heap_size_used_bytes'),
      openFiles: value('process_open_fds'),
      cpuSeconds: value('process_cpu_seconds_total'),
    };
  }

  async admin<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.url(`/_causeway/v1/${path}`), {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new AdminRefusal(response.status, `${method} ${path}: ${String(response.status)} ${text}`);
    return JSON.parse(text) as T;
  }

  async stop(): Promise<void> {
    if (this.child === undefined || this.exit !== undefined) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'exit');
  }

  private url(path: string): string {
    return `http://127.0.0.1:${String(this.adminPort)}${path}`;
  }

  private async answers(): Promise<boolean> {
    return fetch(this.url('/readyz')).then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  private readLog(line: string): void {
    let entry: { level?: number; msg?: string };
    try {
      entry = JSON.parse(line) as typeof entry;
    } catch {
      this.complaints.push(`not a log line: ${line}`);
      return;
    }
    if ((entry.level ?? LEVEL_ERROR) >= LEVEL_ERROR) this.complaints.push(line.slice(0, 2_000));
    else this.warnings.set(entry.msg ?? '', (this.warnings.get(entry.msg ?? '') ?? 0) + 1);
  }
}

export class AdminRefusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

function forEachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') take(line);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
