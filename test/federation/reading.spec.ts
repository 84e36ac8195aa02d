import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, Pdu, RoomId, UserId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let acme: TestGateway;
let roomId: RoomId;

beforeAll(async () => {
  peer = await startPeer('peer.example', { autoJoin: true });
  acme = await startGateway(ACME, { 'peer.example': peerUrl(peer) });
  peer.peers[ACME] = acme.url;
  roomId = await acme.rooms.create({ name: 'First' });
  await acme.rooms.invite(roomId, peer.user('peer') as UserId);
  await until('the peer has joined', () => acme.reader.hasJoinedUser(roomId, 'peer.example' as never));
  for (const name of ['Second', 'Third']) {
    await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.name', stateKey: '', content: { name } });
  }
});

afterAll(async () => {
  await acme.close();
  await peer.close();
});

const ask = (endpoint: string, room: string, query: string): Promise<PeerAnswer> =>
  peer.request('GET', ACME, `/_matrix/federation/v1/${endpoint}/${encodeURIComponent(room)}?${query}`);

const log = () => acme.reader.eventsAfter(roomId, -1, 1_000);
const nameIn = (events: unknown): unknown => (events as Pdu[]).find(({ type }) => type === 'm.room.name')?.content.name;

describe('the state of a room', () => {
  // proves LM-04/api-get-state/3
  it('is that before the event asked for, with its authorization back to m.room.create', async () => {
    const events = await log();
    const [third, second] = [events.at(-1), events.at(-2)];
    const after = (await ask('state', roomId, `event_id=${encodeURIComponent(third?.eventId ?? '')}`)).json ?? {};
    const before = (await ask('state', roomId, `event_id=${encodeURIComponent(second?.eventId ?? '')}`)).json ?? {};
    expect(nameIn(after.pdus)).toBe('Second');
    expect(nameIn(before.pdus)).toBe('First');
    const chain = after.auth_chain as Pdu[];
    const ids = new Set(await Promise.all(chain.map((pdu) => idOf(pdu))));
    for (const pdu of [...(after.pdus as Pdu[]), ...chain]) for (const id of pdu.auth_events) expect(ids).toContain(id);
    expect(chain.map(({ type }) => type)).toContain('m.room.create');
    const listed = (await ask('state_ids', roomId, `event_id=${encodeURIComponent(third?.eventId ?? '')}`)).json ?? {};
    expect(listed.pdu_ids).toEqual(await Promise.all((after.pdus as Pdu[]).map((pdu) => idOf(pdu))));
    expect(listed.auth_chain_ids).toEqual(await Promise.all(chain.map((pdu) => idOf(pdu))));
  });

  // proves LM-04/api-get-state/4; LM-04/api-make-leave/4; LM-04/transport-errors/1
  it('of another hub is not ours to give, nor are its templates', async () => {
    const room = await peer.createRoom({ joinRule: 'public' });
    await acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never);
    const wrong = { status: 400, json: { errcode: 'M_WRONG_SERVER' } };
    const eventId = encodeURIComponent(await idOf(room.timeline.at(-1)));
    for (const endpoint of ['state', 'state_ids']) {
      expect(await ask(endpoint, room.roomId, `event_id=${eventId}`)).toMatchObject(wrong);
    }
    const user = encodeURIComponent(peer.user('peer'));
    for (const change of ['join', 'leave', 'knock']) {
      const path = `/_matrix/federation/v1/make_${change}/${encodeURIComponent(room.roomId)}/${user}?ver=I.1`;
      expect(await peer.request('GET', ACME, path)).toMatchObject(wrong);
    }
  });
});

describe('backfill', () => {
  // proves LM-04/backfill/1, 2, 5
  it('gives at most what is asked for, and at most a hundred, oldest first and up to the event', async () => {
    const say = (n: number) => acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.x', content: { n } });
    for (let n = 0; n < 110; n++) await say(n);
    const head = (await log()).at(-1)?.eventId ?? '';
    const numbers = async (limit: number): Promise<unknown[]> =>
      ((await peer.backfill(ACME, roomId, head, limit)).json?.pdus as Pdu[]).map(({ content }) => content.n);
    expect(await numbers(3)).toEqual([107, 108, 109]);
    expect(await numbers(1_000)).toEqual(Array.from({ length: 100 }, (_, n) => n + 10));
    expect(await numbers(0)).toEqual([]);
  });

  it.each(['', 'limit=3', 'v=%24x', 'v=%24x&limit=many', 'v=nothing&limit=3', 'v=%24x&limit=-1'])(
    'with the query “%s” is refused',
    async (query) => {
      const answer = await peer.request('GET', ACME, peer.path('backfill', `${encodeURIComponent(roomId)}?${query}`));
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
    },
  );
});

describe('an LPDU', () => {
  // proves LM-04/event/2; LM-04/api-get-state/2; LM-04/backfill/4
  it('that waits for its hub is no event yet, and is given to nobody', async () => {
    const room = await peer.createRoom({ joinRule: 'public' });
    await acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never);
    peer.faults.add('refuse@send');
    const sent = await acme.rooms.send({
      roomId: room.roomId,
      sender: acme.rooms.bot,
      type: 'm.room.message',
      content: { body: 'waits' },
    });
    expect(sent.kind).toBe('submitted');
    const bodies = (): JsonObject[] =>
      (peer.requests as unknown as { endpoint: string; body: { pdus: JsonObject[] } }[])
        .filter(({ endpoint }) => endpoint === 'send')
        .flatMap(({ body }) => body.pdus);
    const isIt = ({ content }: JsonObject): boolean => (content as JsonObject).body === 'waits';
    await until('it was sent', () => bodies().some(isIt));
    const id = encodeURIComponent(await idOf(bodies().find(isIt)));
    (peer.faults as unknown as { clear(): void }).clear();
    const none = { status: 404, json: { errcode: 'M_NOT_FOUND' } };
    expect(await peer.request('GET', ACME, peer.path('event', id))).toMatchObject(none);
    expect(await ask('state', room.roomId, `event_id=${id}`)).toMatchObject(none);
    const path = peer.path('backfill', `${encodeURIComponent(room.roomId)}?v=${id}&limit=5`);
    expect(await peer.request('GET', ACME, path)).toMatchObject(none);
  });

  // proves LM-04/api-send-txn/12
  it('that reaches a server which is not the hub is refused there, and its sender learns of it', async () => {
    const room = await peer.createRoom({ joinRule: 'public' });
    await acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never);
    const stray = peer.lpdu({
      room_id: room.roomId,
      type: 'm.room.message',
      sender: peer.user('peer'),
      hub: 'peer.example',
      content: { body: 'stray' },
    });
    const { status, json } = await peer.send(ACME, [stray]);
    expect(status).toBe(200);
    expect(Object.keys(json?.failed_pdus as object)).toEqual([await idOf(stray)]);
  });
});

describe('a room that we have left', () => {
  // proves LM-04/api-send-txn/11
  it('may go on sending: it is dropped without an error, and not kept', async () => {
    const room = await peer.createRoom({ joinRule: 'public' });
    await acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never);
    await acme.rooms.leave(room.roomId);
    await until('we have left', async () => (await acme.reader.room(room.roomId))?.standing === 'left');
    const before = await acme.reader.eventsAfter(room.roomId, -1, 100);
    await peer.say(room.roomId, 'gossip');
    const answer = await peer.send(ACME, [room.timeline.at(-1)]);
    expect(answer).toMatchObject({ status: 200, json: { failed_pdus: {} } });
    expect(await acme.reader.eventsAfter(room.roomId, -1, 100)).toEqual(before);
  });
});
