import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FederationController } from '../../src/federation/edge/call.js';
import { FEDERATION_CONTROLLERS } from '../../src/federation/edge/federation-server.js';
import { Media } from '../../src/media/media.js';
import { UserMappings } from '../../src/mapping/user-mappings.js';
import { type RoomId, type UserId, parseRoomAlias } from '../../src/protocol/index.js';
import { RoomAliases } from '../../src/rooms/room-aliases.js';
import { type Exchange, FederationDocument } from '../support/federation-document.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, idOf, peerUrl, startPeer } from '../support/peer.js';
import { vectors } from './vectors.js';

/** What a peer tells of a request to it. */
interface PeerRequest {
  method: string;
  path: string;
  body: unknown;
  answer: { status: number; body: unknown };
}

const ACME = 'acme.example';
const document = new FederationDocument();

describe('the document of the federation API', () => {
  it('has schemas that are schemas, and no reference that leads nowhere', () => {
    document.compileAll();
  });

  // proves LM-04/transport-requests-responses/5; profile/endpoints/1, 7
  it('has exactly the routes that are served, their names, and which of them are public or limited in rate', async () => {
    const gateway = await startGateway(ACME, {}, { env: { CAUSEWAY_FEDERATION_WELL_KNOWN: 'fed.acme.example:443' } });
    const served = gateway.app
      .get<FederationController[]>(FEDERATION_CONTROLLERS)
      .flatMap((controller) => controller.routes())
      .flatMap(({ method, paths, endpoint, public: open, rateLimited }) =>
        paths.map((path) =>
          [method, path, endpoint, ...(open ? ['public'] : []), ...(rateLimited ? ['limited'] : [])].join(' '),
        ),
      );
    await gateway.close();
    expect(document.routes().sort()).toEqual(served.sort());
  });
});

describe('what other servers asked and answered', () => {
  const FILES = ['01-key-fetch', '02-invite', '03-make-join', '04-send-join', '05-send-lpdu', '06-send-pdu', '07-read'];
  const DEVIATIONS = new Map([
    // A dual-stack server sends a whole PDU where an LPDU belongs, which is refused here.
    ['04-send-join dual-stack-joins-reference-hub', "request must have required property 'hub_server'"],
    // The reference server misspells the key.
    ['07-read state-ids', "200 must have required property 'pdu_ids'"],
  ]);
  const exchanges = FILES.flatMap((file) =>
    vectors<{ exchanges: (Exchange & { id: string })[] }>(`wire/${file}.json`).exchanges.map((exchange) => ({
      name: `${file} ${exchange.id}`,
      exchange,
    })),
  );

  it.each(exchanges)('$name is as the document says, or deviates as we know', ({ name, exchange }) => {
    const deviation = DEVIATIONS.get(name);
    const faults = document.faults(exchange);
    if (deviation === undefined) expect(faults).toEqual([]);
    else expect(faults).toContain(deviation);
  });
});

