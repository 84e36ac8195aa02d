import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, RoomId, UserId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let other: Peer;
let acme: TestGateway;
let roomId: RoomId;

beforeAll(async () => {
  peer = await startPeer('peer.example', { autoJoin: true });
  other = await startPeer('other.example', { autoJoin: true });
  const peers = { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other) };
  acme = await startGateway(ACME, peers, { env: { CAUSEWAY_FEDERATION_DENY: 'denied.example' } });
  for (const each of [peer, other]) each.peers = { ...peers, [ACME]: acme.url };
  roomId = await acme.rooms.create({});
  for (const each of [peer, other]) await acme.rooms.invite(roomId, each.user('peer') as UserId);
  await until('both have joined', async () =>
    (await acme.reader.members(roomId)).every(({ membership }) => membership === 'join'),
  );
});

afterAll(async () => {
  await acme.close();
  await peer.close();
  await other.close();
});

const message = (fields: JsonObject = {}, fault?: JsonObject): JsonObject =>
  peer.lpdu(
    {
      room_id: roomId,
      type: 'm.room.message',
      sender: peer.user('peer'),
      hub: ACME,
      content: { msgtype: 'm.text', body: `m${String(Math.random())}` },
      ...fields,
    },
    fault,
  );

function nested(depth: number): JsonObject {
  let value: JsonObject = {};
  for (let level = 1; level < depth; level++) value = { a: value };
  return value;
}

const logLength = async (): Promise<number> => (await acme.reader.eventsAfter(roomId, -1, 1_000)).length;

async function failures(pdus: unknown[]): Promise<(string | undefined)[]> {
  const answer = await peer.send(ACME, pdus);
  expect(answer.status).toBe(200);
  const failed = answer.json?.failed_pdus as Record<string, { error: string }>;
  return Promise.all(pdus.map(async (pdu) => failed[await idOf(pdu)]?.error));
}

/** Sends what no client would. */
function rawRequest(
  method: string,
  path: string,
  headers: Record<string, string | string[]>,
  body?: string,
): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const url = new URL(acme.url);
    const outgoing = request({ host: url.hostname, port: url.port, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text, json: JSON.parse(text) as JsonObject });
      });
    });
    outgoing.on('error', reject).end(body);
  });
}

describe('an event that is not right', () => {
  // proves LM-04/api-send-txn/9, 11; LM-04/auth-rules-algorithm/1, 2; LM-04/lpdu/1; LM-04/pdu/2, 3, 6, 11
  // proves LM-04/receiving-events/2, 3; profile/endpoints/3; profile/events/1, 10, 11, 12
  it.each([
    ['with a wrong signature', () => message({}, { 'bad-signature': true }), /no good signature of peer\.example/],
    ['with a wrong hash', () => message({}, { 'bad-hash': true }), /hash/],
    ['of a user of another server', () => message({ sender: '@peer:other.example' }), /not a user of peer\.example/],
    ['of one of our own users', () => message({ sender: acme.rooms.bot }), /not a user of peer\.example/],
    ['for another hub', () => message({ hub: 'other.example' }), /hub_server is other\.example/],
    ['of an unknown room', () => message({ room_id: '!nowhere:acme.example' }), /not known here/],
    ['of somebody who is not in the room', () => message({ sender: peer.user('stranger') }), /./],
    ['that names a previous event', () => ({ ...message(), prev_events: ['$a'], auth_events: [] }), /prev_events/],
    ['without hub_server', () => ({ ...message(), hub_server: undefined }), /hub_server is missing/],
    ['without a time', () => message({ ts: 'now' }), /origin_server_ts/],
    ['with a type of 300 bytes', () => message({ type: 'x'.repeat(300) }), /type/],
    ['with U+0000 in its type', () => message({ type: 'a\u0000' }), /type/],
    ['nested deeper than what carries it allows', () => message({ content: nested(92) }), /nested too deep/],
    ['larger than 65536 bytes', () => message({ content: { body: 'x'.repeat(66_000) } }), /65536/],
    ['with a room id that is none', () => message({ room_id: 'nowhere' }), /room_id/],
  ])('%s is refused alone, and its neighbours are taken', async (_what, make, reason) => {
    const before = await logLength();
    const [first, bad, last] = await failures([message(), make(), message()]);
    expect([first, last]).toEqual([undefined, undefined]);
    expect(bad).toMatch(reason);
    expect(await logLength()).toBe(before + 2);
  });

  // proves LM-04/api-send-txn/10; profile/events/18
  it('with a float in it is refused alone', async () => {
    const good = message();
    const bad = message({ content: { body: 'x', n: 1.5 } });
    const answer = await peer.send(ACME, [good, bad]);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.json?.failed_pdus as object)).toEqual([await idOf(bad)]);
  });

  it('with a key twice in it is refused alone', async () => {
    const [good, bad] = [message(), message()];
    const raw = JSON.stringify({ pdus: [bad, good] }).replace(
      '{"room_id"',
      '{"room_id":"!first:acme.example","room_id"',
    );
    const path = peer.path('send', 'a-key-twice');
    const answer = await peer.request('PUT', ACME, path, { pdus: [bad, good] }, { raw });
    expect(answer.json).toEqual({ failed_pdus: { [await idOf(bad)]: { error: 'duplicate key' } } });
  });

  it('that came alone and deep is refused, because a transaction could not carry it on', async () => {
    const join = peer.lpdu({
      room_id: roomId,
      type: 'm.room.member',
      state_key: peer.user('peer'),
      sender: peer.user('peer'),
      hub: ACME,
      content: { membership: 'join', deep: nested(95) },
    });
    const answer = await peer.request('POST', ACME, peer.path('send_join', 'deep'), join);
    expect([answer.status, answer.json?.errcode]).toEqual([400, 'M_BAD_JSON']);
  });

  // proves LM-04/room-versions/6
  it.each([[null], [1], ['text'], [[]], [{}], [{ room_id: 5 }]])('that is %j is refused alone', async (nothing) => {
    const answer = await peer.send(ACME, [message(), nothing]);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.json?.failed_pdus as object)).toHaveLength(1);
  });

  it('sent again, alone or in another transaction, is appended once', async () => {
    const before = await logLength();
    const one = message();
    expect(await failures([one, one])).toEqual([undefined, undefined]);
    expect(await failures([one])).toEqual([undefined]);
    expect(await logLength()).toBe(before + 1);
  });

  // proves LM-04/api-send-txn/8; LM-04/txn-ids/2
  it('is answered the same when its transaction is repeated, and processed once', async () => {
    const before = await logLength();
    const pdus = [message(), message({}, { 'bad-signature': true })];
    const answers = await Promise.all([1, 2, 3].map(() => peer.send(ACME, pdus, { txnId: 'repeated' })));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await logLength()).toBe(before + 1);
  });
});

