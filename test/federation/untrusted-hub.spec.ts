import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { FederationClient } from '../../src/federation/client/federation-client.js';
import {
  type IncidentEntity,
  LpduOutEntity,
  PendingPduEntity,
  RoomGapEntity,
} from '../../src/persistence/entities/index.js';
import {
  type EventId,
  type JsonObject,
  type Pdu,
  type RoomId,
  type ServerName,
  lpduOf,
} from '../../src/protocol/index.js';
import { Echoes } from '../../src/rooms/echoes.js';
import { Gaps } from '../../src/rooms/gaps.js';
import { type IncidentKind, Incidents } from '../../src/rooms/incidents.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const HUB = 'hub.example' as ServerName;
const GUEST = 'guest.example';

/** What the tests use of the peer's room, as its hub. */
interface HubRoom {
  roomId: RoomId;
  timeline: Pdu[];
  at: Map<string, number>;
  append(event: JsonObject): Promise<Pdu>;
  state(before?: number): Pdu[];
  invite(userId: string): Promise<unknown>;
}

interface ForgingPeer {
  pdu(event: JsonObject, auth: string[], prev: string[], fault?: JsonObject): Pdu;
}

let hub: Peer;
/** A further participant of the hub's rooms. */
let guest: Peer;
let acme: TestGateway;
let room: HubRoom;
/** Why the hub will not append what we sent into the room, as its author is told. */
let told: string[];

const say = (body: string) =>
  acme.rooms.send({
    roomId: room.roomId,
    sender: acme.rooms.bot,
    type: 'm.room.message',
    content: { msgtype: 'm.text', body },
  });

const texts = async (): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(room.roomId, -1, 1_000))
    .filter(({ pdu, rejected }) => pdu.type === 'm.room.message' && !rejected)
    .map(({ pdu }) => pdu.content.body);

const shown =
  (...bodies: unknown[]) =>
  async (): Promise<boolean> =>
    JSON.stringify(await texts()) === JSON.stringify(bodies);

const incidents = (kind: IncidentKind): Promise<IncidentEntity[]> =>
  acme.app.get(Incidents).list({ kind, roomId: room.roomId }, 100);

async function theIncident(kind: IncidentKind): Promise<{ row: IncidentEntity; received: Pdu[]; known: Pdu[] }> {
  await until(`an incident: ${kind}`, async () => (await incidents(kind)).length > 0);
  const [listed] = await incidents(kind);
  const row = await acme.app.get(Incidents).find(listed?.id ?? 0);
  if (row === null) throw new Error('the incident is gone');
  const evidence = JSON.parse(row.evidence ?? '{}') as { received?: Pdu[]; known?: Pdu[] };
  return { row, received: evidence.received ?? [], known: evidence.known ?? [] };
}

/** The hub puts something else into its log for what it gets; undefined: nothing, though it answers 200. */
function hubAppends(change: (event: JsonObject & { content: JsonObject }) => JsonObject | undefined): void {
  const append = room.append.bind(room);
  room.append = (event) => {
    const changed = change(event as JsonObject & { content: JsonObject });
    return changed === undefined ? Promise.resolve({} as Pdu) : append(changed);
  };
}

const bodyOf = (event: JsonObject): unknown => (event.content as JsonObject).body;

