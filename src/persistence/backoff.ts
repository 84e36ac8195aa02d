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

const LONGEST_ASKED_MS = 24 * 3_600_000;

/** How long, in whole ms, to leave somebody alone who asks for it: they may ask for any number, timers and columns take less. */
export const asAsked = (ms: number): number => Math.min(Math.ceil(ms), LONGEST_ASKED_MS);
