import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../postgres/databases.js';
import { until } from '../support/gateway.js';
import { Fleet } from './fleet.js';

/** `npm run scale` is the long one. */
const LONG = process.env.SCALE === 'long';
const ROOMS = LONG ? 20 : 6;
const MESSAGES = Number(process.env.SCALE_MESSAGES ?? (LONG ? 20_000 : 1_000));
/** Written and not yet shown on the other side. */
const UNDER_WAY = 1_500;
const KILL_EVERY_MS = LONG ? 5_000 : 4_000;
const DOWN_MS = 500;
const PATIENCE_MS = LONG ? 1_800_000 : 240_000;

const channelOf = (room: number): string => `C${String(room)}`;

interface LoggedEvent {
  id: string;
  prev: string[];
  type: string;
  body: string;
}

async function logOf(databaseUrl: string, roomId: string): Promise<LoggedEvent[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const sql = 'SELECT event_id, json FROM event WHERE room_id = $1 AND NOT snapshot ORDER BY position';
    const { rows } = await client.query<{ event_id: string; json: string }>(sql, [roomId]);
    return rows.map((row) => {
      const pdu = JSON.parse(row.json) as { type: string; prev_events: string[]; content: { body?: string } };
      return { id: row.event_id, prev: pdu.prev_events, type: pdu.type, body: pdu.content.body ?? '' };
    });
  } finally {
    await client.end();
  }
}

forEachDatabase(({ name, createUrl }) => {
  describe.skipIf(name === 'sqlite')('three gateways of one company on one database', () => {
    let directory: string;
    let urls: { acme: string; globex: string };
    let acme: Fleet;
    let globex: Fleet;
    let peers: Record<string, string>;
    let rooms: string[];

    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), 'causeway-scale-'));
      urls = { acme: await createUrl(), globex: await createUrl() };
      const channels = Array.from({ length: ROOMS }, (_, n) => channelOf(n));
      acme = await new Fleet('acme.example', { databaseUrl: urls.acme, directory, channels }).open(3);
      globex = await new Fleet('globex.example', { databaseUrl: urls.globex, directory, channels }).open(LONG ? 2 : 1);
      peers = { 'acme.example': acme.url, 'globex.example': globex.url };
      await Promise.all([acme.start(peers), globex.start(peers)]);
      rooms = [];
      for (let n = 0; n < ROOMS; n++) rooms.push(await share(n));
    });

    afterEach(async () => {
      await Promise.all([acme.close(), globex.close()]);
      rmSync(directory, { recursive: true, force: true });
    });

    /** A room between the two; of every fourth one Globex is the hub. */
    const share = async (n: number): Promise<string> => {
      const [hub, participant] = n % 4 === 3 ? [globex, acme] : [acme, globex];
      const { room_id: roomId } = await hub.admin<{ room_id: string }>('POST', 'rooms', { name: `Room ${String(n)}` });
      const path = `rooms/${encodeURIComponent(roomId)}`;
      await hub.map(channelOf(n), roomId);
      await hub.admin('POST', `${path}/invite`, { user_id: `@causeway:${participant.server}` });
      await participant.admin('POST', `${path}/join`, {});
      await participant.map(channelOf(n), roomId);
      return roomId;
    };

    /** What was carried into a channel, in its order. */
    const shown = ({ chat }: Fleet, room: number): string[] =>
      chat.messages(channelOf(room)).flatMap(({ text, kind, key }) => (key && kind === 'message' ? [text] : []));
    const written = ({ chat }: Fleet, room: number): string[] =>
      chat.messages(channelOf(room)).flatMap(({ text, key }) => (key === undefined ? [text] : []));
    const count = (of: (fleet: Fleet, room: number) => string[]): number =>
      [acme, globex].reduce((sum, fleet) => sum + rooms.reduce((all, _, room) => all + of(fleet, room).length, 0), 0);

    it(
      `carry ${String(MESSAGES)} messages of both sides while one process after the other is killed: none lost, none twice, one order`,
      async () => {
        const started = Date.now();
        let ended = false;
        const killing = (async () => {
          while (!ended) {
            await sleep(KILL_EVERY_MS);
            // The processes of Globex are killed too, but there is nobody else to take over when it has but one.
            if (!ended) await (Math.random() < 0.75 ? acme : globex).killOne(DOWN_MS);
          }
        })();
        try {
          for (let n = 0; n < MESSAGES; n++) {
            const room = n % 2 === 0 ? 0 : 1 + (((n - 1) / 2) % (ROOMS - 1)); // half of all in one room
            const [fleet, username] = Math.random() < 0.5 ? [acme, 'ada'] : [globex, 'grace'];
            fleet.chat.write(channelOf(room), username, `#${String(n)}`);
            if (n % 50 === 0)
              await until('the backlog shrinks', () => count(written) - count(shown) < UNDER_WAY, PATIENCE_MS);
          }
          await until('everything is shown', () => count(shown) >= MESSAGES, PATIENCE_MS);
        } finally {
          ended = true;
          await killing;
        }
        await sleep(1_000); // what comes twice would come now
        const seconds = (Date.now() - started) / 1_000;

        for (const [n, roomId] of rooms.entries()) {
          const logs = { acme: await logOf(urls.acme, roomId), globex: await logOf(urls.globex, roomId) };
          for (const log of [logs.acme, logs.globex]) {
            expect(log.slice(1).filter(({ prev }, at) => prev.length !== 1 || prev[0] !== log[at]?.id)).toEqual([]);
          }
          const [longer, shorter] = [logs.acme, logs.globex].sort((a, b) => b.length - a.length);
          expect(shorter?.map(({ id }) => id)).toEqual(longer?.slice(-(shorter?.length ?? 0)).map(({ id }) => id));
          const bodies = logs.acme.filter(({ type }) => type === 'm.room.message').map(({ body }) => body);
          const fromAcme = new Set(written(acme, n));
          expect(bodies.filter((body) => fromAcme.has(body))).toEqual(written(acme, n));
          expect(bodies.filter((body) => !fromAcme.has(body))).toEqual(written(globex, n));
          expect(shown(acme, n)).toEqual(written(globex, n));
          expect(shown(globex, n)).toEqual(written(acme, n));
        }
        expect(acme.kills + globex.kills).toBeGreaterThan(0);
        const rate = (MESSAGES / seconds).toFixed(0);
        process.stdout.write(
          `${String(MESSAGES)} messages in ${String(ROOMS)} rooms, ${String(acme.kills)} + ${String(globex.kills)} kills, ` +
            `${seconds.toFixed(0)} s (${rate}/s), ${String(acme.chat.repeated + globex.chat.repeated)} calls repeated\n`,
        );
      },
      2 * PATIENCE_MS,
    );
  });
});