describe('a transaction that is not right', () => {
  const send = (body: unknown, raw?: string): Promise<PeerAnswer> =>
    peer.request('PUT', ACME, peer.path('send', `t${String(Math.random())}`), body, raw === undefined ? {} : { raw });

  // proves LM-04/api-send-txn/2; LM-04/malformed-requests/2
  it.each([
    ['no object', []],
    ['without pdus', {}],
    ['with 51 pdus', { pdus: Array.from({ length: 51 }, () => ({})) }],
    ['with 101 edus', { pdus: [], edus: Array.from({ length: 101 }, () => ({})) }],
    ['with pdus that are no array', { pdus: {} }],
  ])('%s: M_BAD_JSON', async (_what, body) => {
    expect(await send(body)).toMatchObject({ status: 400, json: { errcode: 'M_BAD_JSON' } });
  });

  // proves LM-04/malformed-requests/1
  it.each([['{"pdus":['], ['not json'], ['{"pdus":[]}x'], ['\u0000'], ['['.repeat(100_000)]])(
    'of garbage %#: M_NOT_JSON',
    async (raw) => {
      expect(await send({ pdus: [] }, raw)).toMatchObject({ status: 400, json: { errcode: 'M_NOT_JSON' } });
    },
  );

  it('with a key twice: M_BAD_JSON, because two parsers would read it differently', async () => {
    const raw = '{"pdus":[],"edus":[],"edus":[]}';
    expect(await send({ pdus: [], edus: [] }, raw)).toMatchObject({ status: 400, json: { errcode: 'M_BAD_JSON' } });
  });

  // proves LM-04/transport-errors/1
  it('larger than any transaction: M_TOO_LARGE', async () => {
    const raw = `{"pdus":[],"x":"${'x'.repeat(9_000_000)}"}`;
    expect(await send({}, raw)).toMatchObject({ status: 413, json: { errcode: 'M_TOO_LARGE' } });
  });

  it('with __proto__ in it is authenticated as it was received', async () => {
    const raw = '{"pdus":[],"__proto__":{"x":1}}';
    expect(await send(JSON.parse(raw), raw)).toMatchObject({ status: 200 });
  });
});

