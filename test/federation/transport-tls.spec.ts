import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { type Socket, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TLSSocket, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Certificates, certificates } from '../../demo/authority.js';
import { type KeyId, type ServerName, createSigningKey, signRequest } from '../../src/protocol/index.js';
import { type TestGateway, startGateway } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const VERSION = '/_matrix/federation/v1/version';
const QUERY = '/_matrix/key/v2/query';
const MAX_PER_ADDRESS = 12;
const directory = mkdtempSync(join(tmpdir(), 'causeway-transport-'));
let authority: Certificates;
let peer: Peer;
let acme: TestGateway;
let port: number;

beforeAll(async () => {
  authority = await certificates(directory, [ACME]);
  const { cert, key } = authority.of(ACME);
  peer = await startPeer('peer.example');
  acme = await startGateway(
    ACME,
    { 'peer.example': peerUrl(peer) },
    {
      env: {
        CAUSEWAY_FEDERATION_TLS_CERT: cert,
        CAUSEWAY_FEDERATION_TLS_KEY: key,
        CAUSEWAY_FEDERATION_REQUEST_TIMEOUT: '1',
        CAUSEWAY_FEDERATION_MAX_CONNECTIONS_PER_ADDRESS: String(MAX_PER_ADDRESS),
      },
    },
  );
  port = Number(new URL(acme.url).port);
});

afterAll(async () => {
  await acme.close();
  await peer.close();
  rmSync(directory, { recursive: true, force: true });
});

const trusted = () => ({ host: '127.0.0.1', port, servername: ACME, ca: readFileSync(authority.ca) });

