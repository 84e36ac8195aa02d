import { expect, it } from 'vitest';
import { backoff } from './backoff.js';

const POLICY = { firstMs: 2_000, longestMs: 3_600_000 };
const middle = () => 0.5;

// proves profile/handshakes/13
it('each failure in a row doubles the waiting time, from two seconds to an hour', () => {
  const waits = [1, 2, 3, 11, 12, 1_000].map((failures) => backoff(POLICY, failures, middle));
  expect(waits).toEqual([2_000, 4_000, 8_000, 2_048_000, 3_600_000, 3_600_000]);
  expect(backoff(POLICY, 0, middle)).toBe(2_000);
});

it('jitter spreads it by a fifth either way, and never beyond the longest', () => {
  expect(backoff(POLICY, 3, () => 0)).toBe(6_400);
  expect(backoff(POLICY, 3, () => 1)).toBe(9_600);
  expect(backoff(POLICY, 20, () => 1)).toBe(3_600_000);
});
