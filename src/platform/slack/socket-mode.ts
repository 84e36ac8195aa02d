import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { SocketModeClient } from '@slack/socket-mode';
import { type Receiver, route } from './receiver.js';
import type { Payload } from './events.js';
import { isJson } from './json.js';
import { sdkLogger } from './sdk-logger.js';

/** While one connection is renewed the other one is there: Slack ends each after some hours, and says so ten seconds before. */
const CONNECTIONS = 2;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;
const HELLO_MS = 20_000;
/** Slack sends again what it could not deliver after a minute, and after five, and then no more. */
const SOON_MS = 60_000;
const HOPELESS =
  /invalid_auth|not_authed|account_inactive|token_revoked|not_allowed_token_type|missing_scope|link_disabled/;

interface Envelope {
  ack: (response?: Record<string, unknown>) => Promise<void>;
  type: string;
  body: unknown;
}

/**
 * Socket Mode over the official client, which acknowledges only when it is told to: after the commit. Its own way to reconnect is
 * off: it waits five seconds, and an error of the network while it reconnects is a rejection that nobody can catch.
 */
export class SocketMode {
  private readonly logger = new Logger('SlackSocketMode');
  private readonly stopping = new AbortController();
  private running: Promise<unknown> = Promise.resolve();
  private standing = 0;
  /** ms since the epoch: when the last connection ended. */
  private goneSince: number | undefined;

  constructor(
    private readonly appToken: string,
    private readonly receivers: () => readonly Receiver[],
    private readonly slackApiUrl: string | undefined,
  ) {}

  start(): void {
    this.running = Promise.all(Array.from({ length: CONNECTIONS }, (_, n) => this.keep(n)));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** One connection after the other. */
  private async keep(n: number): Promise<void> {
    let failures = 0;
    while (!this.stopped) {
      try {
        await this.connection(() => {
          failures = 0;
          this.stands();
        });
        this.ended();
      } catch (error) {
        failures += 1;
        this.failed(n, failures, error);
      }
      if (failures === 0) continue;
      const wait = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS) * (0.8 + 0.4 * Math.random());
      await this.pause(wait);
    }
  }

  /** Resolves when a connection that stood has ended; rejects when it never stood. */
  private async connection(stands: () => void): Promise<void> {
    const client = new SocketModeClient({
      appToken: this.appToken,
      autoReconnectEnabled: false,
      logger: sdkLogger(this.logger),
      clientOptions: {
        ...(this.slackApiUrl === undefined ? {} : { slackApiUrl: this.slackApiUrl }),
        retryConfig: { retries: 0 },
        rejectRateLimitedCalls: true,
      },
    });
    const ended = new Promise<void>((resolve) => client.once('disconnected', () => resolve()));
    client.on('slack_event', (envelope: Envelope) => void this.take(envelope));
    const end = (): void => void client.disconnect();
    this.stopping.signal.addEventListener('abort', end);
    try {
      await this.inTime(client.start());
      stands();
      await ended;
    } finally {
      this.stopping.signal.removeEventListener('abort', end);
      client.removeAllListeners('slack_event');
    }
  }

  private async inTime(start: Promise<unknown>): Promise<void> {
    const timer = new AbortController();
    const late = sleep(HELLO_MS, undefined, { signal: timer.signal }).then(
      () => {
        throw new Error('Slack does not say hello');
      },
      () => undefined,
    );
    try {
      await Promise.race([start, late]);
    } finally {
      timer.abort();
    }
  }

  /** What is not acknowledged comes again, on whichever connection, under the same event id. */
  private async take({ ack, type, body }: Envelope): Promise<void> {
    try {
      const payload = payloadOf(type, body);
      if (payload !== undefined) await route(this.receivers(), payload);
      await ack();
    } catch (error) {
      this.logger.warn({ reason: String(error) }, 'an envelope of Slack was not acknowledged; it comes again');
    }
  }

  private failed(n: number, failures: number, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.stopped) return;
    this.logger.warn({ connection: n, failures, reason }, 'Socket Mode does not connect; trying again');
    if (HOPELESS.test(reason)) {
      this.tell(
        `Slack refuses the app-level token (xapp-…): ${reason}; Socket Mode must be on, and the token needs connections:write`,
      );
    }
  }

  private stands(): void {
    this.standing += 1;
    this.tell(undefined);
    const { goneSince } = this;
    this.goneSince = undefined;
    if (goneSince === undefined || Date.now() - goneSince < SOON_MS) return;
    for (const receiver of this.receivers()) receiver.missed(goneSince);
  }

  private ended(): void {
    this.standing -= 1;
    if (this.standing === 0) this.goneSince = Date.now();
  }

  private tell(problem: string | undefined): void {
    for (const receiver of this.receivers()) receiver.trouble(problem);
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

function payloadOf(type: string, body: unknown): Payload | undefined {
  if (!isJson(body)) return undefined;
  if (type === 'events_api') return { kind: 'event', body };
  if (type === 'slash_commands') return { kind: 'command', body };
  return type === 'interactive' ? { kind: 'action', body } : undefined;
}