/** An event of our bot, as whoever does not have our key can make it. */
const aForgery = (body: string): JsonObject => ({
  room_id: room.roomId,
  type: 'm.room.message',
  sender: acme.rooms.bot,
  origin_server_ts: 1,
  hub_server: HUB,
  content: { msgtype: 'm.text', body },
  hashes: { lpdu: { sha256: 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg' } },
  signatures: { [ACME]: { 'ed25519:1': 'AAAA' } },
});

/** What we sent of the hub's newest event. */
function newestLpdu(): JsonObject {
  const pdu = room.timeline.at(-1);
  const lpdu = pdu && lpduOf(pdu);
  if (lpdu === undefined) throw new Error('the newest event is the hub’s own');
  return lpdu;
}

/** As if the time had come. */
async function askNow(): Promise<void> {
  await acme.database.transaction((manager) =>
    manager.update(LpduOutEntity, { roomId: room.roomId, state: 'sent' }, { askAt: 0 }),
  );
  acme.app.get(Echoes).loops.start(room.roomId);
}

async function giveUpSoon(): Promise<void> {
  await acme.database.transaction((manager) =>
    manager.update(RoomGapEntity, { roomId: room.roomId }, { refusals: 5, nextAttemptAt: 0 }),
  );
  acme.app.get(Gaps).loops.start(room.roomId);
}

const gap = (): Promise<RoomGapEntity | null> => acme.app.get(Gaps).of(room.roomId);

const kept = (): Promise<number> => acme.database.read.countBy(PendingPduEntity, { roomId: room.roomId });

const taken = async (): Promise<boolean> =>
  (await acme.database.read.countBy(LpduOutEntity, { roomId: room.roomId, state: 'pending' })) === 0;

forEachDatabase(({ createUrl }) => {
  beforeAll(async () => {
    hub = await startPeer(HUB);
    guest = await startPeer(GUEST);
    const peers = { [HUB]: peerUrl(hub), [GUEST]: peerUrl(guest) };
    acme = await startGateway(ACME, peers, { env: { CAUSEWAY_DATABASE_URL: await createUrl() } });
    hub.peers[ACME] = acme.url;
    acme.rooms.onRefused((_manager, { roomId, reason }) => {
      if (roomId === room.roomId) told.push(reason);
      return Promise.resolve();
    });
  });

  beforeEach(async () => {
    told = [];
    hub.requests.length = 0;
    const { roomId } = await hub.createRoom({ joinRule: 'invite' });
    room = hub.rooms.get(roomId) as unknown as HubRoom;
    await room.invite(acme.rooms.bot);
    await acme.rooms.join(roomId);
  });

  afterEach(() => {
    vi.restoreAllMocks();
    hub.faults.clear();
  });

  afterAll(async () => {
    await acme.close();
    await hub.close();
    await guest.close();
  });

  describe('a hub that passes on what another one completed', () => {
    it('is recorded, and nothing of it is taken, though its sender signed it', async () => {
      const event = {
        room_id: room.roomId,
        type: 'm.room.message',
        sender: guest.user('bob'),
        content: { body: 'elsewhere' },
      };
      const lpdu = guest.lpdu({ ...event, hub: GUEST });
      const head = await idOf(room.timeline.at(-1));
      const foreign = (guest as unknown as ForgingPeer).pdu(lpdu, [], [head]);
      const answer = await hub.send(ACME, [foreign]);
      expect(Object.values(answer.json?.failed_pdus as object)).toEqual([
        { error: `it is for the hub ${GUEST}, not for ${HUB}` },
      ]);
      expect((await theIncident('bad_signature')).received).toMatchObject([{ hub_server: GUEST }]);
      expect(await texts()).toEqual([]);
    });
  });

  describe('a hub that changes what we sent', () => {
    it('is recorded with what it published and what we signed; others see none of it, and the author is told', async () => {
      hubAppends((event) => ({ ...event, content: { ...event.content, body: 'changed' } }));
      await say('original');
      const { row, received, known } = await theIncident('altered');
      expect(row).toMatchObject({ server: HUB, roomId: room.roomId, eventId: await idOf(room.timeline.at(-1)) });
      expect([received, known].map(([event]) => event && bodyOf(event))).toEqual(['changed', 'original']);
      expect(row.detail).not.toMatch(/changed|original/);
      await until('its place in the chain', shown(undefined));
      expect(told).toEqual([expect.stringMatching(/does not verify/)]);
    });

    it('is recorded also when it makes the hash fit, by which our signature does not', async () => {
      await say('original');
      await until('the echo', shown('original'));
      const lpdu = newestLpdu();
      await room.append({ ...lpdu, origin_server_ts: 5 });
      const { received, known } = await theIncident('altered');
      expect(received[0]?.origin_server_ts).toBe(5);
      expect(known[0]?.origin_server_ts).toBe(lpdu.origin_server_ts);
      expect(await texts()).toEqual(['original']);
    });
  });

  describe('a hub that speaks in the name of our users', () => {
    // proves LM-04/backfill/3
    it('is recorded with the forgery, which nobody sees; the room goes on without it, visibly', async () => {
      await room.append(aForgery('I resign'));
      const { row, received } = await theIncident('forged');
      expect(row).toMatchObject({ server: HUB, roomId: room.roomId });
      expect(received.map(bodyOf)).toEqual(['I resign']);
      await hub.say(room.roomId, 'later');
      await until('a gap that is not filled', async () => ((await gap())?.refusals ?? 0) > 0);
      expect((await theIncident('gap')).received.map(bodyOf)).toEqual(['later']);
      await giveUpSoon();
      await until('what came later', shown('later'));
      await hub.say(room.roomId, 'and on');
      await until('what came after that', shown('later', 'and on'));
      await until('the end of the gap', async () => (await gap()) === null);
      expect((await incidents('fork')).length).toBe(0);
    });

    it('by an old event of theirs is recorded; the second one counts for nothing, and the chain goes on', async () => {
      await say('once');
      await until('the echo', shown('once'));
      await room.append(newestLpdu());
      await hub.say(room.roomId, 'on');
      await until('the next message', shown('once', 'on'));
      const { row, received, known } = await theIncident('replayed');
      expect(row.eventId).toBe(await idOf(room.timeline.at(-2)));
      expect([received, known].map(([event]) => event && bodyOf(event))).toEqual(['once', 'once']);
      expect(await gap()).toBeNull();
    });
  });

  describe('a hub that does not append what it took', () => {
    // proves profile/handshakes/6
    it('gets it once more, when the echo of a later event shows that it lost it', async () => {
      let lost = 0;
      hubAppends((event) => (bodyOf(event) === 'lost' && lost++ === 0 ? undefined : event));
      await say('lost');
      await until('the 200', taken);
      await say('later');
      await until('the later echo', shown('later'));
      await askNow();
      await until('both', shown('later', 'lost'));
      expect((await theIncident('omitted')).known.map(bodyOf)).toEqual(['lost']);
      expect(lost).toBe(2);
    });

    it('a second time is believed to go on with it: the author is told, and it is not sent a third time', async () => {
      let lost = 0;
      hubAppends((event) => {
        if (bodyOf(event) !== 'lost') return event;
        lost += 1;
        return undefined;
      });
      await say('lost');
      for (const later of ['later', 'much later']) {
        await until('the 200', taken);
        await say(later);
        await until('the later echo', async () => (await texts()).includes(later));
        await askNow();
        await until('a decision', async () => (await incidents('omitted'))[0]?.count === (later === 'later' ? 1 : 2));
      }
      await until('the refusal', () => told.length > 0);
      expect(told).toEqual([expect.stringMatching(/never published it; it may still appear/)]);
      expect(await acme.database.read.findBy(LpduOutEntity, { roomId: room.roomId, state: 'refused' })).toHaveLength(1);
      expect(lost).toBe(2);
    });

    it('and says nothing more is asked several times before the author is told', async () => {
      hubAppends(() => undefined);
      await say('lost');
      await until('the 200', taken);
      for (let asked = 1; asked < 8; asked++) {
        await askNow();
        await until('a question in vain', async () =>
          acme.database.read.existsBy(LpduOutEntity, { roomId: room.roomId, state: 'sent', asked }),
        );
      }
      expect(told).toEqual([]);
      await askNow();
      await until('the refusal', () => told.length > 0);
      expect((await theIncident('omitted')).row.detail).toMatch(/as far as we can see/);
    });
  });

  describe('an echo that does not come', () => {
    it('is asked for by the event that a hub makes of our LPDU by the draft', async () => {
      hub.faults.add('omit:1-2');
      await acme.database.transaction(async () => {
        await say('unheard');
        await say('of');
      });
      await until('the 200', taken);
      expect(await texts()).toEqual([]);
      await askNow();
      await until('the echoes', shown('unheard', 'of'));
      expect(await acme.app.get(Incidents).list({ roomId: room.roomId }, 10)).toEqual([]);
      expect(await acme.database.read.countBy(LpduOutEntity, { roomId: room.roomId })).toBe(0);
    });

    it('is asked for from the newest event, when the hub names that in a template', async () => {
      hub.faults.add('omit:1-2');
      await hub.say(room.roomId, 'before');
      await say('unheard');
      await until('the 200', taken);
      const template = { prev_events: [await idOf(room.timeline.at(-1))] };
      answerInstead('/make_join/', () => ({ event: template, room_version: 'I.1' }));
      await askNow();
      await until('both', shown('before', 'unheard'));
      expect(await acme.app.get(Incidents).list({ roomId: room.roomId }, 10)).toEqual([]);
    });

    it('of an LPDU that is not in all that the hub names, lets it be sent again', async () => {
      let lost = 0;
      hubAppends((event) => (lost++ === 0 ? undefined : event));
      await say('lost');
      await until('the 200', taken);
      const template = { prev_events: [await idOf(room.timeline.at(-1))] };
      answerInstead('/make_join/', () => template);
      await askNow();
      await until('the echo', shown('lost'));
      expect(await incidents('omitted')).toHaveLength(1);
    });

    it('is asked for before a transaction without an answer is repeated', async () => {
      hub.faults.add('omit:1', 'drop-answer:1');
      await say('once');
      await until('the echo', shown('once'), 15_000);
      await until(
        'nothing left to send',
        async () => (await acme.database.read.countBy(LpduOutEntity, { roomId: room.roomId })) === 0,
      );
      await say('after');
      await until('the next', shown('once', 'after'));
      const bodies = hub.requests.filter(({ method }) => method === 'PUT').map((request) => JSON.stringify(request));
      expect(bodies.filter((body) => body.includes('once'))).toHaveLength(1);
    });
  });

  describe('a hub that says one thing now and another then', () => {
    it('is recorded when it denies an event that it gave us, and gives another for its place', async () => {
      await hub.say(room.roomId, 'to you');
      await until('the first', shown('to you'));
      const given = room.timeline.pop();
      room.at.delete(await idOf(given));
      await hub.say(room.roomId, 'to others');
      const { row, received, known } = await theIncident('equivocation');
      expect([received, known].map(([event]) => event && bodyOf(event))).toEqual(['to others', 'to you']);
      expect(row.detail).toContain(await idOf(given));
    });

    it('is no more than a fork when it stands by both', async () => {
      hub.faults.add('fork:2');
      for (const body of ['one', 'two', 'three']) await hub.say(room.roomId, body);
      await until('all three', shown('one', 'two', 'three'));
      const { received, known } = await theIncident('fork');
      expect([received, known].map(([event]) => event && bodyOf(event))).toEqual(['two', 'one']);
      await until('the question', () => hub.requests.some(({ path }) => path?.includes('/event/')));
      expect(await incidents('equivocation')).toEqual([]);
    });

    it('is recorded when it gives state that it had replaced; we do not go back to it', async () => {
      const name = (text: string) => hub.event(room.roomId, 'm.room.name', { name: text }, '');
      const old = (await name('old')) as Pdu;
      await name('new');
      await room.append(aForgery('a hole'));
      const state = room.state.bind(room);
      room.state = (before) => state(before).map((pdu) => (pdu.type === 'm.room.name' ? old : pdu));
      await hub.say(room.roomId, 'after');
      await until('a gap', async () => (await gap()) !== null);
      await giveUpSoon();
      await until('what came after', shown('after'));
      const { received, known } = await theIncident('equivocation');
      expect([received, known].map(([event]) => event?.content.name)).toEqual(['old', 'new']);
      const named = await acme.reader.stateEvent(room.roomId, 'm.room.name', '');
      expect(named?.pdu.content.name).toBe('new');
    });
  });

  describe('a gap', () => {
    it('that the hub does not fill costs neither what comes after it nor the state that came with it', async () => {
      hub.faults.add('omit:1-2', '404@backfill');
      await hub.event(room.roomId, 'm.room.name', { name: 'Unseen' }, '');
      await hub.say(room.roomId, 'unseen');
      await hub.say(room.roomId, 'seen');
      await until('a gap that is not filled', async () => ((await gap())?.refusals ?? 0) > 0);
      expect(await texts()).toEqual([]);
      await giveUpSoon();
      await until('what came after', shown('seen'));
      const named = await acme.reader.stateEvent(room.roomId, 'm.room.name', '');
      expect(named?.pdu.content.name).toBe('Unseen');
      expect(await incidents('gap')).toHaveLength(1);
      await until('the end of the gap', async () => (await gap()) === null);
    });

    it('stays, without an end to waiting, while the hub does not answer', async () => {
      hub.faults.add('omit:1', '503:1-2@backfill');
      await hub.say(room.roomId, 'missed');
      await hub.say(room.roomId, 'seen');
      await until('a gap that is not filled', async () => ((await gap())?.attempts ?? 0) > 0);
      expect(await gap()).toMatchObject({ refusals: 0 });
      expect(await incidents('gap')).toEqual([]);
      await until('both', shown('missed', 'seen'), 20_000);
      await until('the end of the gap', async () => (await gap()) === null);
    }, 30_000);

    it('is filled from a hub that answers backfill newest first', async () => {
      hub.faults.add('omit:2-4');
      const client = acme.app.get(FederationClient);
      const send = client.send.bind(client);
      vi.spyOn(client, 'send').mockImplementation(async (server, request) => {
        const answer = await send(server, request);
        if (request.path.includes('/backfill/')) (answer.value as { pdus: unknown[] }).pdus.reverse();
        return answer;
      });
      for (const body of ['one', 'two', 'three', 'four', 'five']) await hub.say(room.roomId, body);
      await until('all', shown('one', 'two', 'three', 'four', 'five'));
    });

    it('brings nothing that was before our join into the room', async () => {
      hub.faults.add('omit:1');
      const known = (await acme.reader.eventsAfter(room.roomId, -1, 100)).length;
      await hub.say(room.roomId, 'one');
      await hub.say(room.roomId, 'two');
      await until('both', shown('one', 'two'));
      expect(await acme.reader.eventsAfter(room.roomId, -1, 100)).toHaveLength(known + 2);
      expect(await incidents('fork')).toEqual([]);
    });

    it('keeps a bounded number of events, and asks for those beyond', async () => {
      const gaps = acme.app.get(Gaps);
      const followed = await acme.reader.room(room.roomId);
      if (followed === null) throw new Error('the room is gone');
      await hub.say(room.roomId, 'base');
      await until('the base', shown('base'));
      hub.faults.add('omit:1');
      const newest = (await hub.say(room.roomId, 'beyond')) as Pdu;
      const fillers = Array.from({ length: 1_000 }, (_, n) => ({
        ...newest,
        prev_events: [`$nowhere${String(n)}` as EventId],
      }));
      await gaps.keep(followed, [...fillers, newest]);
      expect(await kept()).toBe(1_000);
      expect(await gap()).toMatchObject({ newestEventId: (await idOf(newest)) as EventId });
      await acme.database.transaction((manager) => manager.delete(PendingPduEntity, { roomId: room.roomId }));
      gaps.loops.start(room.roomId);
      await until('what was beyond', shown('base', 'beyond'));
      await until('the end of the gap', async () => (await gap()) === null);
    });

    it('keeps a bounded number of bytes', async () => {
      const followed = await acme.reader.room(room.roomId);
      if (followed === null) throw new Error('the room is gone');
      const [event] = room.timeline;
      const large = Array.from(
        { length: 400 },
        (_, n) =>
          ({
            ...event,
            prev_events: [`$nowhere${String(n)}` as EventId],
            content: { body: 'x'.repeat(60_000) },
          }) as Pdu,
      );
      await acme.app.get(Gaps).keep(followed, large);
      const rows = await kept();
      expect(rows).toBeGreaterThan(200);
      expect(rows).toBeLessThan(300);
    });
  });

  it('an event that names other state than its authorization depends on is taken, and recorded', async () => {
    const deliver = hub as unknown as ForgingPeer;
    const pdu = deliver.pdu.bind(hub);
    deliver.pdu = (event, auth, prev, fault) => pdu(event, auth.slice(1), prev, fault);
    await hub.say(room.roomId, 'odd');
    deliver.pdu = pdu;
    await until('the event', shown('odd'));
    expect((await theIncident('dissent')).row.detail).toMatch(/auth_events/);
  });

  it('what a hub sends as an event and is none is recorded once per room, and fails no other', async () => {
    const junk = [{ room_id: room.roomId, type: 7, content: { body: 'junk' } }, { room_id: room.roomId }];
    const good = (hub as unknown as ForgingPeer).pdu(
      {
        room_id: room.roomId,
        type: 'm.room.message',
        sender: hub.user('peer'),
        origin_server_ts: 1,
        content: { msgtype: 'm.text', body: 'good' },
      },
      [],
      [await idOf(room.timeline.at(-1))],
    );
    const { json } = await hub.send(ACME, [...junk, good]);
    expect(Object.keys((json?.failed_pdus ?? {}) as object)).toHaveLength(2);
    const { row, received } = await theIncident('malformed');
    expect(row).toMatchObject({ count: 2, eventId: null });
    expect(received).toEqual([junk[0]]);
    expect(await texts()).toEqual(['good']);
  });
});

/** Requests whose path holds a word are answered with this. */
function answerInstead(word: string, answer: () => JsonObject): void {
  const client = acme.app.get(FederationClient);
  const send = client.send.bind(client);
  vi.spyOn(client, 'send').mockImplementation(async (server, request) => {
    const given = await send(server, request);
    return request.path.includes(word) ? { ...given, value: answer() } : given;
  });
}
