import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../postgres/databases.js';
import { LONG } from './long.js';
import { Pair } from './pair.js';

const ROOMS = LONG ? 200 : 20;
const EVENTS = LONG ? 50_000 : 2_000;
/** Written at once. */
const WRITERS = 20;
const PATIENCE_MS = LONG ? 3_600_000 : 180_000;
/** How much more memory the hub may take than when it had nothing to do: measured are 30 MiB for 2,000 events and 93 for 50,000. */
const MORE_MIB = 200;
const LOOK_MS = 250;

/** The largest that something was while `work` ran. */
async function highest(measure: () => number, work: () => Promise<void>): Promise<number> {
  let peak = measure();
  const timer = setInterval(() => (peak = Math.max(peak, measure())), LOOK_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(peak, measure());
}

forEachDatabase(({ name, createUrl }) => {
  describe('a server that was away', () => {
    let pair: Pair;
    let rooms: string[];

    beforeAll(async () => {
      pair = await Pair.start({ databaseUrls: { hub: await createUrl(), participant: await createUrl() } });
      rooms = [];
      for (let n = 0; n < ROOMS; n++) {
        const roomId = await pair.invite();
        await pair.join(roomId);
        rooms.push(roomId);
      }
    }, PATIENCE_MS);

    afterAll(() => pair.stop());

    it(
      `for ${String(EVENTS)} events in ${String(ROOMS)} rooms gets every one of them, in order, and costs its hub no memory`,
      async () => {
        const { hub, participant } = pair.companies;
        const written = new Map(rooms.map((roomId): [string, string[]] => [roomId, []]));
        const rss = (): number => hub.gateway.rssMb;
        await sleep(LOOK_MS);
        const idle = rss();
        await participant.gateway.stop();

        // Each room's next event waits for the one before it, so that the order in which they were written is known.
        const write = async (roomId: string, texts: string[]): Promise<void> => {
          for (let n = 0; n < EVENTS / ROOMS; n++) {
            const text = `event ${String(n)}`;
            await hub.gateway.admin('POST', `rooms/${encodeURIComponent(roomId)}/send`, { text });
            texts.push(text);
          }
        };
        const queue = [...written];
        const writers = Array.from({ length: WRITERS }, async () => {
          for (let next = queue.pop(); next !== undefined; next = queue.pop()) await write(...next);
        });
        const away = await highest(rss, async () => {
          await Promise.all(writers);
        });

        let seconds = 0;
        const back = await highest(rss, async () => {
          await participant.gateway.start();
          const from = performance.now();
          // What is measured is not the backoff.
          await hub.gateway.admin('POST', `destinations/${participant.server}/retry`);
          while ((await pair.behind()) > 0) await sleep(LOOK_MS);
          seconds = (performance.now() - from) / 1_000;
        });
        for (const [roomId, texts] of written) expect(await pair.sameLogs(roomId, texts)).toEqual(texts);
        process.stdout.write(
          `${name}: ${String(EVENTS)} events in ${String(ROOMS)} rooms caught up in ${seconds.toFixed(1)} s ` +
            `(${(EVENTS / seconds).toFixed(0)}/s); RSS of the hub in MiB: idle ${idle.toFixed(0)}, ` +
            `at most ${away.toFixed(0)} while it was away, ${back.toFixed(0)} while it caught up\n`,
        );
        expect(Math.max(away, back) - idle).toBeLessThan(MORE_MIB);
      },
      PATIENCE_MS,
    );
  });
});
