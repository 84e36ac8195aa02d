import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.js';
import { until } from './until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const ADMIN_TOKEN = 'a-token-for-the-tests';
const READY_MS = 180_000;

export interface GatewayProcessOptions {
  serverName: string;
  /** Its log is `<name>.log`. Default: the server name. */
  name?: string;
  /** Working directory; the log stands there. */
  directory: string;
  env: Record<string, string>;
  /** `dist-faults` has failpoints in it. Default `dist`. */
  build?: 'dist' | 'dist-faults';
  /** Options of Node before the script. */
  nodeOptions?: readonly string[];
}

/** A gateway as it is run: a process of its own, reached over HTTP alone. Its ports stay the same from start to start. */
export class GatewayProcess {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly options: GatewayProcessOptions,
    readonly federationPort: number,
    readonly adminPort: number,
  ) {}

  /** Chooses the ports; nothing runs yet. */
  static async prepare(options: GatewayProcessOptions): Promise<GatewayProcess> {
    return new GatewayProcess(options, await freePort(), await freePort());
  }

  /** More of the environment, from the next start on. */
  set(env: Record<string, string>): void {
    Object.assign(this.options.env, env);
  }

  get log(): string {
    return readFileSync(this.path('log'), 'utf8');
  }

  /** What it logged as an error or worse, and what it printed outside of its log (a crash, an unhandled rejection). */
  errors(): string[] {
    const lines = this.log.split('\n').filter((line) => line !== '');
    return lines.filter((line) => !line.startsWith('{') || /^\{"level":[56]0,/.test(line));
  }

  /** The process dies at a failpoint, `name:n` at the nth time; the next start disarms it. For `dist-faults` alone. */
  arm(failpoint: string): void {
    writeFileSync(this.path('failpoint'), failpoint);
  }

  /** Starts the process without waiting for anything. */
  launch(): void {
    const { serverName, directory, build = 'dist', nodeOptions = [], env } = this.options;
    rmSync(this.path('failpoint'), { force: true });
    const log = openSync(this.path('log'), 'a');
    this.child = spawn(process.execPath, [...nodeOptions, join(ROOT, build, 'src/main.js')], {
      cwd: directory,
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env.PATH,
        CAUSEWAY_SERVER_NAME: serverName,
        CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(this.federationPort)}`,
        CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${String(this.adminPort)}`,
        CAUSEWAY_ADMIN_TOKEN: ADMIN_TOKEN,
        FAILPOINT: this.path('failpoint'),
        ...env,
      },
    });
    closeSync(log);
  }

  /** Resolves when the gateway is ready; rejects when it ends before. */
  async start(): Promise<void> {
    this.launch();
    const ready = async (): Promise<boolean> => {
      if (!this.running) throw new Error(`${this.name} did not start:\n${this.log.slice(-2_000)}`);
      return (await this.readiness())?.ok ?? false;
    };
    await until(`${this.name} is ready`, ready, READY_MS);
  }

  /** What /readyz answers; undefined when nobody listens. */
  async readiness(): Promise<{ ok: boolean; text: string } | undefined> {
    const response = await fetch(`http://127.0.0.1:${String(this.adminPort)}/readyz`).catch(() => undefined); // not yet
    return response && { ok: response.ok, text: await response.text() };
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${String(this.adminPort)}/metrics`)).text();
  }

  /** Resident memory in MiB. */
  get rssMb(): number {
    const status = readFileSync(`/proc/${String(this.child?.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
  }

  get running(): boolean {
    return this.child?.exitCode === null && this.child.signalCode === null;
  }

  /** By what the process ended, once it has. */
  async ended(): Promise<NodeJS.Signals | number | null> {
    if (this.child === undefined) throw new Error('the process was never started');
    if (this.running) await once(this.child, 'exit');
    return this.child.signalCode ?? this.child.exitCode;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.running) return;
    this.child?.kill(signal);
    await this.ended();
  }

  /** A call of the admin API; rejects with what it answered unless that is a 2xx. */
  async admin<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${String(this.adminPort)}/_causeway/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${this.name}: ${method} ${path}: ${String(response.status)} ${text}`);
    }
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  private get name(): string {
    return this.options.name ?? this.options.serverName;
  }

  private path(ending: string): string {
    return join(this.options.directory, `${this.name}.${ending}`);
  }
}