describe('a request that is not authenticated', () => {
  const path = (): string => peer.path('event', '$abc');
  const header = (fields: Record<string, string>): string =>
    `X-Matrix ${Object.entries({
      origin: 'peer.example',
      destination: ACME,
      key: peer.key.keyId,
      sig: 'AAAA',
      ...fields,
    })
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}="${value}"`)
      .join(',')}`;

  // proves LM-04/transport-auth/5, 6; profile/requests/3
  it.each([
    ['no header', () => ({})],
    ['another scheme', () => ({ authorization: 'Bearer x' })],
    ['a wrong signature', () => ({ authorization: header({}) })],
    ['no destination', () => ({ authorization: header({ destination: '' }) })],
    ['another destination', () => ({ authorization: header({ destination: 'other.example' }) })],
    ['an unknown key', () => ({ authorization: header({ key: 'ed25519:nokey' }) })],
    ['an origin that is no server name', () => ({ authorization: header({ origin: '10.0.0.1' }) })],
    ['ourselves as origin', () => ({ authorization: header({ origin: ACME }) })],
    ['garbage', () => ({ authorization: `X-Matrix ${'a=b,'.repeat(500)}` })],
  ])('has %s: 401 M_FORBIDDEN', async (_what, headers) => {
    expect(await rawRequest('GET', path(), headers())).toMatchObject({ status: 401, json: { errcode: 'M_FORBIDDEN' } });
  });

  // proves LM-04/transport-auth/5; profile/requests/4
  it('has two headers, of which one does not verify: 401', async () => {
    const good = (peer as unknown as { authHeader(...args: string[]): string }).authHeader('GET', path(), ACME);
    expect(await rawRequest('GET', path(), { authorization: [good] })).toMatchObject({ status: 404 });
    expect(await rawRequest('GET', path(), { authorization: [good, header({})] })).toMatchObject({ status: 401 });
  });

  it('is of a server that the operator denies: 403', async () => {
    const answer = await rawRequest('GET', path(), { authorization: header({ origin: 'denied.example' }) });
    expect(answer).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
  });

  // proves LM-04/transport-auth/1
  it('was signed for another path or body: 401', async () => {
    const good = (peer as unknown as { authHeader(...args: unknown[]): string }).authHeader('GET', path(), ACME);
    const elsewhere = await rawRequest('GET', peer.path('event', '$other'), { authorization: good });
    expect(elsewhere.status).toBe(401);
  });
});

describe('a request for what is not there', () => {
  // proves LM-04/transport-requests-responses/4; LM-04/unknown-endpoints/1; profile/endpoints/6; profile/requests/7
  it.each([
    ['GET', '/', 404],
    ['GET', '/_matrix/federation/v9/send/1', 404],
    ['GET', '/_matrix/key/v2/server/', 404],
    ['POST', '/_matrix/key/v2/server', 405],
    ['DELETE', '/_matrix/federation/v2/send/1', 405],
    ['GET', `/_matrix/federation/v2/event/${'x'.repeat(5_000)}`, 404],
    ['GET', '/_matrix/federation/v2/event/%zz', 400],
    ['GET', '/_causeway/v1/status', 404],
    ['GET', '/metrics', 404],
  ])('%s %s is answered in the form of the protocol', async (method, path, status) => {
    const answer = await rawRequest(method, path, {});
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({ errcode: expect.any(String) as string, error: expect.any(String) as string });
  });

  // proves LM-04/api-make-join/3; LM-04/transport-errors/1
  it.each([
    [
      'make_join',
      () => `make_join/${encodeURIComponent('!no:acme.example')}/${encodeURIComponent(peer.user('x'))}?ver=I.1`,
      404,
      'M_NOT_FOUND',
    ],
    [
      'make_join of another server’s user',
      () => `make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(other.user('x'))}?ver=I.1`,
      403,
      'M_FORBIDDEN',
    ],
    [
      'make_join without our version',
      () => `make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(peer.user('x'))}?ver=9`,
      400,
      'M_INCOMPATIBLE_ROOM_VERSION',
    ],
    [
      'make_join uninvited',
      () =>
        `make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(peer.user('x'))}?ver=org.matrix.i-d.ralston-mimi-linearized-matrix.02`,
      403,
      'M_FORBIDDEN',
    ],
    [
      'make_leave of nobody',
      () => `make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(peer.user('x'))}`,
      403,
      'M_FORBIDDEN',
    ],
    ['state without an event', () => `state/${encodeURIComponent(roomId)}`, 400, 'M_MISSING_PARAM'],
    ['state at an unknown event', () => `state/${encodeURIComponent(roomId)}?event_id=%24none`, 404, 'M_NOT_FOUND'],
    ['a room id that is none', () => `state/nowhere?event_id=%24none`, 400, 'M_INVALID_PARAM'],
  ])('%s', async (_what, rest, status, errcode) => {
    const answer = await peer.request('GET', ACME, `/_matrix/federation/v1/${rest()}`);
    expect(answer).toMatchObject({ status, json: { errcode } });
  });

  // proves LM-04/malformed-requests/2
  it.each(['send_join', 'send_leave', 'invite'])('%s with a body that is no event: 400', async (endpoint) => {
    for (const body of [
      {},
      [],
      { event: 5 },
      { room_id: roomId },
      { event: { room_id: roomId }, room_version: 'I.1' },
    ]) {
      const answer = await peer.request('POST', ACME, peer.path(endpoint, `t${String(Math.random())}`), body);
      expect(answer.status).toBe(400);
      expect(answer.json?.errcode).toMatch(/^M_/);
    }
  });
});
