import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Certificates } from './authority.js';
import type { Company } from './companies.js';

/** What is run is always the build, also when a test imports this file as it is written. */
const BUILD = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../dist' : '..', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

export interface Ports {
  chat: number;
  federation: number;
  admin: number;
}

/** One company: its chat and its gateway, each a process of its own. */
export class Site {
  private readonly processes = new Map<'chat' | 'gateway', ChildProcess>();
  private readonly directory: string;
  private readonly chatToken: string;
  private readonly adminToken: string;

  constructor(
    readonly company: Company,
    private readonly ports: Ports,
    private readonly peer: { server: string; federation: number },
    private readonly certificates: Certificates,
    data: string,
  ) {
    this.directory = join(data, company.workspace);
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.chatToken = this.secret('chat-token');
    this.adminToken = this.secret('admin-token');
  }

  get page(): string {
    return `http://127.0.0.1:${String(this.ports.chat)}/?as=${this.company.people[0]?.username ?? ''}#${this.company.shared}`;
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${String(this.ports.admin)}`;
  }

  async startChat(): Promise<void> {
    const { name, workspace, accent, people, channels } = this.company;
    this.run('chat', 'demo/chat/main.js', {
      CHAT_PORT: String(this.ports.chat),
      CHAT_DATABASE: join(this.directory, 'chat.sqlite'),
      CHAT_WORKSPACE_ID: workspace,
      CHAT_WORKSPACE_NAME: name,
      CHAT_TOKEN: this.chatToken,
      CHAT_ACCENT: accent,
      CHAT_PEOPLE: JSON.stringify(people),
      CHAT_CHANNELS: JSON.stringify(channels),
    });
    await this.ready('chat', `http://127.0.0.1:${String(this.ports.chat)}/`);
  }

  async startGateway(): Promise<void> {
    const { server, workspace } = this.company;
    const { cert, key } = this.certificates.of(server);
    const url = `http://127.0.0.1:${String(this.ports.chat)}/causeway`;
    this.run('gateway', 'src/main.js', {
      CAUSEWAY_SERVER_NAME: server,
      CAUSEWAY_DATABASE_URL: `sqlite:${join(this.directory, 'gateway.sqlite')}`,
      CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(this.ports.federation)}`,
      CAUSEWAY_FEDERATION_TLS_CERT: cert,
      CAUSEWAY_FEDERATION_TLS_KEY: key,
      CAUSEWAY_FEDERATION_CA: this.certificates.ca,
      CAUSEWAY_FEDERATION_PEERS: JSON.stringify({
        [this.peer.server]: `https://127.0.0.1:${String(this.peer.federation)}`,
      }),
      CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${String(this.ports.admin)}`,
      CAUSEWAY_ADMIN_TOKEN: this.adminToken,
      CAUSEWAY_PLATFORMS: JSON.stringify([{ kind: 'http', workspace, url, token: this.chatToken }]),
    });
    await this.ready('gateway', `${this.adminUrl}/readyz`);
  }

  /** Resolves once the process is gone. `SIGKILL`: without a chance to tidy up. */
  async stop(part: 'chat' | 'gateway', signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.processes.get(part);
    this.processes.delete(part);
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(killer);
  }

  /** A call of the gateway's admin API; rejects with what it answered unless it is a 2xx. */
  async admin<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.adminUrl}/_causeway/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.company.server}: ${method} ${path}: ${String(response.status)} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  private run(part: 'chat' | 'gateway', script: string, env: Record<string, string>): void {
    const log = createWriteStream(join(this.directory, `${part}.log`), { flags: 'a' });
    const child = spawn(process.execPath, ['--enable-source-maps', join(BUILD, script)], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C reaches us alone; we stop the others in order
      cwd: this.directory,
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('exit', (code, signal) => {
      log.end();
      if (this.processes.get(part) !== child) return;
      console.error(`${this.company.name}: the ${part} stopped (${String(code ?? signal)}); see ${this.logPath(part)}`);
    });
    this.processes.set(part, child);
  }

  private logPath(part: string): string {
    return join(this.directory, `${part}.log`);
  }

  private async ready(part: 'chat' | 'gateway', url: string): Promise<void> {
    const child = this.processes.get(part);
    for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end;) {
      if (child?.exitCode !== null) break;
      const response = await fetch(url).catch(() => undefined); // not listening yet
      if (response?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const lines = readFileSync(this.logPath(part), 'utf8').trimEnd().split('\n').slice(-5).join('\n');
    throw new Error(`${this.company.name}: the ${part} did not start:\n${lines}`);
  }

  /** A secret that stays the same from start to start. */
  private secret(name: string): string {
    const path = join(this.directory, name);
    if (!existsSync(path)) writeFileSync(path, randomBytes(24).toString('base64url'), { mode: 0o600 });
    return readFileSync(path, 'utf8');
  }
}
