import { Logger } from '@nestjs/common';
import type { InboundEvent, PlatformHost } from '../port.js';
import { CatchUp } from './catch-up.js';
import type { Directory } from './directory.js';
import type { Events } from './events.js';
import type { Identity } from './own-and-others.js';
import type { WebApi } from './web-api.js';

export interface StreamParts {
  api: WebApi;
  directory: Directory;
  events: Events;
  /** Resolves when Slack has said who we are. */
  identity: () => Promise<Identity>;
  signal: AbortSignal;
}

/**
 * Events on their way to the gateway. The cursor is the time of the newest one that we know of. It stands still while what was missed
 * is read: should we die meanwhile, it is read again.
 */
export class Stream {
  private readonly logger = new Logger('SlackStream');
  private host: PlatformHost | undefined;
  /** ms since the epoch. */
  private newest = 0;
  private caughtUp = false;
  private missedSince: number | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(private readonly parts: StreamParts) {}

  start(host: PlatformHost): void {
    this.host = host;
    this.reading = this.begin(host);
  }

  /** Resolves when the host is asked for nothing any more; the signal must be aborted, or the host give no turns. */
  async stop(): Promise<void> {
    await this.reading;
  }

  async accept(events: InboundEvent[]): Promise<void> {
    if (this.host === undefined) throw new Error('the gateway has not started');
    const newest = Math.max(this.newest, ...events.map(({ time }) => time));
    await this.host.accept({ events, ...(this.caughtUp ? { cursor: String(newest) } : {}) });
    this.newest = newest;
  }

  /** Events since then (ms since the epoch) may not have reached us. */
  missed(since: number): void {
    if (this.parts.signal.aborted) return;
    this.caughtUp = false;
    const reads = this.missedSince !== undefined;
    this.missedSince = Math.min(this.missedSince ?? since, since);
    if (!reads) this.reading = this.reading.then(() => this.read());
  }

  private async begin(host: PlatformHost): Promise<void> {
    let cursor: string | undefined;
    try {
      cursor = await host.cursor();
    } catch (error) {
      // It gives no turn because the gateway stops.
      if (!this.parts.signal.aborted) this.logger.warn({ reason: String(error) }, 'what was missed is not known');
      return;
    }
    this.newest = Math.max(this.newest, Number.isSafeInteger(Number(cursor)) ? Number(cursor) : 0);
    if (cursor !== undefined && this.newest > 0) this.missedSince = this.newest;
    await this.read();
  }

  private async read(): Promise<void> {
    const { api, directory, events, identity, signal } = this.parts;
    const work = new CatchUp(api, directory, events, (missed) => this.accept(missed), signal);
    for (let since = this.missedSince; since !== undefined; since = this.missedSince) {
      this.missedSince = undefined;
      try {
        await work.since(Math.floor(since / 1_000), await identity());
      } catch (error) {
        if (!signal.aborted) this.logger.error({ reason: String(error) }, 'what was missed is read at the next start');
        return;
      }
    }
    this.caughtUp = true;
  }
}
