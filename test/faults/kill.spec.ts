import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAILPOINTS, type Failpoint } from '../../src/persistence/failpoint.js';
import { forEachDatabase } from '../postgres/databases.js';
import { until } from '../support/until.js';
import { LONG } from './long.js';
import { CHANNEL, Pair, SIDES, type Side } from './pair.js';

/** How often a point is passed before the process dies there: in the middle of a burst, not at its first message. */
const NTH = LONG ? [1, 2, 7] : [3];
const CASE_MS = 180_000;
/** Reached by a join, not by messages in a room that is joined. */
const BY_JOIN: readonly Failpoint[] = ['participant.join-answered', 'participant.pending'];

const cases = SIDES.flatMap((side) =>
  FAILPOINTS.filter((name) => !BY_JOIN.includes(name)).flatMap((failpoint) =>
    NTH.map((nth): [Side, Failpoint, number] => [side, failpoint, nth]),
  ),
);

forEachDatabase(({ createUrl }) => {
  describe('a gateway that is killed', () => {
    let pair: Pair;

    beforeAll(async () => {
      pair = await Pair.start({
        databaseUrls: { hub: await createUrl(), participant: await createUrl() },
        channels: [CHANNEL, 'C2'],
      });
    }, CASE_MS);

    afterAll(() => pair.stop());

    it.each(cases)(
      'as the %s, at %s (passed %i times), loses nothing, doubles nothing and keeps the order',
      async (side, failpoint, nth) => {
        const { gateway } = pair.companies[side];
        gateway.arm(`${failpoint}:${String(nth)}`);
        await pair.burst(failpoint, () => gateway.running);
        expect(await gateway.ended()).toBe('SIGKILL');
        await gateway.start();
        await pair.settle();
      },
      CASE_MS,
    );

    it(
      'between the answer to its join and its entry, and again over what came meanwhile, joins again and misses nothing',
      async () => {
        const { hub, participant } = pair.companies;
        const roomId = await pair.invite();
        participant.gateway.arm('participant.join-answered:1');
        await expect(pair.join(roomId)).rejects.toThrow();
        expect(await participant.gateway.ended()).toBe('SIGKILL');
        await participant.gateway.start();
        // The hub has a member that does not know it yet, and keeps what it is sent.
        participant.gateway.arm('participant.pending:1');
        await pair.map('hub', 'C2', roomId);
        hub.chat.write('C2', 'ada', '#meanwhile');
        expect(await participant.gateway.ended()).toBe('SIGKILL');
        await participant.gateway.start();
        await pair.join(roomId);
        await pair.map('participant', 'C2', roomId);
        participant.chat.write('C2', 'grace', '#back');
        hub.chat.write('C2', 'ada', '#welcome');
        await pair.sameLogs(roomId, ['#meanwhile', '#back', '#welcome']);
        await until('each shows what the other wrote', () => {
          return pair.shown('participant', 'C2').includes('#welcome') && pair.shown('hub', 'C2').includes('#back');
        });
        for (const side of SIDES) expect(new Set(pair.shown(side, 'C2')).size).toBe(pair.shown(side, 'C2').length);
      },
      CASE_MS,
    );
  });
});
