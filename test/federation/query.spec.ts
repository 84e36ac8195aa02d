import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserMappings } from '../../src/mapping/user-mappings.js';
import { Metrics } from '../../src/observability/metrics.js';
import { type RoomId, parseRoomAlias } from '../../src/protocol/index.js';
import { RoomAliases } from '../../src/rooms/room-aliases.js';
import { type TestGateway, startGateway, startNeighbours } from '../support/gateway.js';
import { type Peer, type PeerAnswer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let acme: TestGateway;
let roomId: RoomId;

const ask = (what: string, query: Record<string, string>): Promise<PeerAnswer> =>
  peer.request('GET', ACME, `/_matrix/federation/v1/query/${what}?${new URLSearchParams(query).toString()}`);

const alias = (text: string) => {
  const parsed = parseRoomAlias(text);
  if (parsed === undefined) throw new Error(`${text} is no alias`);
  return parsed;
};

beforeAll(async () => {
  peer = await startPeer('peer.example');
  acme = await startGateway(ACME, { 'peer.example': peerUrl(peer) });
  peer.peers[ACME] = acme.url;
  roomId = await acme.rooms.create({ joinRule: 'public' });
  await peer.join(ACME, roomId);
});

afterAll(async () => {
  await acme.close();
  await peer.close();
});

describe('a profile', () => {
  // proves profile/endpoints/7
  it('is shown to a server in a room with the user, and to no other', async () => {
    const user = { id: 'u1', username: 'ada', displayName: 'Ada Lovelace' };
    const userId = await acme.app.get(UserMappings).ensure({ platform: 'http', workspace: 'acme' }, user);
    const unseen = { status: 404, json: { errcode: 'M_NOT_FOUND' } };
    expect(await ask('profile', { user_id: userId })).toMatchObject(unseen);
    await acme.rooms.ensureJoined(roomId, userId, 'Ada Lovelace');
    expect(await ask('profile', { user_id: userId })).toMatchObject({
      status: 200,
      json: { displayname: 'Ada Lovelace' },
    });
    expect((await ask('profile', { user_id: userId, field: 'displayname' })).json).toEqual({
      displayname: 'Ada Lovelace',
    });
    expect((await ask('profile', { user_id: userId, field: 'avatar_url' })).json).toEqual({});
    expect(await ask('profile', { user_id: '@nobody:acme.example' })).toMatchObject(unseen);
    const avatarUrl = 'https://chat.acme.example/ada.png';
    const mappings = acme.app.get(UserMappings);
    await mappings.ensure({ platform: 'http', workspace: 'acme' }, { ...user, avatarUrl });
    await mappings.ensure({ platform: 'http', workspace: 'acme' }, user); // says nothing of a picture
    expect((await ask('profile', { user_id: userId })).json).toEqual({
      displayname: 'Ada Lovelace',
      avatar_url: avatarUrl,
    });
    expect((await ask('profile', { user_id: userId, field: 'avatar_url' })).json).toEqual({ avatar_url: avatarUrl });
    expect((await ask('profile', { user_id: userId, field: '__proto__' })).json).toEqual({});
  });

  it.each([
    [{}, 'M_MISSING_PARAM'],
    [{ user_id: 'ada' }, 'M_INVALID_PARAM'],
    [{ user_id: '@bob:peer.example' }, 'M_INVALID_PARAM'],
  ])('of %j: %s', async (query, errcode) => {
    expect(await ask('profile', query as Record<string, string>)).toMatchObject({ status: 400, json: { errcode } });
  });
});

describe('a room alias', () => {
  // proves profile/endpoints/7
  it('leads other servers to the room, until it is removed', async () => {
    const aliases = acme.app.get(RoomAliases);
    const fair = alias('#Messe+Fair:acme.example');
    await aliases.set(fair, roomId);
    expect(await ask('directory', { room_alias: fair })).toMatchObject({
      status: 200,
      json: { room_id: roomId, servers: [ACME] },
    });
    expect(await aliases.remove(fair)).toBe(true);
    expect(await aliases.remove(fair)).toBe(false);
    expect((await ask('directory', { room_alias: fair })).status).toBe(404);
  });

  it('of another server is not ours to answer', async () => {
    expect((await ask('directory', { room_alias: '#fair:peer.example' })).json?.errcode).toBe('M_NOT_FOUND');
    expect((await ask('directory', { room_alias: 'fair' })).json?.errcode).toBe('M_INVALID_PARAM');
  });

  it('of another server is asked for there', async () => {
    const [globex, initech] = await startNeighbours('globex.example', 'initech.example');
    const room = await globex.rooms.create({});
    await globex.app.get(RoomAliases).set(alias('#open:globex.example'), room);
    const names = initech.app.get(RoomAliases);
    expect(await names.resolve(alias('#open:globex.example'))).toEqual({ roomId: room, servers: ['globex.example'] });
    await expect(names.resolve(alias('#closed:globex.example'))).rejects.toThrow(/404 M_NOT_FOUND/);
    await globex.close();
    await initech.close();
  });
});

describe('EDUs', () => {
  // proves profile/handshakes/14
  it('of whatever kind do no harm, and those of others’ users are told apart', async () => {
    const edus = [
      { type: 'm.custom', sender: peer.user('peer'), content: {} },
      { type: 'm.typing', sender: peer.user('peer'), content: { room_id: '!none:acme.example', typing: true } },
      { type: 'm.custom', sender: '@eve:other.example', content: {} },
      { edu_type: 'm.typing', content: { user_id: '@eve:other.example' } },
      null,
      'nonsense',
    ];
    const answer = await peer.send(ACME, [], { edus });
    expect(answer).toMatchObject({ status: 200, json: { failed_pdus: {} } });
    const { values } = await acme.app.get(Metrics).edus.get();
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.outcome, value]))).toEqual({
      taken: 1,
      ignored: 1,
      foreign: 1,
      malformed: 3,
    });
  });
});
