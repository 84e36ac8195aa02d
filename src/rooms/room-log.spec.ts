import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../test/postgres/databases.js';
import { parseDatabaseUrl } from '../config/values.js';
import { SystemClock } from '../persistence/clock.js';
import type { Database } from '../persistence/database.js';
import type { RoomEntity } from '../persistence/entities/index.js';
import { openDatabase } from '../persistence/open-database.js';
import { Wakeups } from '../persistence/wakeups.js';
import {
  DEFAULT_ROOM_VERSION,
  type EventTemplate,
  type KeyId,
  type Pdu,
  type RoomId,
  type ServerName,
  type UserId,
  buildOwnPdu,
  createSigningKey,
  eventIdOf,
} from '../protocol/index.js';
import { type AppendJob, RoomLog, UnknownRoom } from './room-log.js';
import { RoomReader } from './room-reader.js';
import { RoomStates } from './room-states.js';

const SERVER = 'acme.example' as ServerName;
const ROOM = '!room:acme.example' as RoomId;
const KEY = createSigningKey('ed25519:1' as KeyId, Buffer.alloc(32, 1));

const room: RoomEntity = {
  roomId: ROOM,
  version: DEFAULT_ROOM_VERSION,
  role: 'hub',
  hubServer: SERVER,
  standing: 'joined',
  headPosition: -1,
  headEventId: null,
  createdAt: 0,
};

function aMessage(body: string, settle?: AppendJob['settle']): AppendJob {
  const template: EventTemplate = {
    room_id: ROOM,
    type: 'm.room.message',
    sender: '@ada:acme.example' as UserId,
    origin_server_ts: 1,
    content: { body },
  };
  return {
    needs: [],
    decide: ({ headEventId }) => {
      const fields = { auth_events: [], prev_events: headEventId === null ? [] : [headEventId] };
      const pdu = buildOwnPdu(template, fields, SERVER, KEY);
      return { kind: 'append', pdu, eventId: eventIdOf(pdu) };
    },
    ...(settle === undefined ? {} : { settle }),
  };
}

function bodies(events: { pdu: Pdu }[]): string[] {
  return events.map(({ pdu }) => pdu.content.body).filter((body) => typeof body === 'string');
}

forEachDatabase(({ name: engine, createUrl }) => {
  const databases: Database[] = [];
  let url: string;

  async function gateway(): Promise<{ log: RoomLog; reader: RoomReader }> {
    const location = parseDatabaseUrl(url);
    if (location === undefined) throw new Error('no database');
    const database = await openDatabase(location);
    databases.push(database);
    const log = new RoomLog(database, new RoomStates(), new Wakeups(database), new SystemClock());
    return { log, reader: new RoomReader(database) };
  }

  beforeEach(async () => {
    url = await createUrl();
  });

  afterEach(async () => {
    await Promise.all(databases.splice(0).map((database) => database.onApplicationShutdown()));
  });

  describe('the room log', () => {
    // proves profile/handshakes/9
    it('is one chain without gaps when all of its gateways append to it at once', async () => {
      // SQLite belongs to one process; its connections would wait for each other within this one.
      const gateways = await Promise.all(engine === 'sqlite' ? [gateway()] : [gateway(), gateway(), gateway()]);
      await gateways[0]?.log.create(room, [aMessage('first')]);
      const outcomes = await Promise.all(
        gateways.flatMap(({ log }, who) =>
          Array.from({ length: 20 }, (_, n) => log.append(ROOM, aMessage(`${who}-${n}`))),
        ),
      );
      expect(outcomes.every(({ kind }) => kind === 'appended')).toBe(true);
      const events = (await gateways[0]?.reader.eventsAfter(ROOM, -1, 1_000)) ?? [];
      expect(events).toHaveLength(1 + 20 * gateways.length);
      for (const [index, { position, pdu }] of events.entries()) {
        expect(position).toBe(index);
        expect(pdu.prev_events).toEqual(index === 0 ? [] : [events[index - 1]?.eventId]);
      }
      for (const who of gateways.keys()) {
        const own = bodies(events).filter((body) => body.startsWith(`${who}-`));
        expect(own).toEqual(Array.from({ length: 20 }, (_, n) => `${who}-${n}`));
      }
    });

    it.skipIf(engine === 'sqlite')('decides once on each event, however many gateways append at once', async () => {
      const gateways = await Promise.all([gateway(), gateway(), gateway()]);
      await gateways[0]?.log.create(room, [aMessage('first')]);
      let decisions = 0;
      const counted = (job: AppendJob): AppendJob => ({
        ...job,
        decide: (view) => {
          decisions += 1;
          return job.decide(view);
        },
      });
      await Promise.all(
        gateways.map(async ({ log }, who) => {
          for (let n = 0; n < 15; n++) await log.append(ROOM, counted(aMessage(`${who}-${n}`)));
        }),
      );
      expect(decisions).toBe(45);
    });

    it('takes a failing job back alone, and its neighbours in the group are appended', async () => {
      const { log, reader } = await gateway();
      await log.create(room, [aMessage('first')]);
      const outcomes = await Promise.allSettled([
        log.append(ROOM, aMessage('a')),
        log.append(
          ROOM,
          aMessage('broken', () => Promise.reject(new Error('on purpose'))),
        ),
        log.append(ROOM, aMessage('b')),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      const events = await reader.eventsAfter(ROOM, -1, 10);
      expect(bodies(events)).toEqual(['first', 'a', 'b']);
      expect(events.map(({ position }) => position)).toEqual([0, 1, 2]);
    });

    it.each([1, 2])(
      'lets nothing overtake what the database fails over (%i times): what came behind it is to be repeated with it',
      async (failures) => {
        const { log, reader } = await gateway();
        await log.create(room, []);
        let left = failures;
        const settle = (): Promise<void> =>
          left-- > 0 ? Promise.reject(Object.assign(new Error('cut'), { code: 'ECONNRESET' })) : Promise.resolve();
        const names = Array.from({ length: 150 }, (_, n) => String(n));
        const jobs = [aMessage('first'), ...names.map((each) => aMessage(each, each === '20' ? settle : undefined))];
        const said = async (): Promise<string[]> => bodies(await reader.eventsAfter(ROOM, -1, 500));
        while ((await said()).length < jobs.length) {
          const done = (await said()).length;
          const outcomes = await Promise.allSettled(jobs.slice(done).map((job) => log.append(ROOM, job)));
          expect(outcomes.findLastIndex(({ status }) => status === 'fulfilled')).toBe((await said()).length - done - 1);
        }
        expect(await said()).toEqual(['first', ...names]);
        expect(left).toBeLessThanOrEqual(0);
      },
    );

    it('of a room that is not known takes nothing', async () => {
      const { log } = await gateway();
      await expect(log.append(ROOM, aMessage('x'))).rejects.toBeInstanceOf(UnknownRoom);
    });

    it('makes a room with all of its first events, or not at all', async () => {
      const { log, reader } = await gateway();
      const refusing: AppendJob = {
        needs: [],
        decide: () => ({ kind: 'refuse', refusal: { rule: 'test', reason: 'no' } }),
      };
      await expect(log.create(room, [aMessage('first'), refusing])).rejects.toThrow('could not be made');
      expect(await reader.room(ROOM)).toBeNull();
    });
  });
});
