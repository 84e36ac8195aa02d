import type { Json } from './model.js';

/** One try of one delivery to the app. */
export interface Attempt {
  /** ms since the epoch, of this machine. */
  readonly at: number;
  readonly retry: number;
  readonly reason: string;
  outcome: 'pending' | 'acknowledged' | 'failed';
}

export type EnvelopeType = 'events_api' | 'slash_commands' | 'interactive';

/** What Slack has for the app, and how far it came. */
export interface Delivery {
  readonly type: EnvelopeType;
  readonly payload: Json;
  readonly attempts: Attempt[];
  /** `lost`: all retries used up, or the app asked not to be asked again. */
  state: 'waiting' | 'acknowledged' | 'lost';
  /** What the app answered with, for commands and interactions. */
  answer?: Json;
}

export interface Transport {
  deliver(delivery: Delivery): void;
}

/** After a failure: almost at once, after a minute, after five (docs.slack.dev/apis/events-api#retries). */
export const RETRIES_MS = [0, 60_000, 300_000] as const;
export const ACK_MS = 3_000;

/** Timers that a close ends, in Slack's time: `scale` real ms for each of its ms, `retryScale` between retries. */
export class Timers {
  private readonly running = new Set<NodeJS.Timeout>();

  constructor(
    readonly scale: number,
    private readonly retryScale: number,
  ) {}

  afterRetry(ms: number, action: () => void): void {
    this.start(ms * this.retryScale, action);
  }

  after(ms: number, action: () => void): NodeJS.Timeout {
    return this.start(ms * this.scale, action);
  }

  private start(ms: number, action: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.running.delete(timer);
      action();
    }, ms);
    this.running.add(timer);
    return timer;
  }

  cancel(timer: NodeJS.Timeout | undefined): void {
    if (timer === undefined) return;
    clearTimeout(timer);
    this.running.delete(timer);
  }

  close(): void {
    for (const timer of this.running) clearTimeout(timer);
    this.running.clear();
  }
}
