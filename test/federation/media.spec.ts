import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Media, type NativeFile } from '../../src/media/media.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startNeighbours, startGateway, until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const file =
  (bytes: Buffer | string, name = 'a.txt', mimeType = 'text/plain') =>
  (): Promise<NativeFile> =>
    Promise.resolve({ stream: Readable.from([Buffer.from(bytes)]), name, mimeType });
const read = async (media: Media, mxc: string, maxBytes?: number): Promise<string> =>
  text((await media.open(mxc, maxBytes)).stream);

forEachDatabase(({ createUrl }) => {
  let acme: TestGateway;
  let globex: TestGateway;
  let roomId: RoomId;
  const media = (gateway: TestGateway): Media => gateway.app.get(Media);

  beforeEach(async () => {
    const env = async (): Promise<Record<string, string>> => ({
      CAUSEWAY_DATABASE_URL: await createUrl(),
      CAUSEWAY_MEDIA_MAX_BYTES: '100000',
      CAUSEWAY_MEDIA_CACHE_BYTES: '25000',
    });
    [acme, globex] = await startNeighbours('acme.example', 'globex.example', [await env(), await env()]);
    roomId = await acme.rooms.create({});
    await acme.rooms.invite(roomId, '@causeway:globex.example' as UserId);
    await until('the invite', async () => (await globex.rooms.invites()).length > 0);
    await globex.rooms.join(roomId);
    await until('the join', () => acme.reader.hasJoinedUser(roomId, 'globex.example' as never));
  });

  afterEach(async () => {
    await acme.close();
    await globex.close();
  });

  it('a file of a room goes to the servers of the room, is what its bytes say, and is fetched once', async () => {
    const { mxc, ...kept } = await media(acme).keep('k', roomId, file(PNG, 'ö "x".png', 'text/html'));
    expect(kept).toEqual({ mimeType: 'image/png', size: PNG.length, width: 1, height: 1 });
    const opened = await Promise.all([1, 2, 3].map(() => media(globex).open(mxc)));
    expect(opened[0]).toMatchObject({ mimeType: 'image/png', size: PNG.length, name: 'ö "x".png' });
    for (const { stream } of opened) expect(Buffer.concat(await stream.toArray())).toEqual(PNG);
    const port = new URL(acme.url).port;
    await acme.close({ keepData: true });
    expect(await read(media(globex), mxc)).toBe(PNG.toString()); // from the cache
    const peers = { 'globex.example': globex.url };
    const env = { CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${port}` };
    acme = await startGateway('acme.example', peers, { directory: acme.directory, env });
  });

  it('the same native file is ours once, also when it is asked for at the same time', async () => {
    let opened = 0;
    const open = (): Promise<NativeFile> => {
      opened += 1;
      return file('hello')();
    };
    const [one, two] = await Promise.all([1, 2].map(() => media(acme).keep('k', roomId, open)));
    expect(one).toEqual(two);
    expect(await media(acme).keep('k', roomId, open)).toEqual(one);
    expect(opened).toBeLessThan(3);
    expect(await read(media(acme), one?.mxc ?? '')).toBe('hello');
  });

  it('one that is too large is kept by nobody', async () => {
    await expect(media(acme).keep('k', roomId, file('x'.repeat(100_001)))).rejects.toMatchObject({ code: 'too_large' });
    const { mxc } = await media(acme).keep('k', roomId, file('x'.repeat(50_000)));
    await expect(media(globex).open(mxc, 10_000)).rejects.toMatchObject({ code: 'too_large' });
    expect(await read(media(globex), mxc)).toHaveLength(50_000);
  });

  it('of other servers so much is kept as there is room for, and our own stays', async () => {
    const own = await media(globex).keep('own', roomId, file('x'.repeat(30_000)));
    const three = [];
    for (const n of [1, 2, 3]) three.push(await media(acme).keep(String(n), roomId, file(String(n).repeat(10_000))));
    for (const { mxc } of three) await read(media(globex), mxc);
    const kept = await globex.database.read.query<{ n: number | string }[]>('SELECT COUNT(*) AS n FROM media');
    expect(Number(kept[0]?.n)).toBe(3);
    expect(await read(media(globex), own.mxc)).toHaveLength(30_000);
    expect(await read(media(globex), three[0]?.mxc ?? '')).toBe('1'.repeat(10_000)); // fetched again
  });

  it('what no server gives is gone; what is no file is none', async () => {
    for (const mxc of [
      'mxc://globex.example/../../etc/passwd',
      'https://globex.example/x',
      'mxc://acme.example/nothing',
    ]) {
      await expect(media(globex).open(mxc)).rejects.toMatchObject({ code: 'gone' });
    }
  });
});

describe('the files of a room', () => {
  let acme: TestGateway;
  let peer: Peer;
  let stranger: Peer;
  let hostile: Server;
  let answer: (response: ServerResponse) => void;

  beforeEach(async () => {
    peer = await startPeer('peer.example');
    stranger = await startPeer('stranger.example');
    hostile = createServer((request, response) => {
      if (request.url?.includes('/media/') === true) answer(response);
      else response.writeHead(404).end('{}');
    }).listen(0, '127.0.0.1');
    await once(hostile, 'listening');
    const hostileUrl = `http://127.0.0.1:${String((hostile.address() as AddressInfo).port)}`;
    const peers = {
      'peer.example': peerUrl(peer),
      'stranger.example': peerUrl(stranger),
      'hostile.example': hostileUrl,
    };
    acme = await startGateway('acme.example', peers, { env: { CAUSEWAY_MEDIA_MAX_BYTES: '100000' } });
    for (const each of [peer, stranger]) each.peers = { ...peers, 'acme.example': acme.url };
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
    await stranger.close();
    hostile.closeAllConnections();
    hostile.close();
  });

  it('are for its servers alone, as two parts that no browser shows', async () => {
    const roomId = await acme.rooms.create({ joinRule: 'public' });
    await peer.join('acme.example', roomId);
    const html = '<script>alert(1)</script>';
    const { mxc } = await acme.app.get(Media).keep('k', roomId, file(html, '../x.html', 'text/html'));
    const path = `/_matrix/federation/v1/media/download/${mxc.split('/').at(-1) ?? ''}`;
    const given = await peer.request('GET', 'acme.example', path);
    expect(given.status).toBe(200);
    expect(given.text).toContain('Content-Type: application/json\r\n\r\n{}');
    expect(given.text).toMatch(/Content-Disposition: attachment; filename\*=utf-8''[^/\r]*\r\n\r\n<script>/);
    expect((await stranger.request('GET', 'acme.example', path)).json).toMatchObject({ errcode: 'M_NOT_FOUND' });
    expect((await peer.request('GET', 'acme.example', `${path}x`)).status).toBe(404);
    expect((await fetch(acme.url + path)).status).toBe(401);
    for (const id of ['..%2f..%2fetc', '%00', 'x'.repeat(300)]) {
      const bad = await peer.request('GET', 'acme.example', `/_matrix/federation/v1/media/download/${id}`);
      expect([400, 404]).toContain(bad.status);
    }
  });

  const open = () => acme.app.get(Media).open('mxc://hostile.example/x');
  const MIXED = { 'content-type': 'multipart/mixed; boundary=b' };
  const HEAD = '--b\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\n\r\n';

  it.each<[string, (response: ServerResponse) => void, string]>([
    ['JSON', (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'), 'unavailable'],
    ['no second part', (response) => response.writeHead(200, MIXED).end('--b\r\n\r\n{}\r\n--b--'), 'unavailable'],
    ['a file that is cut off', (response) => response.writeHead(200, MIXED).end(`${HEAD}bytes`), 'unavailable'],
    [
      'a broken connection',
      (response) => response.writeHead(200, MIXED).write(HEAD, () => response.destroy()),
      'unavailable',
    ],
    ['an error', (response) => response.writeHead(500).end('x'), 'unavailable'],
    [
      '404',
      (response) => response.writeHead(404, { 'content-type': 'application/json' }).end('{"errcode":"M_NOT_FOUND"}'),
      'gone',
    ],
    [
      'a place in our own network',
      (response) =>
        response.writeHead(200, MIXED).end('--b\r\n\r\n{}\r\n--b\r\nLocation: http://127.0.0.1:1/\r\n\r\n\r\n--b--'),
      'unavailable',
    ],
    [
      'a place in our own network over https',
      (response) =>
        response.writeHead(200, MIXED).end('--b\r\n\r\n{}\r\n--b\r\nLocation: https://127.0.0.1:1/\r\n\r\n\r\n--b--'),
      'unavailable',
    ],
  ])('of a server that answers with %s are not to be had', async (_what, answers, code) => {
    answer = answers;
    await expect(open()).rejects.toMatchObject({ code });
  });

  it('of a server that never ends are broken off at the limit', async () => {
    let sent = 0;
    answer = (response) => {
      response.writeHead(200, MIXED).write(HEAD);
      const more = (): void => {
        while (!response.destroyed && sent < 50_000_000) {
          sent += 10_000;
          if (!response.write(Buffer.alloc(10_000))) {
            response.once('drain', more);
            return;
          }
        }
      };
      more();
    };
    await expect(open()).rejects.toMatchObject({ code: 'too_large' });
    expect(sent).toBeLessThan(20_000_000);
  });

  it('of a server that calls HTML a picture are no picture', async () => {
    answer = (response) => response.writeHead(200, MIXED).end(`${HEAD}<html></html>\r\n--b--`);
    expect(await open()).toMatchObject({ mimeType: 'application/octet-stream' });
  });
});
