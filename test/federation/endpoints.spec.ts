import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RoomId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway } from '../support/gateway.js';
import { type Peer, type PeerAnswer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const V = '/_matrix/federation';
const U = `${V}/unstable/org.matrix.i-d.ralston-mimi-linearized-matrix.02`;
let peer: Peer;
let other: Peer;
let acme: TestGateway;
let modest: TestGateway;
/** acme is the hub of one, peer of the other. */
let ours: RoomId;
let theirs: RoomId;
let head: string;

interface Endpoint {
  method: 'GET' | 'PUT' | 'POST';
  /** ROOM, USER, EVENT and TXN stand for such. */
  paths: string[];
  open?: boolean;
  limited?: boolean;
  /** What the draft says to whom is not the hub. */
  hubAlone?: boolean;
  /** The largest body, in bytes. */
  body?: number;
}

const MIB = 1024 * 1024;
const make = (what: string): Endpoint => ({
  method: 'GET',
  paths: [`${V}/v1/make_${what}/ROOM/USER?ver=I.1`],
  limited: true,
  hubAlone: true,
});
const handshake = (what: string): Endpoint => ({
  method: 'POST',
  paths: [`${V}/v3/send_${what}/TXN`, `${U}/send_${what}/TXN`],
  limited: true,
  body: MIB,
});
/** LM-04 §Transport, with the unstable paths of its implementation notes, and profile §4. */
const ENDPOINTS: Endpoint[] = [
  { method: 'GET', paths: ['/_matrix/key/v2/server'], open: true },
  { method: 'GET', paths: ['/_matrix/key/v2/query/peer.example'], open: true },
  { method: 'POST', paths: ['/_matrix/key/v2/query'], open: true, body: MIB / 4 },
  { method: 'GET', paths: [`${V}/v1/version`], open: true },
  { method: 'GET', paths: ['/.well-known/matrix/server'], open: true },
  { method: 'PUT', paths: [`${V}/v2/send/TXN`, `${U}/send/TXN`], body: 8 * MIB },
  { method: 'GET', paths: [`${V}/v2/event/EVENT`, `${U}/event/EVENT`], limited: true },
  { method: 'GET', paths: [`${V}/v1/state/ROOM?event_id=EVENT`], limited: true, hubAlone: true },
  { method: 'GET', paths: [`${V}/v1/state_ids/ROOM?event_id=EVENT`], limited: true, hubAlone: true },
  {
    method: 'GET',
    paths: [`${V}/v2/backfill/ROOM?v=EVENT&limit=5`, `${U}/backfill/ROOM?v=EVENT&limit=5`],
    limited: true,
  },
  { method: 'GET', paths: [`${V}/v1/event_auth/ROOM/EVENT`], limited: true },
  { method: 'POST', paths: [`${V}/v3/invite/TXN`, `${U}/invite/TXN`], limited: true, body: MIB },
  make('join'),
  make('leave'),
  make('knock'),
  handshake('join'),
  handshake('leave'),
  handshake('knock'),
  { method: 'GET', paths: [`${V}/v1/query/profile?user_id=USER`], limited: true },
  { method: 'GET', paths: [`${V}/v1/query/directory?room_alias=ALIAS`], limited: true },
  { method: 'GET', paths: [`${V}/v1/media/download/MEDIA`], limited: true },
];
const EACH = ENDPOINTS.flatMap((endpoint) =>
  endpoint.paths.map((path): [string, string, Endpoint] => [endpoint.method, path, endpoint]),
);
const only = (condition: (endpoint: Endpoint) => unknown) => EACH.filter(([, , endpoint]) => condition(endpoint));

beforeAll(async () => {
  peer = await startPeer('peer.example');
  other = await startPeer('other.example');
  const peers = { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other) };
  const env = { CAUSEWAY_FEDERATION_WELL_KNOWN: 'acme.example:443' };
  acme = await startGateway(ACME, peers, { env });
  modest = await startGateway('modest.example', peers, { env: { ...env, CAUSEWAY_FEDERATION_RATE_LIMIT: '1' } });
  for (const each of [peer, other]) each.peers = { ...peers, [ACME]: acme.url, 'modest.example': modest.url };
  ours = await acme.rooms.create({ joinRule: 'public' });
  await peer.join(ACME, ours);
  ({ roomId: theirs } = await peer.createRoom({ joinRule: 'public' }));
  await acme.rooms.join(theirs);
  head = (await acme.reader.eventsAfter(ours, -1, 100)).at(-1)?.eventId ?? '';
});