describe('what a running gateway asks and answers', () => {
  let peer: Peer;
  let acme: TestGateway;
  const exchanges: Exchange[] = [];

  beforeAll(async () => {
    peer = await startPeer('peer.example', { autoJoin: true });
    const env = { CAUSEWAY_FEDERATION_WELL_KNOWN: 'fed.acme.example:443' };
    acme = await startGateway(ACME, { 'peer.example': peerUrl(peer) }, { env });
    peer.peers[ACME] = acme.url;
    const ask = peer.request.bind(peer);
    vi.spyOn(peer, 'request').mockImplementation(async (method, destination, path, body, options) => {
      const answer = await ask(method, destination, path, body, options);
      exchanges.push({ method, path, request: body, status: answer.status, response: answer.json });
      return answer;
    });
    peer.on('request', ({ method, path, body, answer }: PeerRequest) => {
      exchanges.push({ method, path, request: body, status: answer.status, response: answer.body });
    });
    await converse();
  });

  afterAll(async () => {
    await acme.close();
    await peer.close();
  });

  const get = (path: string): Promise<PeerAnswer> => peer.request('GET', ACME, path);
  const v1 = '/_matrix/federation/v1';

  /** Every endpoint once, with and without success, as hub and as participant. */
  async function converse(): Promise<void> {
    const roomId = await acme.rooms.create({ joinRule: 'knock', name: 'Fair' });
    const room = encodeURIComponent(roomId);
    await peer.knock(ACME, roomId, peer.user('carol'));
    await peer.leave(roomId, peer.user('carol'), ACME);
    await acme.rooms.invite(roomId, peer.user('peer') as UserId);
    await until('the peer has joined', () => acme.reader.hasJoinedUser(roomId, 'peer.example' as never));
    await peer.say(roomId, 'hello');
    await peer.send(ACME, [peer.lpdu({ room_id: roomId, type: 'm.x', sender: '@x:y', hub: ACME, content: {} })]);
    await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'hi' } });
    await peer.until(() => peer.received.some(({ pdu }) => pdu.content.body === 'hi'));
    const eventId = encodeURIComponent(await idOf(peer.received.at(-1)?.pdu));
    for (const path of [
      '/_matrix/key/v2/server',
      '/_matrix/key/v2/query/peer.example',
      '/_matrix/key/v2/query/peer.example?minimum_valid_until_ts=1',
      '/.well-known/matrix/server',
      `${v1}/version`,
      peer.path('event', eventId),
      `/_matrix/federation/v2/event/${eventId}`,
      peer.path('backfill', `${room}?v=${eventId}&limit=5`),
      `${v1}/state/${room}?event_id=${eventId}`,
      `${v1}/state_ids/${room}?event_id=${eventId}`,
      `${v1}/event_auth/${room}/${eventId}`,
      peer.path('event', '$unknown'),
    ]) {
      await get(path);
    }
    const file = { stream: Readable.from(['x']), mimeType: 'text/plain', name: 'x.txt' };
    const { mxc } = await acme.app.get(Media).keep('k', roomId, () => Promise.resolve(file));
    await get(`${v1}/media/download/${mxc.split('/').at(-1) ?? ''}`);
    await get(`${v1}/media/download/nothing`);
    await peer.request('POST', ACME, '/_matrix/key/v2/query', { server_keys: { 'peer.example': {} } });
    const ada = await nativeUser(roomId);
    await get(`${v1}/query/profile?user_id=${encodeURIComponent(ada)}`);
    await get(`${v1}/query/directory?room_alias=${encodeURIComponent('#fair:acme.example')}`);
    const { invited, ours } = await inviteThroughUs(roomId);
    await peer.request('POST', ACME, peer.path('invite', 'refused'), { event: invited, room_version: '9' });
    await peer.leave(roomId, peer.user('peer'), ACME);
    const theirs = await peer.createRoom({ joinRule: 'invite' });
    await (theirs as unknown as { invite(userId: string): Promise<unknown> }).invite(ours);
    await acme.rooms.join(theirs.roomId);
    await peer.say(theirs.roomId, 'welcome');
    await acme.rooms.send({ roomId: theirs.roomId, sender: ours, type: 'm.room.message', content: { body: 'thanks' } });
    await until('the thanks', () => theirs.timeline.length > 7);
  }

  async function nativeUser(roomId: RoomId): Promise<UserId> {
    const user = { id: 'u1', username: 'ada', displayName: 'Ada Lovelace' };
    const userId = await acme.app.get(UserMappings).ensure({ platform: 'http', workspace: 'acme' }, user);
    await acme.rooms.ensureJoined(roomId, userId, 'Ada Lovelace');
    const alias = parseRoomAlias('#fair:acme.example');
    if (alias !== undefined) await acme.app.get(RoomAliases).set(alias, roomId);
    return userId;
  }

  /** A participant's user invites one of the participant's own server, through the hub. */
  async function inviteThroughUs(roomId: RoomId) {
    const content = { membership: 'invite' };
    const fields = { room_id: roomId, type: 'm.room.member', sender: peer.user('peer'), hub: ACME, content };
    const invited = peer.lpdu({ ...fields, state_key: peer.user('dave') });
    const body = { event: invited, invite_room_state: [], room_version: 'I.1' };
    await peer.request('POST', ACME, peer.path('invite', 'through-us'), body);
    return { invited, ours: acme.rooms.bot };
  }

  // proves LM-04/stripped-state/2, 3; LM-04/transport-errors/1; profile/endpoints/6
  it('is as the document says, in every exchange', () => {
    const wrong = exchanges.flatMap((exchange) => {
      const faults = document.faults(exchange);
      return faults.length === 0 ? [] : [`${exchange.method} ${exchange.path} ${String(exchange.status)}`, ...faults];
    });
    expect(wrong).toEqual([]);
  });

  it('is of every endpoint, with an answer of 200', () => {
    const answered = exchanges.filter(({ status }) => status === 200).map((each) => document.endpointOf(each));
    const all = document.routes().map((route) => route.replace(/^(\w+) \S+ (\S+).*$/, '$1 $2'));
    expect([...new Set(answered)].sort()).toEqual([...new Set(all)].sort());
  });
});
