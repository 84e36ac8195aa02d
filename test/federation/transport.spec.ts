import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestGateway, startGateway } from '../support/gateway.js';

const ACME = 'acme.example';
const VERSION = '/_matrix/federation/v1/version';
const QUERY = '/_matrix/key/v2/query';
const SEND = '/_matrix/federation/v2/send/1';
const MAX_CONNECTIONS = 40;
let acme: TestGateway;
let port: number;

beforeAll(async () => {
  acme = await startGateway(
    ACME,
    {},
    {
      env: {
        CAUSEWAY_FEDERATION_REQUEST_TIMEOUT: '1',
        CAUSEWAY_FEDERATION_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
        CAUSEWAY_FEDERATION_WELL_KNOWN: 'matrix.acme.example:443',
      },
    },
  );
  port = Number(new URL(acme.url).port);
});

afterAll(async () => {
  await acme.close();
});

/** A connection that says what nothing else would, and all that comes back on it. */
class Wire {
  text = '';
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.closed = true));
  }

  static async open(text = ''): Promise<Wire> {
    const wire = new Wire(connect(port, '127.0.0.1'));
    await once(wire.socket, 'connect');
    if (text !== '') wire.socket.write(text);
    return wire;
  }

  async answer(ms = 8_000): Promise<{ status: number; json: unknown; head: string }> {
    const end = Date.now() + ms;
    while (!this.complete && !this.closed && Date.now() < end) await sleep(10);
    const [head = '', body = ''] = this.text.split(/\r\n\r\n/, 2);
    this.socket.destroy();
    return { status: Number(head.split(' ')[1]), json: body === '' ? undefined : JSON.parse(body), head };
  }

  private get complete(): boolean {
    const [head, body = ''] = this.text.split(/\r\n\r\n/, 2);
    const length = /content-length: (\d+)/i.exec(head ?? '')?.[1];
    return length !== undefined && body.length >= Number(length);
  }
}

const ask = async (...lines: string[]) => (await Wire.open(`${lines.join('\r\n')}\r\n\r\n`)).answer();
const get = (path: string, ...headers: string[]) => ask(`GET ${path} HTTP/1.1`, `Host: ${ACME}`, ...headers);
const served = async (): Promise<void> => {
  expect(await get(VERSION)).toMatchObject({ status: 200, json: { server: { name: 'Causeway' } } });
};
const errorOf = (errcode: string) => ({ errcode, error: expect.any(String) as string });