function openSession(): ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${String(port)}`, trusted());
  session.on('error', () => undefined);
  return session;
}

interface Answer {
  status: number;
  json: { errcode?: string } | undefined;
}

async function ask(session: ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: string): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined });
  const answer = reading(stream);
  if (body !== undefined) stream.end(body);
  return answer;
}

async function reading(stream: http2.ClientHttp2Stream): Promise<Answer> {
  stream.on('error', () => undefined);
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString();
  return { status: Number(headers[':status']), json: text === '' ? undefined : (JSON.parse(text) as object) };
}

async function served(): Promise<void> {
  const session = openSession();
  expect((await ask(session, { ':path': VERSION })).status).toBe(200);
  session.destroy();
}

describe('over HTTP/2', () => {
  it('a body without a length or a type is read', async () => {
    const session = openSession();
    const answer = await ask(session, { ':method': 'POST', ':path': QUERY }, '{"server_keys":{}}');
    expect(answer).toMatchObject({ status: 200, json: { server_keys: [] } });
    session.destroy();
  });

  // proves LM-04/unknown-endpoints/1
  it.each([
    ['a wrong method', { ':method': 'DELETE', ':path': VERSION }, undefined, 405, 'M_UNRECOGNIZED'],
    ['an unknown path', { ':path': '/nowhere' }, undefined, 404, 'M_UNRECOGNIZED'],
    ['a path that is not encoded properly', { ':path': `${QUERY}/%zz` }, undefined, 400, 'M_INVALID_PARAM'],
    ['no signature', { ':method': 'PUT', ':path': '/_matrix/federation/v2/send/1' }, '{}', 401, 'M_FORBIDDEN'],
    ['a body that is no JSON', { ':method': 'POST', ':path': QUERY }, '{', 400, 'M_NOT_JSON'],
    ['no body', { ':method': 'POST', ':path': QUERY }, '', 400, 'M_NOT_JSON'],
    ['a body that is too large', { ':method': 'POST', ':path': QUERY }, ' '.repeat(300_000), 413, 'M_TOO_LARGE'],
  ])('%s is answered in the form of the protocol', async (_what, headers, body, status, errcode) => {
    const session = openSession();
    expect(await ask(session, headers, body)).toMatchObject({ status, json: { errcode } });
    session.destroy();
  });

  // proves LM-04/transport-auth/5; profile/requests/4
  it('every Authorization header counts: a good one beside a bad one is refused', async () => {
    const uri = '/_matrix/federation/v2/event/$none';
    const good = (peer as unknown as { authHeader(...args: string[]): string }).authHeader('GET', uri, ACME);
    const forged = createSigningKey(peer.key.keyId as KeyId, Buffer.alloc(32, 7));
    const request = { method: 'GET', uri, origin: 'peer.example' as ServerName, destination: ACME as ServerName };
    const bad = signRequest(request, undefined, forged);
    const session = openSession();
    expect((await ask(session, { ':path': uri, authorization: good })).status).toBe(404);
    expect((await ask(session, { ':path': uri, authorization: bad })).status).toBe(401);
    // Node's client sends one alone; a name in other letters is another one to it.
    for (const pair of [
      [good, bad],
      [bad, good],
    ]) {
      expect(
        (
          await rawHttp1(
            `GET ${uri} HTTP/1.1\r\nHost: a\r\n${pair.map((each) => `Authorization: ${each}\r\n`).join('')}\r\n`,
          )
        ).status,
      ).toBe(401);
    }
    session.destroy();
  });

  it('a body that never ends is given up, and the other streams of the session go on', async () => {
    const session = openSession();
    const slow = session.request({ ':method': 'POST', ':path': QUERY }, { endStream: false });
    slow.write('{');
    const given = reading(slow);
    expect((await ask(session, { ':path': VERSION })).status).toBe(200);
    expect(await given).toMatchObject({ status: 408, json: { errcode: 'M_UNKNOWN' } });
    session.destroy();
  });

  it('headers without end are refused, and others are served', async () => {
    const session = openSession();
    const headers = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`x-${String(n)}`, 'x'.repeat(20)]));
    const stream = session.request({ ':path': VERSION, ...headers });
    const ended = new Promise((resolve) => {
      stream.on('error', resolve).on('response', resolve).on('close', resolve);
    });
    await ended;
    await served();
    session.destroy();
  });

  it('a session that opens and resets streams without end is ended, and others are served', async () => {
    const session = openSession();
    await once(session, 'connect');
    const ended = new Promise<string>((resolve) => {
      session.on('goaway', () => {
        resolve('goaway');
      });
      session.on('close', () => {
        resolve('closed');
      });
    });
    const flood = setInterval(() => {
      for (let n = 0; n < 200 && !session.closed && !session.destroyed; n++) {
        const stream = session.request({ ':path': `${QUERY}/a.example` });
        stream.on('error', () => undefined);
        stream.close(http2.constants.NGHTTP2_CANCEL);
      }
    }, 5);
    expect(await ended).toMatch(/goaway|closed/);
    clearInterval(flood);
    session.destroy();
    await served();
  });

  it.each([
    ['SETTINGS', frame(4, 0, 0, '')],
    ['PING', frame(6, 0, 0, '0102030405060708')],
    ['RST_STREAM of idle streams', frame(3, 0, 1, '00000008')],
    [
      'CONTINUATION after headers that never end',
      frame(1, 0, 1, '82').concat(frame(9, 0, 1, '00'.repeat(200)).repeat(100)),
    ],
    ['garbage', 'deadbeef'.repeat(20)],
  ])('%s without end does no harm, and others are served', async (_what, hex) => {
    const socket = await tls(['h2']);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from(frame(4, 0, 0, ''), 'hex'));
    const flood = Buffer.from(hex.repeat(500), 'hex');
    for (let n = 0; n < 20 && !socket.destroyed; n++) {
      socket.write(flood);
      await sleep(5);
    }
    await served();
    socket.destroy();
  });
});

describe('over TLS', () => {
  it('a slow header is told that it took too long', async () => {
    expect((await rawHttp1(`GET ${VERSION} HTTP/1.1\r\nHost: a`)).status).toBe(408);
  });

  it('one address has only so many connections, and gets others when it closes some', async () => {
    const sockets: Socket[] = [];
    for (let n = 0; n < MAX_PER_ADDRESS + 5; n++) {
      const socket = connectTcp(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      sockets.push(socket);
    }
    await sleep(200);
    expect(sockets.filter(({ destroyed, readableEnded }) => !destroyed && !readableEnded).length).toBeLessThanOrEqual(
      MAX_PER_ADDRESS,
    );
    for (const socket of sockets) socket.destroy();
    await sleep(100);
    await served();
  });

  it('one address may fail to authenticate only so often; what it fails costs nobody else', async () => {
    const session = openSession();
    const uri = '/_matrix/federation/v2/event/$none';
    const statuses: number[] = [];
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(
        Array.from({ length: 90 }, () => ask(session, { ':path': uri, authorization: 'X-Matrix nonsense' })),
      );
      statuses.push(...answers.map(({ status }) => status));
    }
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    expect((await ask(session, { ':path': VERSION })).status).toBe(200);
    session.destroy();
  });
});

async function tls(protocols: string[]): Promise<TLSSocket> {
  const socket = connect({ ...trusted(), ALPNProtocols: protocols });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function rawHttp1(text: string): Promise<{ status: number }> {
  const socket = await tls(['http/1.1']);
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return { status: Number(chunk.toString().split(' ')[1]) };
}

/** A frame of HTTP/2 in hexadecimal (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: string): string {
  const hex = (value: number, bytes: number): string => value.toString(16).padStart(bytes * 2, '0');
  return hex(payload.length / 2, 3) + hex(type, 1) + hex(flags, 1) + hex(stream, 4) + payload;
}
