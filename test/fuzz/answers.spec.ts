import { describe, expect, it } from 'vitest';
import { AnswerCampaign } from './answer-campaign.js';
import { listed } from './counts.js';

const ROUNDS = Number(process.env.FUZZ_ANSWERS ?? (process.env.FUZZ === 'long' ? 20_000 : 300));
const SEED = Number(process.env.FUZZ_SEED ?? (process.env.FUZZ === 'long' ? Date.now() % 2 ** 31 : 284_347_567));

describe('a gateway that asks hostile servers', () => {
  it(
    `believes no forgery, and neither hangs nor fails, in ${String(ROUNDS)} rounds (seed ${String(SEED)})`,
    async () => {
      const { seconds, faults, memory, outcomes, lies } = await new AnswerCampaign(SEED, ROUNDS).run();
      const curve = memory.map(({ rss }) => (rss / 2 ** 20).toFixed(0)).join(' ');
      console.log(
        `${String(ROUNDS)} rounds in ${seconds.toFixed(0)} s, FUZZ_SEED=${String(SEED)}; resident MiB: ${curve}`,
      );
      console.log(`outcomes: ${listed(outcomes)}\nlies: ${listed(lies)}`);
      expect(faults).toEqual([]);
    },
    60_000 + ROUNDS * 1_000,
  );
});
