import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type JsonObject,
  type Pdu,
  type RoomId,
  type UserId,
  createVerifyKey,
  verifyEvent,
} from '../../src/protocol/index.js';
import { Invites } from '../../src/rooms/invites.js';
import { ServerIdentity } from '../../src/rooms/server-identity.js';
import { type TestGateway, startGateway, startNeighbours, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const OTHERS = 'org.example.others-version';
const UNSTABLE = 'org.matrix.i-d.ralston-mimi-linearized-matrix.02';
let peer: Peer;
let target: Peer;
let acme: TestGateway;

beforeAll(async () => {
  peer = await startPeer('peer.example', { autoJoin: true });
  target = await startPeer('target.example');
  const peers = { 'peer.example': peerUrl(peer), 'target.example': peerUrl(target) };
  acme = await startGateway(ACME, peers);
  for (const each of [peer, target]) each.peers = { ...peers, [ACME]: acme.url };
});

beforeEach(() => {
  for (const each of [peer, target]) (each.faults as unknown as { clear(): void }).clear();
});

afterAll(async () => {
  await acme.close();
  await peer.close();
  await target.close();
});

const bob = (): UserId => peer.user('bob') as UserId;

const make = (change: string, roomId: string, userId: string, query = `ver=${UNSTABLE}`): Promise<PeerAnswer> =>
  peer.request(
    'GET',
    ACME,
    `/_matrix/federation/v1/make_${change}/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?${query}`,
  );

const memberLpdu = (roomId: string, membership: string, userId: string = bob(), sender = userId): JsonObject =>
  peer.lpdu({ room_id: roomId, type: 'm.room.member', sender, state_key: userId, hub: ACME, content: { membership } });

const post = (endpoint: string, body: unknown): Promise<PeerAnswer> =>
  peer.request('POST', ACME, peer.path(endpoint, `t${String(Math.random())}`), body);

/** A room of ours in which the peer's user is. */
async function sharedRoom(): Promise<RoomId> {
  const roomId = await acme.rooms.create({ joinRule: 'invite' });
  await acme.rooms.invite(roomId, peer.user('peer') as UserId);
  await until('the peer has joined', () => acme.reader.hasJoinedUser(roomId, 'peer.example' as never));
  return roomId;
}

describe('a template', () => {
  // proves LM-04/api-make-join/1; LM-04/api-make-leave/1; LM-04/api-make-knock/1; profile/endpoints/5
  it.each([
    ['join', 'public'],
    ['knock', 'knock'],
    ['leave', 'knock'],
  ] as const)('of a %s has the user as sender and state key, at the top and under “event”', async (change, rule) => {
    const roomId = await acme.rooms.create({ joinRule: rule });
    if (change === 'leave') await peer.knock(ACME, roomId, bob());
    const { status, json } = await make(change, roomId, bob());
    const template = {
      type: 'm.room.member',
      room_id: roomId,
      sender: bob(),
      state_key: bob(),
      content: { membership: change },
    };
    expect(status).toBe(200);
    expect(json).toMatchObject({ ...template, event: template, room_version: UNSTABLE });
  });

  // proves LM-04/api-make-leave/4
  it('of a leave is refused where the room is unknown, and where there is nothing to leave', async () => {
    const roomId = await acme.rooms.create({});
    expect(await make('leave', '!nowhere:acme.example', bob())).toMatchObject({
      status: 404,
      json: { errcode: 'M_NOT_FOUND' },
    });
    expect(await make('leave', roomId, bob())).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
  });

  // proves LM-04/api-make-join/2; LM-04/api-make-leave/2; LM-04/api-make-knock/2; LM-04/lpdu/1, 2; LM-04/pdu/6
  it('of another hub lends us its membership, and nothing else that it holds', async () => {
    const room = await peer.createRoom({ joinRule: 'knock' });
    await acme.rooms.knock(room.roomId);
    await acme.rooms.leave(room.roomId);
    await acme.rooms.knock(room.roomId);
    await (room as unknown as { invite(userId: string): Promise<unknown> }).invite(acme.rooms.bot);
    await acme.rooms.join(room.roomId);
    const sent = (peer.requests as unknown as { endpoint: string; body: JsonObject }[])
      .filter(({ endpoint, body }) => endpoint.startsWith('send_') && body.room_id === room.roomId)
      .map(({ body }) => body);
    expect(sent.map(({ content }) => (content as JsonObject).membership)).toEqual(['knock', 'leave', 'knock', 'join']);
    for (const lpdu of sent) {
      expect(Object.keys(lpdu).sort()).toEqual([
        'content',
        'hashes',
        'hub_server',
        'origin_server_ts',
        'room_id',
        'sender',
        'signatures',
        'state_key',
        'type',
      ]);
      expect(lpdu).toMatchObject({ hub_server: 'peer.example', sender: acme.rooms.bot, state_key: acme.rooms.bot });
      expect(Object.keys(lpdu.hashes as object)).toEqual(['lpdu']);
    }
  });

  // proves LM-04/api-make-leave/3
  it('of a room version that we do not know is not used', async () => {
    const room = (await peer.createRoom({ joinRule: 'knock' })) as unknown as {
      roomId: RoomId;
      version: string;
      membership(userId: string): string;
    };
    await acme.rooms.knock(room.roomId);
    room.version = OTHERS;
    await expect(acme.rooms.leave(room.roomId)).rejects.toThrow(/version/);
    expect(room.membership(acme.rooms.bot)).toBe('knock');
    expect(await acme.app.get(Invites).ofRoom(room.roomId)).toHaveLength(1);
  });
});

describe('a join', () => {
  // proves LM-04/api-send-join/1; profile/handshakes/1
  it('is answered with the room before it, in its order, superseded state that is referred to included', async () => {
    const roomId = await acme.rooms.create({ joinRule: 'public' });
    const levels = { users: { [acme.rooms.bot]: 100 }, invite: 50 };
    const state = { sender: acme.rooms.bot, type: 'm.room.power_levels', stateKey: '', content: levels };
    await acme.rooms.send({ roomId, ...state });
    const log = await acme.reader.eventsAfter(roomId, -1, 100);
    const { state: given, event } = (await peer.join(ACME, roomId, bob())) as { state: Pdu[]; event: Pdu };
    const ids = await Promise.all(given.map((pdu) => idOf(pdu)));
    expect(ids).toEqual(log.map(({ eventId }) => eventId)); // here every event of the log is referred to, or is current
    expect(event).toMatchObject({ state_key: bob(), content: { membership: 'join' }, prev_events: [ids.at(-1)] });
  });

  // proves LM-04/api-send-join/2
  it('that may not be any more when it comes is refused', async () => {
    const roomId = await acme.rooms.create({ joinRule: 'public' });
    expect((await make('join', roomId, bob())).status).toBe(200);
    await acme.rooms.ban(roomId, bob());
    const answer = await post('send_join', memberLpdu(roomId, 'join'));
    expect(answer).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
    expect(await acme.reader.membership(roomId, bob())).toBe('ban');
  });

  // proves LM-04/ev-join-rules/1, 2
  it('is not let in by join rules under another state key, nor by ones that say nothing', async () => {
    const roomId = await acme.rooms.create({ joinRule: 'invite' });
    const rules = { roomId, sender: acme.rooms.bot, type: 'm.room.join_rules' };
    await acme.rooms.send({ ...rules, stateKey: 'x', content: { join_rule: 'public' } });
    expect((await make('join', roomId, bob())).status).toBe(403);
    await acme.rooms.send({ ...rules, stateKey: '', content: {} });
    expect((await make('join', roomId, bob())).status).toBe(403);
    await acme.rooms.send({ ...rules, stateKey: '', content: { join_rule: 'public' } });
    expect((await make('join', roomId, bob())).status).toBe(200);
  });

  // proves profile/handshakes/2
  it('takes messages and superseded state in the answer; the last of each kind of state counts', async () => {
    const room = (await peer.createRoom({ joinRule: 'public' })) as unknown as {
      roomId: RoomId;
      timeline: unknown[];
      state(before?: number): unknown[];
    };
    for (const name of ['Old', 'New']) await peer.event(room.roomId, 'm.room.name', { name }, '');
    await peer.say(room.roomId, 'before the join');
    room.state = (before) => room.timeline.slice(0, before);
    await acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never);
    expect((await acme.reader.stateEvent(room.roomId, 'm.room.name', ''))?.pdu.content.name).toBe('New');
  });

  // proves LM-04/hub-selection/1
  it.each<[string, (state: Pdu[], elsewhere: Pdu[], foreign: Pdu) => unknown[]]>([
    ['state of another room', (state, elsewhere) => [...state, elsewhere.at(-1)]],
    ['no m.room.create', (state) => state.filter(({ type }) => type !== 'm.room.create')],
    ['an m.room.create of another hub', (state, _, foreign) => [foreign, ...state.slice(1)]],
    ['what is no event', (state) => [...state, { type: 'm.room.name' }]],
    ['no state at all', () => []],
  ])('that is answered with %s is refused whole', async (_what, lie) => {
    const elsewhere = (await peer.createRoom({ joinRule: 'public' })).timeline as Pdu[];
    const room = (await peer.createRoom({ joinRule: 'public' })) as unknown as {
      roomId: RoomId;
      timeline: Pdu[];
      state(before?: number): unknown[];
    };
    const honest = room.timeline.slice();
    const create = { ...honest[0], sender: target.user('x'), hashes: {}, signatures: {} };
    const foreign = (target as unknown as { pdu(event: unknown, auth: [], prev: []): Pdu }).pdu(create, [], []);
    room.state = () => lie(honest, elsewhere, foreign);
    await expect(acme.rooms.join(room.roomId, undefined, undefined, 'peer.example' as never)).rejects.toThrow(
      /another room|is not the hub|is none/,
    );
    expect((await acme.reader.room(room.roomId))?.standing).not.toBe('joined');
    expect(await acme.reader.eventsAfter(room.roomId, -1, 100)).toEqual([]);
  });

  // proves LM-04/room-versions/3; profile/versions/1
  it('works in rooms of either version', async () => {
    const [hub, participant] = await startNeighbours('hub.example', 'guest.example', [
      { CAUSEWAY_ROOM_VERSION: 'I.1' },
    ]);
    for (const version of [undefined, UNSTABLE]) {
      const roomId = await hub.rooms.create({ joinRule: 'public', ...(version === undefined ? {} : { version }) });
      await participant.rooms.join(roomId, undefined, undefined, 'hub.example' as never);
      const said = { roomId, type: 'm.room.message', content: { body: 'hello' } };
      await participant.rooms.send({ ...said, sender: participant.rooms.bot });
      for (const each of [hub, participant]) {
        await until(
          'the message',
          async () => (await each.reader.eventsAfter(roomId, -1, 100)).at(-1)?.pdu.type === 'm.room.message',
        );
        const create = await each.reader.stateEvent(roomId, 'm.room.create', '');
        expect(create?.pdu.content.room_version).toBe(version ?? 'I.1');
      }
    }
    await hub.close();
    await participant.close();
  });
});

