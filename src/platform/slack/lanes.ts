import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { SlackRefusal, rateLimited } from './slack-errors.js';

export interface Pace {
  now(): number;
  /** ms between two messages to one channel (docs.slack.dev/apis/web-api/rate-limits). */
  messageMs: number;
  /** A call waits so long for its turn; it is sent back to come again when it would have to wait longer. */
  patienceMs: number;
}

export const SLACKS_PACE: Pace = { now: () => Date.now(), messageMs: 1_000, patienceMs: 3_000 };

const MAX_LANES = 5_000;

interface Lane {
  /** When the next call may go, ms of {@link Pace.now}. */
  next: number;
  /** Calls go one after the other, in the order in which they came. */
  last: Promise<unknown>;
  waiting: number;
}

const MAX_WAITING = 100;

/**
 * Calls that Slack limits together take turns. What Slack sent back with 429 holds its whole lane back until Slack's time is over,
 * so that nothing overtakes it.
 */
export class Lanes {
  private readonly lanes = new LRUCache<string, Lane>({ max: MAX_LANES });

  constructor(
    private readonly pace: Pace,
    private readonly signal: AbortSignal,
  ) {}

  /** ms that a call in this lane would have to wait now. */
  delay(name: string): number {
    return Math.max(0, (this.lanes.peek(name)?.next ?? 0) - this.pace.now());
  }

  /** Rejects with PlatformError `unavailable` when its turn is too far away, and with whatever the call rejects with. */
  async take<T>(name: string, method: string, spacingMs: number, call: () => Promise<T>): Promise<T> {
    const lane = this.lanes.get(name) ?? { next: 0, last: Promise.resolve(), waiting: 0 };
    this.lanes.set(name, lane);
    const wait = this.wait(lane) + lane.waiting * spacingMs;
    if (lane.waiting >= MAX_WAITING || wait > this.pace.patienceMs) throw rateLimited(method, wait);
    lane.waiting += 1;
    const turn = lane.last.then(async () => {
      try {
        const wait = this.wait(lane);
        if (wait > this.pace.patienceMs) throw rateLimited(method, wait);
        if (wait > 0) await sleep(wait, undefined, { signal: this.signal });
        return await call();
      } catch (error) {
        const asked = error instanceof SlackRefusal && error.word === 'ratelimited' ? error.options.retryAfterMs : 0;
        lane.next = Math.max(lane.next, this.pace.now() + (asked ?? 0));
        throw error;
      } finally {
        lane.next = Math.max(lane.next, this.pace.now() + spacingMs); // Slack may count from when it has taken the call
        lane.waiting -= 1;
      }
    });
    lane.last = turn.catch(() => undefined);
    return turn;
  }

  private wait({ next }: Lane): number {
    return Math.max(0, next - this.pace.now());
  }
}
