import { afterEach, describe, expect, it } from 'vitest';
import { seeded } from '../fakes/slack/clock.js';
import { SIDES, TwoChats } from './two-chats.js';

const OPERATIONS = Number(process.env.CONVERSATION_OPERATIONS ?? 150);
const SEED = Number(process.env.CONVERSATION_SEED ?? 1);
const KILL_EVERY = Math.max(50, Math.floor(OPERATIONS / 20));
const FAILING = 0.1;

let chats: TwoChats | undefined;
afterEach(() => chats?.stop());

describe('two chats, whose people do anything at random', () => {
  it(
    'show the same conversation in the end, through killed gateways and failing calls',
    async () => {
      const random = seeded(SEED);
      chats = await TwoChats.start(random, FAILING);
      for (let n = 1; n <= OPERATIONS; n++) {
        await chats.act();
        if (n % KILL_EVERY === 0) await chats.kill(SIDES[n % 2] ?? 'acme');
      }
      const { acme, globex, expected } = await chats.settled();
      const { did, kills, companies } = chats;
      const calls = SIDES.map(
        (side) => `${String(companies[side].front.failed)}/${String(companies[side].front.calls)}`,
      );
      console.log(
        JSON.stringify({ seed: SEED, ...Object.fromEntries(did), kills, failedCalls: calls, shown: expected }),
      );
      expect(globex).toEqual(acme);
      expect(acme).toHaveLength(expected);
      for (const what of ['message', 'thread', 'answer', 'edit', 'delete', 'reaction']) {
        expect(did.get(what), what).toBeGreaterThan(0);
      }
    },
    30 * 60_000,
  );
});