describe('a new room', () => {
  // proves LM-04/ev-power-levels/2; LM-04/room-versions/4; LM-04/pdu/8
  it('has every power level, the default version, and no hub_server on our own events', async () => {
    const roomId = await acme.rooms.create({});
    const levels = await acme.reader.stateEvent(roomId, 'm.room.power_levels', '');
    expect(Object.keys(levels?.pdu.content ?? {}).sort()).toEqual([
      'ban',
      'events',
      'events_default',
      'invite',
      'kick',
      'redact',
      'state_default',
      'users',
      'users_default',
    ]);
    for (const { pdu } of await acme.reader.eventsAfter(roomId, -1, 100)) {
      expect(pdu.hub_server).toBeUndefined();
      expect(pdu.hashes.lpdu).toBeUndefined();
    }
    expect((await acme.reader.room(roomId))?.version).toBe(UNSTABLE);
  });
});

describe('an invite', () => {
  const invite = (event: JsonObject, version = UNSTABLE): Promise<PeerAnswer> =>
    post('invite', { event, invite_room_state: [], room_version: version });

  // proves LM-04/transport-invites/1
  it('goes by PUT send to a server that is in the room, and by POST invite to one that is not', async () => {
    const roomId = await sharedRoom();
    const before = peer.invites.length;
    await acme.rooms.invite(roomId, bob());
    await peer.until(() => peer.received.some(({ pdu }) => pdu.room_id === roomId && pdu.state_key === bob()));
    expect(peer.invites).toHaveLength(before);
    await acme.rooms.invite(roomId, target.user('carol') as UserId);
    expect(target.invites.at(-1)?.state_key).toBe(target.user('carol'));
    expect(target.received.filter(({ pdu }) => pdu.room_id === roomId)).toEqual([]);
  });

  // proves profile/handshakes/12
  it('of a former member goes by PUT send, when its server does not take it by POST invite', async () => {
    const roomId = await sharedRoom();
    await peer.leave(roomId, peer.user('peer'), ACME);
    const member = peer.user('peer') as UserId;
    await until('it has left', async () => (await acme.reader.membership(roomId, member)) === 'leave');
    peer.faults.add('400:1@invite');
    await acme.rooms.invite(roomId, member);
    const invited = ({ pdu }: { pdu: Pdu }): boolean =>
      pdu.room_id === roomId && pdu.state_key === member && pdu.content.membership === 'invite';
    await peer.until(() => peer.received.some(invited));
    expect(await acme.reader.membership(roomId, member)).toBe('invite');
  });

  // proves LM-04/api-invite/6; profile/endpoints/4; LM-04/stripped-state/1
  it('of our user is kept, signed and returned under both names, whatever its stripped state claims', async () => {
    const room = (await peer.createRoom({})) as unknown as { roomId: RoomId; strippedState(): unknown[] };
    room.strippedState = () => [
      { type: 'm.room.create', sender: '@liar:target.example', state_key: '', content: {} },
      { nonsense: true },
      7,
    ];
    const answers: { pdu: Pdu; event: Pdu }[] = [];
    const ask = peer.request.bind(peer);
    peer.request = async (method, destination, path, ...rest) => {
      const answer = await ask(method, destination, path, ...rest);
      if (path.includes('/invite/')) answers.push(answer.json as unknown as { pdu: Pdu; event: Pdu });
      return answer;
    };
    await (room as unknown as { invite(userId: string): Promise<unknown> }).invite(acme.rooms.bot);
    peer.request = ask;
    const [answer] = answers;
    expect(answer?.pdu).toEqual(answer?.event);
    const { signingKey, serverName } = acme.app.get(ServerIdentity);
    const verifyKey = createVerifyKey(signingKey.publicKey);
    if (answer === undefined || verifyKey === undefined) throw new Error('there is no answer');
    expect(verifyEvent(answer.pdu, serverName, new Map([[signingKey.keyId, verifyKey]]))).toBe(true);
    expect(await acme.app.get(Invites).ofRoom(room.roomId)).toMatchObject([
      { hubServer: 'peer.example', membership: 'invite' },
    ]);
    await acme.rooms.join(room.roomId); // at the server that sent the invite, not at the one that the stripped state names
    expect((await acme.reader.room(room.roomId))?.hubServer).toBe('peer.example');
  });

  // proves LM-04/api-invite/1
  it.each([
    ['of another type', (roomId: string): JsonObject => ({ ...memberLpdu(roomId, 'invite'), type: 'm.room.name' })],
    ['of another membership', (roomId: string): JsonObject => memberLpdu(roomId, 'join')],
  ])('%s is refused by the hub and by the invited server: M_BAD_JSON', async (_what, event) => {
    const roomId = await sharedRoom();
    const bad = { status: 400, json: { errcode: 'M_BAD_JSON' } };
    expect(await invite(event(roomId))).toMatchObject(bad);
    const elsewhere = event('!elsewhere:peer.example');
    const pdu = {
      ...elsewhere,
      auth_events: [],
      prev_events: ['$x'],
      hashes: { ...(elsewhere.hashes as object), sha256: 'A' },
    };
    expect(await invite(pdu)).toMatchObject(bad);
  });

  // proves LM-04/api-invite/2
  it('that the rules refuse does not leave the hub', async () => {
    const roomId = await sharedRoom();
    const carol = target.user('carol') as UserId;
    await acme.rooms.ban(roomId, carol);
    const before = target.invites.length;
    const answer = await invite(memberLpdu(roomId, 'invite', carol, peer.user('peer')));
    expect(answer).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
    expect(target.invites).toHaveLength(before);
  });

  // proves LM-04/api-invite/3, 4
  it.each([
    ['refused with its own words', '403@invite', { status: 403, errcode: 'M_UNKNOWN' }],
    ['an error of ours when they answer garbage', 'garbage@invite', { status: 404, errcode: 'M_NOT_FOUND' }],
    ['an error of ours when they fail', '500@invite', { status: 400, errcode: 'M_UNKNOWN' }],
  ])('through us to a server that refuses is %s, and is not appended', async (_what, fault, { status, errcode }) => {
    const roomId = await sharedRoom();
    target.faults.add(fault);
    const answer = await invite(memberLpdu(roomId, 'invite', target.user('dave'), peer.user('peer')));
    expect(answer).toMatchObject({ status, json: { errcode } });
    expect(await acme.reader.membership(roomId, target.user('dave') as UserId)).toBe('leave');
  });

  // proves LM-04/api-invite/5
  it('to a room of an unknown version is refused', async () => {
    const answer = await invite(memberLpdu('!elsewhere:peer.example', 'invite'), OTHERS);
    expect(answer).toMatchObject({ status: 400, json: { errcode: 'M_INCOMPATIBLE_ROOM_VERSION' } });
  });
});
