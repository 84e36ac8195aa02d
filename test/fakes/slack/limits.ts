import { TIER, type MethodRule } from './methods-table.js';

export interface RateLimits {
  /** Real ms for each of Slack's: 0.01 makes a minute 600 ms. */
  scale: number;
  /** conversations.history and .replies: 15 messages, once a minute (apps made since May 2025 outside the Marketplace). */
  newApp?: boolean;
  /** Messages that may go to one channel at once before 1/s holds. */
  burst?: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Slack's rate limits, counted in real time. Off until a test switches them on. */
export class Limits {
  private rules: RateLimits | undefined;
  private readonly buckets = new Map<string, Bucket>();
  /** How many calls were refused, by method. */
  readonly refused = new Map<string, number>();

  on(rules: RateLimits): void {
    this.rules = rules;
    this.buckets.clear();
  }

  off(): void {
    this.rules = undefined;
  }

  get newApp(): boolean {
    return this.rules?.newApp === true;
  }

  /** Takes one call; the real ms to wait when there is none left, else 0. */
  take(team: string, method: string, rule: MethodRule, channel: string): number {
    if (this.rules === undefined) return 0;
    const wait = this.waitOf(team, method, rule, channel, this.rules);
    if (wait > 0) this.refused.set(method, (this.refused.get(method) ?? 0) + 1);
    return wait;
  }

  private waitOf(team: string, method: string, rule: MethodRule, channel: string, rules: RateLimits): number {
    if (method === 'chat.postMessage')
      return this.draw(`${team} ${method} ${channel}`, 60, rules.burst ?? 1, rules.scale);
    const slow = rules.newApp === true && (method === 'conversations.history' || method === 'conversations.replies');
    const perMinute = slow ? 1 : TIER[rule.tier];
    return perMinute === Infinity ? 0 : this.draw(`${team} ${method}`, perMinute, perMinute, rules.scale);
  }

  private draw(key: string, perMinute: number, burst: number, scale: number): number {
    const now = performance.now();
    const every = (60_000 / perMinute) * scale;
    const bucket = this.buckets.get(key) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / every);
    bucket.at = now;
    this.buckets.set(key, bucket);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    return Math.max(1, (1 - bucket.tokens) * every);
  }
}
