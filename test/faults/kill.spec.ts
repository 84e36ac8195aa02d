import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAILPOINTS, type Failpoint } from '../../src/persistence/failpoint.js';
import { forEachDatabase } from '../postgres/databases.js';
import { Pair, SIDES, type Side } from './pair.js';

/** How often a point is passed before the process dies there: in the middle of a burst, not at its first message. */
const NTH = 3;
/** Reached by a participant alone. */
const OF_PARTICIPANTS: readonly Failpoint[] = ['participant.pending', 'participant.join-answered'];
/** Reached by a join, not by messages. */
const BY_JOIN: Failpoint = 'participant.join-answered';

const reachedBy = (side: Side): Failpoint[] =>
  FAILPOINTS.filter((name) => name !== BY_JOIN && (side === 'participant' || !OF_PARTICIPANTS.includes(name)));

forEachDatabase(({ createUrl }) => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await Pair.start({ databaseUrls: { hub: await createUrl(), participant: await createUrl() } });
  });

  afterAll(() => pair.stop());

  describe.each(SIDES)('the gateway of the %s, killed', (side) => {
    it.each(reachedBy(side))('at %s, loses nothing, doubles nothing and keeps the order', async (failpoint) => {
      const { gateway } = pair.companies[side];
      await gateway.stop();
      gateway.launch({ FAILPOINT: `${failpoint}:${String(NTH)}` });
      await pair.burst(failpoint, () => gateway.running);
      expect(await gateway.ended()).toBe('SIGKILL');
      await gateway.start();
      await pair.settle();
    });
  });
});
