import { Injectable } from '@nestjs/common';
import { Configuration } from '../../config/index.js';
import { Clock } from '../../persistence/clock.js';
import { MatrixError, type ServerName } from '../../protocol/index.js';
import { Refusals } from '../refusals.js';
import { TokenBuckets } from '../token-buckets.js';

const BURST_S = 10;
/** One for each server and endpoint. */
const MAX_BUCKETS = 20_000;

/**
 * How often a server may ask what LM-04 lets us limit (LM-04 §Rate Limiting). Counted by the origin that is authenticated, and
 * so for nobody who pretends to be another; why no library does it, says docs/adr/0004.
 */
@Injectable()
export class RateLimits {
  private readonly buckets: TokenBuckets | undefined;

  constructor(
    { rateLimit }: Configuration,
    private readonly refusals: Refusals,
    clock: Clock,
  ) {
    const rate = { perSecond: rateLimit, burst: rateLimit * BURST_S };
    this.buckets = rateLimit === 0 ? undefined : new TokenBuckets(rate, MAX_BUCKETS, () => clock.now());
  }

  /** Throws M_LIMIT_EXCEEDED. */
  take(origin: ServerName, endpoint: string): void {
    const wait = this.buckets?.take(`${origin} ${endpoint}`) ?? 0;
    if (wait === 0) return;
    this.refusals.note(origin, 'rate_limited');
    throw new MatrixError('M_LIMIT_EXCEEDED', 429, `too many requests to ${endpoint}`, { retry_after_ms: wait });
  }
}