describe('somebody slow', () => {
  it.each([
    ['says nothing', ''],
    ['stops in the middle of a header', `GET ${VERSION} HTTP/1.1\r\nHost: acme`],
    ['stops in the middle of a body', `POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nContent-Length: 100\r\n\r\n{`],
  ])('who %s is told that it took too long, and others are served meanwhile', async (_what, text) => {
    const slow = await Wire.open(text);
    await served();
    expect(await slow.answer()).toMatchObject({ status: 408, json: errorOf('M_UNKNOWN') });
  });

  // proves profile/endpoints/6
  it('who drips a body gets no longer than one who stops', async () => {
    const slow = await Wire.open(`POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const drip = setInterval(() => {
      if (slow.socket.writable) slow.socket.write('1\r\n \r\n');
    }, 50);
    const answer = await slow.answer();
    clearInterval(drip);
    expect(answer).toMatchObject({ status: 408, json: errorOf('M_UNKNOWN') });
  });
});

describe('somebody who is too much', () => {
  it.each([
    ['one header of 20 kB', [`X: ${'x'.repeat(20_000)}`]],
    ['10,000 headers', Array.from({ length: 10_000 }, (_, n) => `x${String(n)}:`)],
    ['150 headers', Array.from({ length: 150 }, (_, n) => `x${String(n)}: 1`)],
    [
      'an Authorization header of 15 kB, many times',
      Array.from({ length: 8 }, () => `Authorization: ${'x'.repeat(15_000)}`),
    ],
  ])('with %s: 431', async (_what, headers) => {
    expect(await get(VERSION, ...headers)).toMatchObject({ status: 431, json: errorOf('M_TOO_LARGE') });
    await served();
  });

  it('with a body that is announced as too large is refused before it is sent', async () => {
    const answer = await ask(`POST ${QUERY} HTTP/1.1`, `Host: ${ACME}`, 'Content-Length: 300000');
    expect(answer).toMatchObject({ status: 413, json: errorOf('M_TOO_LARGE') });
  });

  it('with a body that turns out to be too large is refused when it does', async () => {
    const wire = await Wire.open(`POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (let n = 0; n < 33; n++) wire.socket.write(`2000\r\n${' '.repeat(0x2000)}\r\n`);
    expect(await wire.answer()).toMatchObject({ status: 413, json: errorOf('M_TOO_LARGE') });
  });

  // proves LM-04/transport-auth/6
  it('who is not authenticated is refused before any of the body is read', async () => {
    const answer = await ask(`PUT ${SEND} HTTP/1.1`, `Host: ${ACME}`, 'Content-Length: 8000000');
    expect(answer).toMatchObject({ status: 401, json: errorOf('M_FORBIDDEN') });
    const unknown = await ask('PUT /nowhere HTTP/1.1', `Host: ${ACME}`, 'Content-Length: 8000000');
    expect(unknown).toMatchObject({ status: 404, json: errorOf('M_UNRECOGNIZED') });
  });

  // proves LM-04/malformed-requests/1
  it.each([
    ['deep JSON', '['.repeat(60_000), 'M_NOT_JSON'],
    ['10,000 servers', JSON.stringify({ server_keys: Object.fromEntries(tenThousand(6)) }), 'M_BAD_JSON'],
    ['10,000 keys', JSON.stringify(Object.fromEntries(tenThousand(0))), 'M_BAD_JSON'],
    ['half of a surrogate pair', '{"server_keys":{"\\ud800":{}}}', 'M_BAD_JSON'],
    ['bytes that are no UTF-8', '{"server_keys":{"\xff":{}}}', 'M_NOT_JSON'],
  ])('with %s: 400', async (_what, body, errcode) => {
    const bytes = Buffer.from(body, 'latin1');
    const wire = await Wire.open(
      `POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nContent-Length: ${String(bytes.length)}\r\n\r\n`,
    );
    wire.socket.write(bytes);
    expect(await wire.answer()).toMatchObject({ status: 400, json: errorOf(errcode) });
  });

  it('who opens connections without end is turned away, and whoever comes after is served', async () => {
    const wires = await Promise.all(Array.from({ length: MAX_CONNECTIONS * 3 }, () => Wire.open()));
    const last = wires.at(-1);
    expect(await last?.answer()).toMatchObject({
      status: 429,
      json: { ...errorOf('M_LIMIT_EXCEEDED'), retry_after_ms: 5_000 },
    });
    await sleep(100);
    expect(wires.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(MAX_CONNECTIONS);
    for (const { socket } of wires) socket.destroy();
    await sleep(100);
    await served();
  });
});

describe('a request that is odd', () => {
  // proves LM-04/unknown-endpoints/1
  it.each([
    ['/_matrix/federation/v2/event/%zz', 400, 'M_INVALID_PARAM'],
    ['/_matrix/federation/v2/event/%', 400, 'M_INVALID_PARAM'],
    ['/_matrix/federation/v2/event/%ff%fe', 400, 'M_INVALID_PARAM'],
    ['/_matrix/federation/v2/event/%00', 401, 'M_FORBIDDEN'],
    ['//_matrix/federation/v1/version', 404, 'M_UNRECOGNIZED'],
    [`${VERSION}/`, 404, 'M_UNRECOGNIZED'],
    ['/_matrix/federation/v1/../v1/version', 404, 'M_UNRECOGNIZED'],
    ['/_matrix/federation/v1/%2e%2e/version', 404, 'M_UNRECOGNIZED'],
    ['*', 404, 'M_UNRECOGNIZED'],
    [`${QUERY}/%00`, 400, 'M_INVALID_PARAM'],
    [`${QUERY}/a.example?minimum_valid_until_ts=1&minimum_valid_until_ts=x`, 200, undefined],
    [`${QUERY}/a.example?minimum_valid_until_ts=x&minimum_valid_until_ts=1`, 400, 'M_INVALID_PARAM'],
    [`${QUERY}/a.example?minimum_valid_until_ts=%zz`, 400, 'M_INVALID_PARAM'],
  ])('for %s: %i', async (path, status, errcode) => {
    const answer = await get(path);
    expect(answer.status).toBe(status);
    if (errcode !== undefined) expect(answer.json).toEqual(errorOf(errcode));
  });

  it('that names scheme and host in its first line is answered', async () => {
    expect(await get(`http://${ACME}${VERSION}`)).toMatchObject({ status: 200 });
    expect(await get(`HTTPS://elsewhere.example${VERSION}?x`)).toMatchObject({ status: 200 });
  });

  // proves LM-04/unknown-endpoints/1
  it.each(['HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'PATCH', 'PROPFIND', 'PURGE', 'QUERY'])(
    'with the method %s: 405',
    async (method) => {
      const { status, head } = await ask(`${method} ${VERSION} HTTP/1.1`, `Host: ${ACME}`, 'Connection: close');
      expect(status).toBe(405);
      expect(head).toMatch(/content-type: application\/json/i);
    },
  );

  it.each([
    ['is no HTTP', 'hello\r\n\r\n'],
    ['has an unknown method', `FOO ${VERSION} HTTP/1.1\r\nHost: ${ACME}\r\n\r\n`],
    ['has no Host', `GET ${VERSION} HTTP/1.1\r\n\r\n`],
    ['has two lengths', `POST ${QUERY} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}`],
    [
      'has a length and chunks',
      `POST ${QUERY} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
    ],
    ['has broken chunks', `POST ${QUERY} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n`],
    ['has a negative length', `POST ${QUERY} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}`],
    ['has a line feed in a header', `GET ${VERSION} HTTP/1.1\r\nHost: a\r\nX: a\nb\r\n\r\n`],
    ['is a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['is HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('that %s: 400, in the form of the protocol', async (_what, text) => {
    expect(await (await Wire.open(text)).answer()).toMatchObject({
      status: 400,
      json: { errcode: expect.stringMatching(/^M_/) as string },
    });
    await served();
  });

  it('that breaks off in the middle of its body harms nobody', async () => {
    for (let n = 0; n < 20; n++) {
      const wire = await Wire.open(`POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nContent-Length: 100\r\n\r\n{`);
      wire.socket.resetAndDestroy();
    }
    await served();
  });

  it('that expects to be told to go on is told, and one that expects anything else is not', async () => {
    const wire = await Wire.open(
      `POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n`,
    );
    const end = Date.now() + 5_000;
    while (!wire.text.includes('100 Continue') && Date.now() < end) await sleep(10);
    wire.text = '';
    wire.socket.write('{"server_keys":{}}');
    expect(await wire.answer()).toMatchObject({ status: 200, json: { server_keys: [] } });
    expect(await get(VERSION, 'Expect: miracles')).toMatchObject({ status: 417, json: errorOf('M_UNKNOWN') });
  });

  it.each(['text/plain', 'application/json; charset=utf-16', ',,;;', 'multipart/form-data; boundary=x', ''])(
    'with the type %j is read as JSON',
    async (type) => {
      const head = `POST ${QUERY} HTTP/1.1\r\nHost: ${ACME}\r\nContent-Type: ${type}\r\nContent-Length: 18\r\n\r\n`;
      const wire = await Wire.open(`${head}{"server_keys":{}}`);
      expect(await wire.answer()).toMatchObject({ status: 200, json: { server_keys: [] } });
    },
  );

  it('one after the other on a connection are answered in order', async () => {
    const one = `GET ${VERSION} HTTP/1.1\r\nHost: ${ACME}\r\n\r\n`;
    const wire = await Wire.open(`${one}GET /nowhere HTTP/1.1\r\nHost: ${ACME}\r\n\r\n${one}`);
    const end = Date.now() + 5_000;
    const statuses = (): string[] => [...wire.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);
    while (statuses().length < 3 && Date.now() < end) await sleep(10);
    expect(statuses()).toEqual(['200', '404', '200']);
    wire.socket.destroy();
  });
});

describe('where we are', () => {
  // proves LM-04/wellknown/2
  it('is told by .well-known, when the operator says so', async () => {
    const { status, json, head } = await get('/.well-known/matrix/server');
    expect([status, json]).toEqual([200, { 'm.server': 'matrix.acme.example:443' }]);
    expect(head).toMatch(/content-type: application\/json/i);
  });
});

function tenThousand(length: number): [string, object][] {
  return Array.from({ length: 10_000 }, (_, n) => [
    `${String(n)}${'x'.repeat(length > 0 ? 1 : 0)}`.slice(0, length || 5),
    {},
  ]);
}
