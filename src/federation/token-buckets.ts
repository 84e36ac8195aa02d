import { LRUCache } from 'lru-cache';

export interface Rate {
  /** How many come back in a second. */
  perSecond: number;
  /** How many may be used at once. */
  burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by key, of a bounded number of keys: those not used for longest are forgotten, and full again. */
export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  /** `now`: ms since the epoch. */
  constructor(
    private readonly rate: Rate,
    maxKeys: number,
    private readonly now: () => number,
  ) {
    this.buckets = new LRUCache({ max: maxKeys });
  }

  /** Takes `cost` tokens, at most a whole bucket of them. 0 when they were there; else in how many ms they will be. */
  take(key: string, cost = 1): number {
    const { perSecond, burst } = this.rate;
    const now = this.now();
    const before = this.buckets.get(key) ?? { tokens: burst, at: now };
    const elapsed = Math.max(0, now - before.at) / 1_000;
    const tokens = Math.min(burst, before.tokens + elapsed * perSecond);
    const wanted = Math.min(cost, burst);
    const left = tokens >= wanted ? tokens - wanted : tokens;
    this.buckets.set(key, { tokens: left, at: now });
    return tokens >= wanted ? 0 : Math.ceil(((wanted - tokens) / perSecond) * 1_000);
  }

  /** Gives back what was taken. */
  give(key: string, cost = 1): void {
    const bucket = this.buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.rate.burst, bucket.tokens + cost);
  }
}
