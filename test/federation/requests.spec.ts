import { request } from 'node:http';
import { QueryFailedError } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type KeyId,
  type RoomId,
  type UserId,
  createVerifyKey,
  parseServerName,
  verifyObject,
} from '../../src/protocol/index.js';
import { DestinationEntity } from '../../src/persistence/entities/index.js';
import { RoomReader } from '../../src/rooms/room-reader.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const HOUR_MS = 3_600_000;
let peer: Peer;
let other: Peer;
let acme: TestGateway;
let roomId: RoomId;

beforeAll(async () => {
  peer = await startPeer('peer.example', { autoJoin: true });
  other = await startPeer('other.example', { autoJoin: true });
  acme = await startGateway(ACME, { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other) });
  for (const each of [peer, other]) {
    each.peers = { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other), [ACME]: acme.url };
  }
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

const message = (who: Peer, body: string) =>
  who.lpdu({ room_id: roomId, type: 'm.room.message', sender: who.user('peer'), hub: ACME, content: { body } });

const bodies = async (): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu }) => pdu.type === 'm.room.message')
    .map(({ pdu }) => pdu.content.body);

const get = (path: string, headers: Record<string, string> = {}) => fetch(acme.url + path, { headers });

describe('every answer', () => {
  // proves LM-04/transport-requests-responses/2
  it.each([
    ['GET', '/_matrix/key/v2/server'],
    ['GET', '/_matrix/federation/v1/version'],
    ['GET', '/_matrix/federation/v2/event/$x'],
    ['GET', '/nothing'],
    ['DELETE', '/_matrix/key/v2/server'],
    ['POST', '/_matrix/key/v2/query'],
  ])('to %s %s is of the type application/json', async (method, path) => {
    const response = await fetch(acme.url + path, { method });
    expect(response.headers.get('content-type')).toMatch(/^application\/json\b/);
    await response.json();
  });
});

describe('a request of ours', () => {
  // proves LM-04/transport-requests-responses/1
  it('with a body is of the type application/json', async () => {
    await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'typed' } });
    await peer.until(() => peer.received.some(({ pdu }) => pdu.content.body === 'typed'));
    const sent = peer.requests as unknown as { method: string; headers: Record<string, string> }[];
    const types = sent.filter(({ method }) => method !== 'GET').map(({ headers }) => headers['content-type']);
    expect(new Set(types)).toEqual(new Set(['application/json']));
  });
});

describe('a public endpoint', () => {
  // proves LM-04/transport-auth/7
  it.each(['/_matrix/key/v2/server', '/_matrix/key/v2/query/acme.example', '/_matrix/federation/v1/version'])(
    '%s ignores the Authorization header',
    async (path) => {
      const authorization = 'X-Matrix origin="10.0.0.1",destination="nobody.example",key="ed25519:x",sig="AAAA"';
      expect((await get(path, { authorization })).status).toBe(200);
    },
  );
});

describe('our keys', () => {
  // proves LM-04/transport-keys-validity/2; LM-04/api-self-key/1, 2, 3, 5; profile/endpoints/2
  it('are valid for 12 hours, of our name, said to be linearized, and signed by each of them', async () => {
    const keys = (await (await get('/_matrix/key/v2/server')).json()) as Record<string, unknown>;
    expect(keys).toMatchObject({ server_name: ACME, 'm.linearized': true });
    expect(Number(keys.valid_until_ts) - Date.now()).toBeGreaterThan(11.9 * HOUR_MS);
    expect(Number(keys.valid_until_ts) - Date.now()).toBeLessThan(12.1 * HOUR_MS);
    const current = Object.entries(keys.verify_keys as Record<KeyId, { key: string }>);
    expect(current.length).toBeGreaterThan(0);
    for (const [keyId, { key }] of current) {
      const name = parseServerName(ACME);
      const verifyKey = createVerifyKey(key);
      if (name === undefined || verifyKey === undefined) throw new Error(`${key} is no key`);
      expect(verifyObject(keys as never, name, new Map([[keyId, verifyKey]]))).toBe(true);
    }
  });
});

