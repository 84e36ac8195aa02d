import { describe, expect, it } from 'vitest';
import { TokenBuckets } from './token-buckets.js';

function aClock(): { now: () => number; pass: (ms: number) => void } {
  let time = 1_000_000;
  return { now: () => time, pass: (ms) => (time += ms) };
}

describe('token buckets', () => {
  it('give a burst, then say when there is more, and give it then and not before', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3 }, 10, clock.now);
    expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([0, 0, 0]);
    expect(buckets.take('a')).toBe(500);
    clock.pass(499);
    expect(buckets.take('a')).toBeGreaterThan(0);
    clock.pass(1);
    expect(buckets.take('a')).toBe(0);
    expect(buckets.take('a')).toBe(500);
  });

  it('are one for each key, and hold no more than a burst however long nobody takes', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 10, burst: 1 }, 10, clock.now);
    expect(buckets.take('a')).toBe(0);
    expect(buckets.take('b')).toBe(0);
    clock.pass(3_600_000);
    expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 100]);
  });

  it('let what costs more than a whole bucket pass when the bucket is full', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 1, burst: 5 }, 10, clock.now);
    expect(buckets.take('a', 50)).toBe(0);
    expect(buckets.take('a', 50)).toBe(5_000);
  });

  it('survive a clock that goes back', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 10, clock.now);
    expect(buckets.take('a')).toBe(0);
    clock.pass(-60_000);
    expect(buckets.take('a')).toBe(1_000);
    clock.pass(1_000);
    expect(buckets.take('a')).toBe(0);
  });

  it('take back what was taken, and no more than they hold', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 2, clock.now);
    buckets.give('a');
    expect(buckets.take('a')).toBe(0);
    buckets.give('a');
    buckets.give('a');
    expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 1_000]);
  });

  it('forget the key that was not used for longest', () => {
    const clock = aClock();
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 2, clock.now);
    for (const key of ['a', 'b', 'c']) expect(buckets.take(key)).toBe(0);
    expect(buckets.take('c')).toBe(1_000);
    expect(buckets.take('a')).toBe(0);
  });
});
