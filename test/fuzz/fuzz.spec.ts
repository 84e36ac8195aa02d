import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Campaign } from './campaign.js';
import { summary } from './summary.js';

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? (process.env.FUZZ === 'long' ? 200_000 : 5_000));
const SEED = Number(process.env.FUZZ_SEED ?? (process.env.FUZZ === 'long' ? Date.now() % 2 ** 31 : 284_347_567));
const REPORTS = fileURLToPath(new URL('../../test-results/fuzz', import.meta.url));

const progress = process.env.FUZZ === 'long' ? console.log : () => undefined;

describe('a gateway under mutated requests', () => {
  it(
    `answers ${String(REQUESTS)} of them (seed ${String(SEED)}) without a failure of its own, a leak or a forgery`,
    async () => {
      const report = await new Campaign(SEED, REQUESTS, REPORTS, progress).run();
      console.log(summary(report));
      expect(report.findings.map(({ what, endpoint, mutations }) => ({ what, endpoint, mutations }))).toEqual([]);
      expect(report.faults).toEqual([]);
      expect(report.requests).toBeGreaterThanOrEqual(REQUESTS);
    },
    60_000 + REQUESTS * 50,
  );
});