describe('a name', () => {
  // proves LM-04/server-names/5; LM-04/room-id/2; LM-04/user-id/2
  it('in another case is another server, room or user', async () => {
    const path = peer.path('event', '$x');
    const sign = peer as unknown as { authHeader(method: string, uri: string, destination: string): string };
    const authorization = sign.authHeader('GET', path, 'Acme.Example');
    expect((await get(path, { authorization })).status).toBe(401);
    const pdus = [
      { ...message(peer, 'a'), sender: '@peer:Peer.example' },
      { ...message(peer, 'b'), sender: '@Peer:peer.example' },
      { ...message(peer, 'c'), room_id: roomId.replace(/[a-z]/, (letter) => letter.toUpperCase()) },
      { ...message(peer, 'd'), hub_server: 'ACME.example' },
    ];
    const failed = (await peer.send(ACME, pdus)).json?.failed_pdus as Record<string, { error: string }>;
    const reasons = await Promise.all(pdus.map(async (pdu) => failed[await idOf(pdu)]?.error));
    expect(reasons).toEqual([
      expect.stringMatching(/not a user of peer\.example/),
      expect.stringMatching(/no user id/),
      expect.stringMatching(/not known here/),
      expect.stringMatching(/hub_server is ACME/),
    ]);
  });
});

