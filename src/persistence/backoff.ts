/** How long to wait after failures in a row, in ms. */
export interface BackoffPolicy {
  firstMs: number;
  longestMs: number;
}

/** Doubled with each failure in a row, with jitter of ±20 %. */
export function backoff({ firstMs, longestMs }: BackoffPolicy, failures: number, random = Math.random): number {
  const base = Math.min(firstMs * 2 ** Math.max(0, failures - 1), longestMs);
  return Math.min(longestMs, Math.round(base * (0.8 + 0.4 * random())));
}
