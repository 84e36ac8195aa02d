import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JsonObject, type RoomId, type UserId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const VERSION = 'org.matrix.i-d.ralston-mimi-linearized-matrix.02';
/** A participant of our room, and the server of whom is invited. */
let peer: Peer;
let target: Peer;
let acme: TestGateway;
let roomId: RoomId;

beforeEach(async () => {
  peer = await startPeer('peer.example');
  target = await startPeer('target.example');
  const peers = { 'peer.example': peerUrl(peer), 'target.example': peerUrl(target) };
  acme = await startGateway(ACME, peers);
  for (const each of [peer, target]) each.peers = { ...peers, [ACME]: acme.url };
  roomId = await acme.rooms.create({ joinRule: 'public', name: 'Fair' });
  await peer.join(ACME, roomId);
});

afterEach(async () => {
  await acme.close();
  await peer.close();
  await target.close();
});

let invites = 0;
function invite(userId: string, fields: JsonObject = {}, body: JsonObject = {}): Promise<PeerAnswer> {
  const event = peer.lpdu({
    room_id: roomId,
    type: 'm.room.member',
    sender: peer.user('peer'),
    state_key: userId,
    hub: ACME,
    content: { membership: 'invite' },
    ...fields,
  });
  const request = { event, room_version: VERSION, invite_room_state: [], ...body };
  return peer.request('POST', ACME, peer.path('invite', `i${String(invites++)}`), request);
}
const membership = (userId: string) => acme.reader.membership(roomId, userId as UserId);

describe('an invite of a participant’s user, by way of us, the hub', () => {
  it('reaches the invited server whole, is answered with the event, and comes to everybody by the log', async () => {
    const answer = await invite(target.user('bob'));
    expect(answer.status).toBe(200);
    const { pdu, event } = answer.json as { pdu: JsonObject; event: JsonObject };
    expect(pdu).toEqual(event);
    expect(pdu).toMatchObject({ sender: peer.user('peer'), state_key: target.user('bob'), hub_server: ACME });
    expect(target.invites).toMatchObject([{ state_key: target.user('bob'), hub_server: ACME }]);
    expect(await membership(target.user('bob'))).toBe('invite');
    await peer.until(() => peer.received.some(({ pdu: each }) => each.state_key === target.user('bob')));
    await target.join(ACME, roomId, target.user('bob'));
    expect(await membership(target.user('bob'))).toBe('join');
    expect([...peer.problems, ...target.problems]).toEqual([]);
  });

  it.each([
    ['403', 403, undefined],
    ['404', 404, undefined],
    ['429=1500', 429, 1_500],
  ])(
    'that the invited server refuses (%s) is refused in its words, and is not in the log',
    async (fault, status, wait) => {
      target.faults.add(`${fault}@invite`);
      const answer = await invite(target.user('bob'));
      expect(answer).toMatchObject({ status, json: { errcode: expect.stringMatching(/^M_/) as string } });
      expect(answer.json?.retry_after_ms).toBe(wait);
      expect(await membership(target.user('bob'))).toBe('leave');
    },
  );

  it.each(['500@invite', '503@invite', 'garbage@invite', 'drop@invite'])(
    'over which the invited server breaks (%s) is no error of ours, and is not in the log',
    async (fault) => {
      target.faults.add(fault);
      const answer = await invite(target.user('bob'));
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(await membership(target.user('bob'))).toBe('leave');
    },
  );

  it('that the room does not allow is refused before anybody is asked', async () => {
    await acme.rooms.ban(roomId, target.user('eve') as UserId);
    expect(await invite(target.user('eve'))).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
    expect(await invite(target.user('bob'), { sender: peer.user('nobody') })).toMatchObject({ status: 403 });
    expect(target.requests.filter(({ path }) => path?.includes('invite'))).toEqual([]);
  });

  it.each<[string, JsonObject]>([
    ['is no invite', { content: { membership: 'join' } }],
    ['is no membership', { type: 'm.room.message' }],
    ['names no user', { state_key: 'bob' }],
  ])('that %s is refused', async (_what, fields) => {
    expect(await invite(target.user('bob'), fields)).toMatchObject({ status: 400, json: { errcode: 'M_BAD_JSON' } });
  });

  it('to a server that was in the room before goes there, also when it takes no invites to rooms that it knows', async () => {
    await target.join(ACME, roomId, target.user('bob'));
    await acme.rooms.kick(roomId, target.user('bob') as UserId);
    await target.until(() => target.received.some(({ pdu }) => pdu.content.membership === 'leave'));
    target.faults.add('400@invite');
    expect((await invite(target.user('bob'))).status).toBe(200);
    expect(await membership(target.user('bob'))).toBe('invite');
    await target.until(() => target.received.some(({ pdu }) => pdu.content.membership === 'invite'));
  });
});

describe('an invite of our user by another hub', () => {
  const ask = async (fields: JsonObject, body: JsonObject = {}): Promise<PeerAnswer> => {
    const { roomId: theirs } = await peer.createRoom({ joinRule: 'invite' });
    const room = peer.rooms.get(theirs) as unknown as { append(event: JsonObject): Promise<{ pdu?: JsonObject }> };
    await room.append({
      room_id: theirs,
      type: 'm.room.member',
      sender: peer.user('peer'),
      state_key: acme.rooms.bot,
      origin_server_ts: Date.now(),
      content: { membership: 'invite' },
    });
    const event = { ...(peer.rooms.get(theirs)?.timeline.at(-1) as JsonObject), ...fields };
    return peer.request('POST', ACME, peer.path('invite', `i${String(invites++)}`), {
      event,
      room_version: VERSION,
      ...body,
    });
  };

  it('is kept, signed by us, and answered under both names', async () => {
    const answer = await ask({});
    expect(answer.status).toBe(200);
    const { pdu, event } = answer.json as { pdu: { signatures: JsonObject }; event: JsonObject };
    expect(pdu).toEqual(event);
    expect(Object.keys(pdu.signatures).sort()).toEqual([ACME, 'peer.example']);
    await until('it is kept', async () => (await acme.rooms.invites()).length === 1);
  });

  it.each<[string, JsonObject, JsonObject, number, string]>([
    ['into a room of an unknown version', {}, { room_version: '9' }, 400, 'M_INCOMPATIBLE_ROOM_VERSION'],
    ['into a room of no version', {}, { room_version: undefined }, 400, 'M_INCOMPATIBLE_ROOM_VERSION'],
    ['that was changed', { content: { membership: 'invite', reason: 'x' } }, {}, 403, 'M_FORBIDDEN'],
    ['of nobody of ours', { state_key: '@bob:other.example' }, {}, 403, 'M_FORBIDDEN'],
    ['with a stripped state of a megabyte', {}, { invite_room_state: ['x'.repeat(300_000)] }, 400, 'M_BAD_JSON'],
    ['that is no invite', { content: { membership: 'ban' } }, {}, 400, 'M_BAD_JSON'],
  ])('%s is refused', async (_what, fields, body, status, errcode) => {
    expect(await ask(fields, body)).toMatchObject({ status, json: { errcode } });
    expect(await acme.rooms.invites()).toEqual([]);
  });
});
