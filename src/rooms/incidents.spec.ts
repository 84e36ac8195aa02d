import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../test/postgres/databases.js';
import { parseDatabaseUrl } from '../config/values.js';
import { SystemClock } from '../persistence/clock.js';
import type { Database } from '../persistence/database.js';
import { openDatabase } from '../persistence/open-database.js';
import { Sequence } from '../persistence/sequence.js';
import type { EventId, RoomId, ServerName } from '../protocol/index.js';
import { type Incident, Incidents } from './incidents.js';

const HUB = 'hub.example' as ServerName;
const ROOM = '!r:hub.example' as RoomId;

const aFork = (id: string, more: Partial<Incident> = {}): Incident => ({
  kind: 'fork',
  server: HUB,
  roomId: ROOM,
  eventId: `$${id}` as EventId,
  detail: `${id} follows another`,
  evidence: { received: [{ type: 'm.room.message', content: { body: id } }] },
  ...more,
});

forEachDatabase(({ createUrl }) => {
  let database: Database;
  let incidents: Incidents;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });
  afterAll(() => {
    Logger.overrideLogger(['error']);
  });

  beforeEach(async () => {
    const clock = new SystemClock();
    const location = parseDatabaseUrl(await createUrl());
    if (location === undefined) throw new Error('the URL of the database is none');
    database = await openDatabase(location);
    incidents = new Incidents(database, new Sequence(database, clock), clock);
  });

  afterEach(() => database.onApplicationShutdown());

  describe('incidents', () => {
    it('are listed without their evidence, which is shown with the one', async () => {
      await incidents.record(aFork('e'));
      const [listed] = await incidents.list({}, 10);
      expect(listed).toMatchObject({ kind: 'fork', count: 1, detail: 'e follows another' });
      expect(JSON.stringify(listed)).not.toContain('body');
      const shown = await incidents.find(listed?.id ?? 0);
      expect(JSON.parse(shown?.evidence ?? '')).toEqual({
        received: [{ type: 'm.room.message', content: { body: 'e' } }],
      });
    });

    it('that repeat are counted', async () => {
      for (let n = 0; n < 3; n++) await incidents.record(aFork('e'));
      for (let n = 0; n < 2; n++) await incidents.record(aFork('', { kind: 'gap', eventId: null }));
      await incidents.record(aFork('e', { kind: 'key_swap', roomId: null, eventId: null }));
      const listed = await incidents.list({}, 10);
      expect(listed.map(({ kind, count }) => [kind, count])).toEqual([
        ['key_swap', 1],
        ['gap', 2],
        ['fork', 3],
      ]);
    });

    it('are bounded per server and kind: the first and the newest stay', async () => {
      for (let n = 0; n < 70; n++) await incidents.record(aFork(String(n)));
      await incidents.record(aFork('other', { server: 'other.example' as ServerName }));
      await incidents.record(aFork('other', { kind: 'forged' }));
      const kept = (await incidents.list({ server: HUB, kind: 'fork' }, 500)).map(({ eventId }) => eventId).reverse();
      expect(kept).toEqual(
        [...Array(25).keys(), ...Array.from({ length: 25 }, (_, n) => n + 45)].map((n) => `$${String(n)}`),
      );
      expect(await incidents.list({}, 500)).toHaveLength(52);
    });

    it('are found by server, room, kind, and page by page', async () => {
      for (let n = 0; n < 5; n++) await incidents.record(aFork(String(n)));
      await incidents.record(aFork('a', { kind: 'altered' }));
      await incidents.record(aFork('b', { roomId: '!other:hub.example' as RoomId }));
      expect(await incidents.list({ kind: 'altered' }, 10)).toMatchObject([{ eventId: '$a' }]);
      expect(await incidents.list({ roomId: '!other:hub.example' as RoomId }, 10)).toMatchObject([{ eventId: '$b' }]);
      expect(await incidents.list({ server: 'nobody.example' as ServerName }, 10)).toEqual([]);
      const page = await incidents.list({ kind: 'fork', roomId: ROOM }, 2);
      const next = await incidents.list({ kind: 'fork', roomId: ROOM, before: page[1]?.id ?? 0 }, 2);
      expect([...page, ...next].map(({ eventId }) => eventId)).toEqual(['$4', '$3', '$2', '$1']);
    });

    it('are not recorded when what must happen with them fails', async () => {
      incidents.onRecord(() => Promise.reject(new Error('no')));
      await expect(incidents.record(aFork('e'))).rejects.toThrow('no');
      expect(await incidents.list({}, 10)).toEqual([]);
    });
  });
});