describe('a transaction', () => {
  // proves LM-04/txn-ids/1
  it('of the same id is another one for another origin, another endpoint and another body', async () => {
    const ask = (who: Peer, endpoint: string, body: unknown): Promise<PeerAnswer> =>
      who.request(endpoint === 'send' ? 'PUT' : 'POST', ACME, who.path(endpoint, 'same-id'), body);
    expect((await ask(peer, 'send', { pdus: [message(peer, 'one')] })).status).toBe(200);
    expect((await ask(other, 'send', { pdus: [message(other, 'two')] })).status).toBe(200);
    expect((await ask(peer, 'send_leave', {})).status).toBe(400);
    expect((await ask(peer, 'send', { pdus: [message(peer, 'three')] })).status).toBe(200);
    expect(await bodies()).toEqual(expect.arrayContaining(['one', 'two', 'three']));
  });

  // proves LM-04/api-send-txn/6; LM-04/txn-ids/2; profile/handshakes/5
  it('that comes while another of its origin is under way is processed after it, and both are answered', async () => {
    const reader = acme.app.get(RoomReader);
    const room = reader.room.bind(reader);
    let second: Promise<PeerAnswer> | undefined;
    vi.spyOn(reader, 'room').mockImplementationOnce(async (id) => {
      second = peer.send(ACME, [message(peer, 'second')]);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return room(id);
    });
    const first = await peer.send(ACME, [message(peer, 'first')]);
    expect([first.status, (await second)?.status]).toEqual([200, 200]);
    expect((await bodies()).filter((body) => body === 'first' || body === 'second')).toEqual(['first', 'second']);
  });

  // proves LM-04/txn-ids/2
  it('is answered as the first time, though it would fare otherwise now', async () => {
    const late = peer.lpdu({
      room_id: roomId,
      type: 'm.room.message',
      sender: peer.user('late'),
      hub: ACME,
      content: { body: 'too early' },
    });
    const first = await peer.send(ACME, [late], { txnId: 'too-early' });
    expect(Object.values(first.json?.failed_pdus as object)).toHaveLength(1);
    await acme.rooms.invite(roomId, peer.user('late') as UserId);
    await peer.join(ACME, roomId, peer.user('late'));
    expect((await peer.send(ACME, [late], { txnId: 'too-early' })).text).toBe(first.text);
    expect(await bodies()).not.toContain('too early');
    expect((await peer.send(ACME, [late], { txnId: 'in-time' })).json).toEqual({ failed_pdus: {} });
    expect(await bodies()).toContain('too early');
  });

  // proves LM-04/api-send-txn/3
  it('is answered when what it holds is in the room, and not before', async () => {
    await peer.send(ACME, [message(peer, 'committed')]);
    expect(await bodies()).toContain('committed');
  });

  // proves LM-04/api-send-txn/4; profile/handshakes/8
  it('is answered while another server does not take what it holds', async () => {
    const head = (await acme.reader.eventsAfter(roomId, -1, 1_000)).at(-1)?.eventId;
    await other.until(() => other.received.some(({ id }) => id === head));
    other.faults.add('hang:1@send');
    await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'hangs there' } });
    await other.until(() => other.received.some(({ pdu }) => pdu.content.body === 'hangs there'));
    expect((await peer.send(ACME, [message(peer, 'not held up')])).status).toBe(200);
    expect(await bodies()).toContain('not held up');
    expect(other.received.some(({ pdu }) => pdu.content.body === 'not held up')).toBe(false);
  });

  // proves LM-04/api-send-txn/7, 8
  it('whose sender has hung up is processed all the same, and once when it is repeated', async () => {
    const pdus = [message(peer, 'hung up')];
    const path = peer.path('send', 'hung-up');
    const sign = peer as unknown as { authHeader(...args: unknown[]): string };
    const headers = { authorization: sign.authHeader('PUT', path, ACME, { pdus }), 'content-type': 'application/json' };
    const reader = acme.app.get(RoomReader);
    const room = reader.room.bind(reader);
    const outgoing = request(acme.url + path, { method: 'PUT', headers }).on('error', () => undefined);
    vi.spyOn(reader, 'room').mockImplementationOnce(async (id) => {
      outgoing.destroy();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return room(id);
    });
    outgoing.end(JSON.stringify({ pdus }));
    await until('it is in the room', async () => (await bodies()).includes('hung up'));
    expect(await peer.send(ACME, pdus, { txnId: 'hung-up' })).toMatchObject({ status: 200, json: { failed_pdus: {} } });
    expect((await bodies()).filter((body) => body === 'hung up')).toHaveLength(1);
  });

  // proves LM-04/transport-errors/2
  it('over which this server itself fails is answered 500 M_UNKNOWN, without a word of why', async () => {
    vi.spyOn(acme.app.get(RoomReader), 'room').mockRejectedValueOnce(new Error('SQLITE_FULL: secret detail'));
    const answer = await peer.send(ACME, [message(peer, 'failing')]);
    expect(answer).toMatchObject({ status: 500, json: { errcode: 'M_UNKNOWN' } });
    expect(answer.text).not.toContain('secret');
  });

  it('while the database cannot be used is answered 503, with when to come back', async () => {
    const full = Object.assign(new Error('database or disk is full: secret detail'), { code: 'SQLITE_FULL' });
    vi.spyOn(acme.app.get(RoomReader), 'room').mockRejectedValueOnce(new QueryFailedError('INSERT', [], full));
    const answer = await peer.send(ACME, [message(peer, 'failing')]);
    expect(answer).toMatchObject({ status: 503, json: { errcode: 'M_UNKNOWN', retry_after_ms: 5_000 } });
    expect(answer.text).not.toContain('secret');
  });
});

describe('a server that we were told to leave alone', () => {
  // proves profile/handshakes/13
  it('gets what waits for it as soon as it is heard from, and the same transaction', async () => {
    peer.faults.add('429=3600000:1@send');
    await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'patience' } });
    const ids = (): unknown[] =>
      (peer.requests as unknown as { endpoint: string; text: string; args: string[] }[])
        .filter(({ endpoint, text }) => endpoint === 'send' && text.includes('patience'))
        .map(({ args }) => args[0]);
    await peer.until(() => ids().length === 1);
    await until('it is left alone', async () => {
      const row = await acme.database.read.findOneBy(DestinationEntity, { server: 'peer.example' as never });
      return (row?.nextAttemptAt ?? 0) > Date.now() + HOUR_MS / 2;
    });
    expect(peer.received.some(({ pdu }) => pdu.content.body === 'patience')).toBe(false);
    // Not at once: a server that has just failed does not make us try with each of its requests.
    await until('it has got it', async () => {
      expect((await peer.request('GET', ACME, peer.path('event', '$x'))).status).toBe(404);
      return peer.received.some(({ pdu }) => pdu.content.body === 'patience');
    });
    expect(new Set(ids()).size).toBe(1);
    expect(ids()).toHaveLength(2);
  });
});