afterAll(async () => {
  await acme.close();
  await modest.close();
  await peer.close();
  await other.close();
});

let transactions = 0;
function filled(path: string, { room = ours, event = head }: { room?: string; event?: string } = {}): string {
  return path
    .replace('ROOM', encodeURIComponent(room))
    .replace('EVENT', encodeURIComponent(event))
    .replace('USER', encodeURIComponent(peer.user('peer')))
    .replace('ALIAS', encodeURIComponent('#fair:acme.example'))
    .replace('TXN', `t${String(transactions++)}`);
}

const ask = (method: string, path: string, body?: unknown, raw?: string): Promise<PeerAnswer> =>
  peer.request(method, ACME, path, body, raw === undefined ? {} : { raw });
const errorOf = (errcode: string) => ({ errcode, error: expect.any(String) as string });

describe('every endpoint', () => {
  it.each(EACH)('%s %s is there, and answers in JSON', async (method, path, { open }) => {
    const url = acme.url + filled(path);
    const response = await fetch(url, { method, ...(method === 'GET' ? {} : { body: '{}' }) });
    expect(response.headers.get('content-type')).toBe('application/json');
    const json = (await response.json()) as { errcode?: string };
    expect(json.errcode).not.toBe('M_UNRECOGNIZED');
    if (!open) expect([response.status, json.errcode]).toEqual([401, 'M_FORBIDDEN']);
  });

  it.each(EACH)('%s %s has no trailing slash, no double one, and no other method', async (method, path) => {
    const [plain = '', query] = filled(path).split('?');
    const rest = query === undefined ? '' : `?${query}`;
    // A slash behind a parameter makes another path; where another endpoint would have it, it is not ours.
    for (const wrong of [`${plain}/${rest}`, `/${plain}${rest}`]) {
      expect(await ask(method, wrong, method === 'GET' ? undefined : {})).toMatchObject({
        status: 404,
        json: errorOf('M_UNRECOGNIZED'),
      });
    }
    for (const each of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'].filter((other) => other !== method)) {
      const response = await fetch(acme.url + plain, { method: each });
      expect([response.status, ((await response.json()) as { errcode: string }).errcode]).toEqual([
        405,
        'M_UNRECOGNIZED',
      ]);
    }
  });
});

describe('every endpoint with a body', () => {
  it.each(only(({ body }) => body))(
    '%s %s refuses what is no JSON, no object, and too large',
    async (method, path, { body = 0 }) => {
      for (const raw of ['', '{', 'null x', '{"a":}', '\u0000', "{'a':1}"]) {
        expect(await ask(method, filled(path), {}, raw)).toMatchObject({ status: 400, json: errorOf('M_NOT_JSON') });
      }
      for (const value of [[], 'text', 5, true, {}]) {
        expect(await ask(method, filled(path), value, JSON.stringify(value))).toMatchObject({
          status: 400,
          json: errorOf('M_BAD_JSON'),
        });
      }
      const large = JSON.stringify({ x: 'x'.repeat(body) });
      expect(await ask(method, filled(path), {}, large)).toMatchObject({ status: 413, json: errorOf('M_TOO_LARGE') });
    },
  );
});

