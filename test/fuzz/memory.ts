import type { Memory } from './gateway-process.js';

/** A young generation of V8, by which its heap grows and shrinks in steps. */
const STEP = 16 * 1_024 * 1_024;
const SPARE_FILES = 40;

/** Long runs settle at 250 to 330 MiB resident: V8 lets its heap grow while there is room. */
const CEILING = 512 * 1_024 * 1_024;

/**
 * Whether a process has grown, by looks at it at even distances. The first third warms it up: caches fill, code is compiled. The
 * next third is the baseline: how high it stood, and how much it swung. In the last third its lowest point (what garbage
 * collection cannot give back) must not lie above the baseline's highest by more than that swing, or by one step of the heap.
 * A run that is too short to be `settled` has no such baseline: it must only stay below what long runs have shown.
 */
export function growth(looks: readonly Memory[], settled: boolean): string[] {
  if (!settled) return looks.flatMap(({ rss }) => (rss > CEILING ? [`it holds ${mib(rss)}`] : []));
  const third = Math.floor(looks.length / 3);
  const [baseline, last] = [looks.slice(third, 2 * third), looks.slice(2 * third)];
  if (third < 3) return ['there were too few looks at the memory'];
  const faults = (['rss', 'heapUsed'] as const).flatMap((what) => {
    const before = baseline.map((look) => look[what]);
    const [low, high] = [Math.min(...before), Math.max(...before)];
    const bound = high + Math.max(high - low, STEP);
    const lowest = Math.min(...last.map((look) => look[what]));
    return lowest > bound ? [`${what} has grown: at least ${mib(lowest)} in the end, at most ${mib(high)} before`] : [];
  });
  const [first, end] = [looks[0]?.openFiles ?? 0, looks.at(-1)?.openFiles ?? 0];
  return end > first + SPARE_FILES
    ? [...faults, `open files: ${String(first)} at first, ${String(end)} in the end`]
    : faults;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
