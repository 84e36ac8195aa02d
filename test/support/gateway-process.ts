import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.js';
import { until } from './until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ADMIN_TOKEN = 'a-token-for-the-tests';
const READY_MS = 60_000;

export interface GatewayProcessOptions {
  serverName: string;
  /** Working directory; the log stands there as `<serverName>.log`. */
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
    return readFileSync(this.logPath, 'utf8');
  }

  /** Starts the process without waiting for anything. `env`: beside that of the options. */
  launch(env: Record<string, string> = {}): void {
    const { serverName, directory, build = 'dist', nodeOptions = [] } = this.options;
    const child = spawn(process.execPath, [...nodeOptions, join(ROOT, build, 'src/main.js')], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        CAUSEWAY_SERVER_NAME: serverName,
        CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(this.federationPort)}`,
        CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${String(this.adminPort)}`,
        CAUSEWAY_ADMIN_TOKEN: ADMIN_TOKEN,
        ...this.options.env,
        ...env,
      },
    });
    const log = createWriteStream(this.logPath, { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    this.child = child;
  }

  /** Resolves when the gateway is ready; rejects when it ends before. */
  async start(env: Record<string, string> = {}): Promise<void> {
    this.launch(env);
    const url = `http://127.0.0.1:${String(this.adminPort)}/readyz`;
    const ready = async (): Promise<boolean> => {
      if (!this.running) throw new Error(`${this.options.serverName} did not start:\n${this.log.slice(-2_000)}`);
      const response = await fetch(url).catch(() => undefined); // not listening yet
      return response?.ok ?? false;
    };
    await until(`${this.options.serverName} is ready`, ready, READY_MS);
  }

  get running(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
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
      throw new Error(`${this.options.serverName}: ${method} ${path}: ${String(response.status)} ${text}`);
    }
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  private get logPath(): string {
    return join(this.options.directory, `${this.options.serverName}.log`);
  }
}
