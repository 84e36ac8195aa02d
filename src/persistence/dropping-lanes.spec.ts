import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DroppingLanes } from './dropping-lanes.js';

/** A call that ends when it is told to. */
interface OpenCall {
  subject: string;
  values: number[];
  end: (error?: Error) => void;
}

let calls: OpenCall[];
let failures: string[];
let lanes: DroppingLanes<number>;
const lanesOf = (batch: number) =>
  new DroppingLanes<number>({
    batch,
    carry: (subject, values) =>
      new Promise((resolve, reject) => {
        calls.push({
          subject,
          values,
          end: (error) => {
            if (error === undefined) resolve();
            else reject(error);
          },
        });
      }),
    failed: (subject) => failures.push(subject),
  });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const end = async (n: number, error?: Error): Promise<void> => {
  calls[n]?.end(error);
  await turn();
};
const carried = (): number[][] => calls.map(({ values }) => values);

beforeEach(() => {
  [calls, failures] = [[], []];
  lanes = lanesOf(1);
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a lane of what may be lost', () => {
  it('carries one thing at a time, and of each key the newest', async () => {
    lanes.add('a', 'x', 1);
    lanes.add('a', 'x', 2);
    lanes.add('a', 'y', 3);
    lanes.add('a', 'x', 4);
    expect(carried()).toEqual([[1]]);
    await end(0);
    await end(1);
    await end(2);
    expect(carried()).toEqual([[1], [3], [4]]);
  });

  it('carries as many at once as it may', async () => {
    lanes = lanesOf(2);
    for (const [n, key] of ['x', 'y', 'z', 'w'].entries()) lanes.add('a', key, n);
    await end(0);
    await end(1);
    expect(carried()).toEqual([[0], [1, 2], [3]]);
  });

  it('waits for no other lane, and goes on behind a failure', async () => {
    lanes.add('a', 'x', 1);
    lanes.add('a', 'y', 2);
    lanes.add('b', 'x', 3);
    expect(carried()).toEqual([[1], [3]]);
    await end(0, new Error('lost'));
    expect([carried(), failures]).toEqual([[[1], [3], [2]], ['a']]);
  });

  it('drops what is too old, and what is too much', async () => {
    lanes.add('a', 'first', 0);
    for (let n = 1; n <= 1_000; n++) lanes.add('a', `key ${String(n)}`, n);
    lanes.add('a', 'key 1', -1);
    for (let n = 0; n < calls.length; n++) await end(n);
    expect(carried()).toHaveLength(201);
    expect(carried().at(-1)).toEqual([-1]);
    calls = [];
    lanes.add('a', 'first', 0);
    lanes.add('a', 'old', 1);
    const now = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(now + 10_001);
    await end(0);
    expect(carried()).toEqual([[0]]);
  });

  it('has no more lanes than a bound, and room for others behind them', async () => {
    for (let n = 0; n < 2_500; n++) lanes.add(`lane ${String(n)}`, 'x', n);
    expect(calls).toHaveLength(2_000);
    await end(0);
    lanes.add('another', 'x', -1);
    expect(carried().at(-1)).toEqual([-1]);
  });

  it('stops behind what is being carried', async () => {
    lanes.add('a', 'x', 1);
    lanes.add('a', 'y', 2);
    let stopped = false;
    const stop = lanes.stop().then(() => (stopped = true));
    await turn();
    expect(stopped).toBe(false);
    await end(0);
    await stop;
    lanes.add('a', 'z', 3);
    expect(carried()).toEqual([[1]]);
  });
});
