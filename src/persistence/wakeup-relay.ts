import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { backoff } from './backoff.js';
import type { GatewayName } from './gateway-name.js';

const CHANNEL = 'causeway';
/** The class of the advisory locks by which gateways show that they live. */
export const PRESENCE = 0x43_57_47_57;
/** What is published within this time goes in one notification. */
const GATHER_MS = 5;
/** PostgreSQL takes less than 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_500;
/** More at once are worth no list: the others are told to look at everything. */
const MAX_GATHERED = 1_000;
const RECONNECT = { firstMs: 250, longestMs: 10_000 };
const HEARTBEAT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 5_000;

export interface RelayListener {
  woken(topic: string, subject: string): void;
  /** Wake-ups may have been lost. */
  missed(): void;
}

/** `[sender, [[topic, subject], …]]`; without the list: look at everything. */
type Notification = [string, [string, string][]?];

/**
 * Wake-ups between the gateway processes on one PostgreSQL, by LISTEN and NOTIFY on a connection of its own. They are sent after the
 * commit and gathered, not in the transactions: those would take turns at their commits (docs/adr/0007). The same
 * connection holds a lock in the name of this gateway, which ends with the process, however that ends.
 */
export class WakeupRelay {
  private readonly logger = new Logger('WakeupRelay');
  private readonly gathered = new Map<string, [string, string]>();
  private client: Client | undefined;
  private listener: RelayListener | undefined;
  private flushing: NodeJS.Timeout | undefined;
  private heartbeat: NodeJS.Timeout | undefined;
  private reconnecting: NodeJS.Timeout | undefined;
  private failures = 0;
  private stopping = false;
  private asked: Promise<void> = Promise.resolve();

  constructor(
    private readonly url: string,
    private readonly gateway: GatewayName,
  ) {}

  /** Whether the other gateways can see that this one lives. */
  get present(): boolean {
    return this.client !== undefined;
  }

  start(listener: RelayListener): void {
    this.listener = listener;
    void this.connect();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.reconnecting);
    clearTimeout(this.flushing);
    await this.flush();
    await this.disconnect();
  }

  /** Tells the other processes soon; nobody when there is no connection: they look by themselves. */
  publish(topic: string, subject: string): void {
    if (this.client === undefined || this.stopping) return;
    this.gathered.set(`${topic} ${subject}`, [topic, subject]);
    this.flushing ??= setTimeout(() => {
      void this.flush();
    }, GATHER_MS);
  }

  private async flush(): Promise<void> {
    while (this.gathered.size > 0) {
      const wakeups = [...this.gathered.values()];
      this.gathered.clear();
      for (const payload of this.payloads(wakeups)) await this.ask('SELECT pg_notify($1, $2)', [CHANNEL, payload]);
    }
    this.flushing = undefined;
  }

  /** One query at a time. Resolves also when it failed: then the connection is lost. */
  private ask(sql: string, parameters: string[] = []): Promise<void> {
    this.asked = this.asked.then(async () => {
      const { client } = this;
      await client?.query(sql, parameters).catch((error: unknown) => {
        this.lost(error, client);
      });
    });
    return this.asked;
  }

  private payloads(wakeups: readonly [string, string][]): string[] {
    if (wakeups.length > MAX_GATHERED) return [JSON.stringify([this.gateway.value] satisfies Notification)];
    const out: string[] = [];
    let part: [string, string][] = [];
    let bytes = 0;
    for (const wakeup of wakeups) {
      const size = Buffer.byteLength(JSON.stringify(wakeup)) + 1;
      if (bytes + size > MAX_PAYLOAD_BYTES && part.length > 0) {
        out.push(JSON.stringify([this.gateway.value, part] satisfies Notification));
        part = [];
        bytes = 0;
      }
      part.push(wakeup);
      bytes += size;
    }
    return [...out, JSON.stringify([this.gateway.value, part] satisfies Notification)];
  }

  private received(payload: string | undefined): void {
    const [sender, wakeups] = JSON.parse(payload ?? '[]') as Notification;
    if (sender === this.gateway.value) return;
    if (wakeups === undefined) this.listener?.missed();
    else for (const [topic, subject] of wakeups) this.listener?.woken(topic, subject);
  }

  private async connect(): Promise<void> {
    const client = new Client({
      connectionString: this.url,
      application_name: 'causeway wake-ups',
      keepAlive: true,
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    });
    client.on('error', (error) => {
      this.lost(error, client);
    });
    client.on('notification', ({ payload }) => {
      this.received(payload);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      await client.query('SELECT pg_try_advisory_lock($1, hashtext($2))', [PRESENCE, this.gateway.value]);
    } catch (error) {
      await client.end().catch(() => undefined); // it was not connected
      this.retry(error);
      return;
    }
    if (this.stopping) {
      await client.end();
      return;
    }
    this.client = client;
    this.failures = 0;
    this.heartbeat = setInterval(() => {
      void this.ask('SELECT 1');
    }, HEARTBEAT_MS);
    this.listener?.missed();
  }

  /** A connection that broke, or that answers no more. */
  private lost(error: unknown, client: Client): void {
    if (client !== this.client || this.stopping) return;
    void this.disconnect();
    this.retry(error);
  }

  private retry(error: unknown): void {
    if (this.stopping) return;
    this.failures += 1;
    this.logger.warn({ err: error, failures: this.failures }, 'no wake-ups between processes; connecting again');
    this.reconnecting = setTimeout(
      () => {
        void this.connect();
      },
      backoff(RECONNECT, this.failures),
    );
  }

  private async disconnect(): Promise<void> {
    clearInterval(this.heartbeat);
    const { client } = this;
    this.client = undefined;
    await client?.end().catch(() => undefined); // it is broken already
  }
}
