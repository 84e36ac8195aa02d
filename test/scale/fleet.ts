import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FastChat } from '../fakes/fast-chat.js';
import { freePort } from '../support/ports.js';
import { Balancer } from './balancer.js';

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
const ADMIN_TOKEN = 'a-token-for-the-tests';
const CHAT_TOKEN = 'a-token-for-the-chat';
const READY_TIMEOUT_MS = 180_000;

interface Member {
  federation: number;
  admin: number;
  process: ChildProcess | undefined;
}

/** Several gateway processes of one company, on one database, behind a load balancer, and its chat. */
export class Fleet {
  private members: Member[] = [];
  private balancer!: Balancer;
  chat!: FastChat;
  kills = 0;

  constructor(
    readonly server: string,
    private readonly options: { databaseUrl: string; directory: string; channels: readonly string[] },
  ) {}

  get url(): string {
    return this.balancer.url;
  }

  /** Opens the ports; the gateways start later, when they can know where the other company is. */
  async open(size: number): Promise<this> {
    this.chat = await FastChat.start(this.workspace, this.options.channels);
    for (let n = 0; n < size; n++) {
      this.members.push({ federation: await freePort(), admin: await freePort(), process: undefined });
    }
    this.balancer = await Balancer.start(this.members.map(({ federation }) => federation));
    return this;
  }

  async start(peers: Record<string, string>): Promise<void> {
    await Promise.all(this.members.map((member, n) => this.startMember(member, n, peers)));
  }

  /** Ends one process by SIGKILL and starts it again after a while. */
  async killOne(peers: Record<string, string>, downMs: number): Promise<void> {
    const n = Math.floor(Math.random() * this.members.length);
    const member = this.members[n];
    if (member === undefined) return;
    await stopProcess(member, 'SIGKILL');
    this.kills += 1;
    await sleep(downMs);
    await this.startMember(member, n, peers);
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => stopProcess(member, 'SIGTERM')));
    await this.balancer.close();
    await this.chat.close();
  }

  async admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${String(this.members[0]?.admin)}/_causeway/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${this.server}: ${method} ${path}: ${String(response.status)} ${text}`);
    return JSON.parse(text) as T;
  }

  map(channel: string, roomId: string): Promise<unknown> {
    return this.admin('POST', 'mappings', { platform: 'http', workspace: this.workspace, channel, room_id: roomId });
  }

  get workspace(): string {
    return this.server.split('.')[0] ?? '';
  }

  private async startMember(member: Member, n: number, peers: Record<string, string>): Promise<void> {
    const platforms = [{ kind: 'http', workspace: this.workspace, url: this.chat.url, token: CHAT_TOKEN }];
    const log = openSync(this.logPath(n), 'a');
    const child = spawn(process.execPath, [MAIN], {
      cwd: this.options.directory,
      stdio: ['ignore', log, log],
      env: {
        PATH: process.env.PATH,
        CAUSEWAY_SERVER_NAME: this.server,
        CAUSEWAY_DATABASE_URL: this.options.databaseUrl,
        CAUSEWAY_ADMIN_TOKEN: ADMIN_TOKEN,
        CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(member.federation)}`,
        CAUSEWAY_ADMIN_LISTEN: `127.0.0.1:${String(member.admin)}`,
        CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers),
        CAUSEWAY_PLATFORMS: JSON.stringify(platforms),
        CAUSEWAY_LOG_LEVEL: 'info',
      },
    });
    closeSync(log);
    member.process = child;
    for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end && child.exitCode === null;) {
      await sleep(50);
      const answer = await fetch(`http://127.0.0.1:${String(member.admin)}/readyz`).catch(() => undefined); // not yet
      if (answer?.ok) return;
    }
    throw new Error(
      `${this.server}/${String(n)} did not start:\n${readFileSync(this.logPath(n), 'utf8').slice(-2_000)}`,
    );
  }

  private logPath(n: number): string {
    return join(this.options.directory, `${this.server}-${String(n)}.log`);
  }
}

async function stopProcess(member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const child = member.process;
  member.process = undefined;
  if (child?.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
