import type { Report } from './campaign.js';
import { listed } from './counts.js';

const MIB = 1_024 * 1_024;

/** A run in a few lines, for whoever reads its output. */
export function summary({ seed, requests, seconds, rows, memory, answers, mutations, warnings }: Report): string {
  const curve = memory
    .filter((_each, index) => index % Math.ceil(memory.length / 20) === 0)
    .map(({ rss, heapUsed }) => `${(rss / MIB).toFixed(0)}/${(heapUsed / MIB).toFixed(0)}`);
  return [
    `${String(requests)} requests in ${seconds.toFixed(0)} s (${(requests / seconds).toFixed(0)}/s), FUZZ_SEED=${String(seed)}`,
    `the gateway used ${(memory.at(-1)?.cpuSeconds ?? 0).toFixed(0)} s of CPU`,
    `rows: ${Object.entries(rows)
      .map(([table, count]) => `${table} ${String(count)}`)
      .join(', ')}`,
    `memory, resident/heap in MiB: ${curve.join(' ')}`,
    `answers: ${listed(answers)}`,
    `mutations: ${listed(mutations)}`,
    `warnings: ${listed(warnings)}`,
  ].join('\n');
}
