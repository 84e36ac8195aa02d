const FIRST_MS = 2_000; // profile §5
const LONGEST_MS = 3_600_000; // profile §5

/** How long to wait after `attempts` failures in a row, in ms: doubled each time, with jitter of ±20 %. */
export function backoff(attempts: number, random: () => number = Math.random): number {
  const base = Math.min(FIRST_MS * 2 ** Math.max(0, attempts - 1), LONGEST_MS);
  return Math.min(LONGEST_MS, Math.round(base * (0.8 + 0.4 * random())));
}