describe('every endpoint about a room', () => {
  const about = only(({ method, paths }) => method === 'GET' && paths[0]?.includes('ROOM'));

  it.each(about)('%s %s does not know one that we do not know, and no id that is none', async (method, path) => {
    const versioned = path.replace('ver=I.1', 'ver=I.1&ver=org.matrix.i-d.ralston-mimi-linearized-matrix.02');
    expect(await ask(method, filled(versioned, { room: '!none:acme.example' }))).toMatchObject({
      status: 404,
      json: errorOf('M_NOT_FOUND'),
    });
    for (const room of ['none', '!none', '!no ne:acme.example', '!a:10.0.0.1', '!\u0000:acme.example']) {
      expect(await ask(method, filled(versioned, { room }))).toMatchObject({
        status: 400,
        json: errorOf('M_INVALID_PARAM'),
      });
    }
  });

  it.each(about.filter(([, path]) => path.includes('EVENT')))(
    '%s %s does not know an event of another room',
    async (method, path) => {
      const event = (await acme.reader.eventsAfter(theirs, -1, 100)).at(-1)?.eventId ?? '';
      expect(await ask(method, filled(path, { event }))).toMatchObject({ status: 404, json: errorOf('M_NOT_FOUND') });
    },
  );

  it.each(only(({ hubAlone }) => hubAlone))('%s %s is the hub’s to answer alone', async (method, path) => {
    const event = (await acme.reader.eventsAfter(theirs, -1, 100)).at(-1)?.eventId ?? '';
    expect(await ask(method, filled(path, { room: theirs, event }))).toMatchObject({
      status: 400,
      json: errorOf('M_WRONG_SERVER'),
    });
  });

  it.each(['join', 'leave', 'knock'])('send_%s is the hub’s to answer alone, and of its sender', async (membership) => {
    const lpdu = (room: string, fields: object = {}) =>
      peer.lpdu({
        room_id: room,
        type: 'm.room.member',
        sender: peer.user('x'),
        state_key: peer.user('x'),
        hub: ACME,
        content: { membership },
        ...fields,
      });
    for (const path of [`${V}/v3/send_${membership}/TXN`, `${U}/send_${membership}/TXN`]) {
      const send = (body: unknown) => ask('POST', filled(path), body);
      expect(await send(lpdu(theirs))).toMatchObject({ status: 400, json: errorOf('M_WRONG_SERVER') });
      expect(await send(lpdu('!none:acme.example'))).toMatchObject({
        status: 404,
        json: errorOf('M_NOT_FOUND'),
      });
      expect(await send(lpdu(ours, { state_key: peer.user('y') }))).toMatchObject({
        status: 400,
        json: errorOf('M_BAD_JSON'),
      });
      expect(await send(lpdu(ours, { sender: '@x:other.example', state_key: '@x:other.example' }))).toMatchObject({
        status: 403,
        json: errorOf('M_FORBIDDEN'),
      });
    }
  });

  it.each(['join', 'knock'])('make_%s wants a version of ours among those that it is told', async (membership) => {
    for (const query of ['', '?ver=9', '?ver=']) {
      const path = `${V}/v1/make_${membership}/ROOM/USER${query}`;
      expect(await ask('GET', filled(path))).toMatchObject({
        status: 400,
        json: errorOf('M_INCOMPATIBLE_ROOM_VERSION'),
      });
    }
  });
});

describe('every endpoint that LM-04 lets us limit', () => {
  const asks = async (from: Peer, method: string, path: string): Promise<Response> => {
    const auth = from as unknown as { authHeader(...args: unknown[]): string };
    const body = method === 'GET' ? undefined : {};
    const authorization = auth.authHeader(method, path, 'modest.example', body);
    return fetch(modest.url + path, { method, headers: { authorization }, ...(body && { body: '{}' }) });
  };

  // proves LM-04/rate-limiting/1, 2
  it.each(only(({ limited }) => limited))(
    '%s %s says when to come back, to who asks too often alone',
    async (method, path) => {
      let last: Response | undefined;
      for (let n = 0; n < 40 && last?.status !== 429; n++) last = await asks(peer, method, filled(path));
      const json = (await last?.json()) as { retry_after_ms: number };
      expect(json).toMatchObject({ ...errorOf('M_LIMIT_EXCEEDED'), retry_after_ms: expect.any(Number) as number });
      expect(json.retry_after_ms).toBeGreaterThan(0);
      expect(last?.headers.get('retry-after')).toBe(String(Math.ceil(json.retry_after_ms / 1_000)));
      expect((await asks(other, method, filled(path))).status).not.toBe(429);
    },
  );

  it.each(only(({ limited, open }) => !limited || open))('and %s %s is none of them', async (method, path) => {
    for (let n = 0; n < 25; n++) expect((await asks(peer, method, filled(path))).status).not.toBe(429);
  });
});
