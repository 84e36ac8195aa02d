import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Media } from '../../src/media/media.js';
import { Platforms } from '../../src/platform/platforms.js';
import { PlatformError } from '../../src/platform/port.js';
import type { RoomId } from '../../src/protocol/index.js';
import { TestCompany, share } from '../support/company.js';
import { freePort, until } from '../support/gateway.js';

interface View {
  text: string;
  author?: { server?: string };
  body?: {
    attachments?: { kind: string; name: string; mimeType: string; size: number; source: { nativeId: string } }[];
  };
}

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

let directory: string;
let acme: TestCompany;
let globex: TestCompany;
let roomId: RoomId;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-files-'));
  const ports = [await freePort(), await freePort()];
  const peers = Object.fromEntries(
    ['acme.example', 'globex.example'].map((name, n) => [name, `http://127.0.0.1:${String(ports[n])}`]),
  );
  acme = new TestCompany('acme.example', 'acme', join(directory, 'acme'), peers);
  globex = new TestCompany('globex.example', 'globex', join(directory, 'globex'), peers);
  for (const [n, company] of [acme, globex].entries()) {
    await company.startChat();
    await company.startGateway({
      CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(ports[n])}`,
      CAUSEWAY_MEDIA_MAX_BYTES: '200000',
    });
  }
  roomId = await share(acme, globex);
});

afterEach(async () => {
  await acme.close();
  await globex.close();
  rmSync(directory, { recursive: true, force: true });
});

const post = async ({ chat }: TestCompany, text: string, files: [name: string, type: string, bytes: Buffer][]) => {
  const ids: string[] = [];
  for (const [name, type, body] of files) {
    const path = `${chat.url}/api/files?as=ada&name=${encodeURIComponent(name)}`;
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: new Uint8Array(body),
    });
    ids.push(((await response.json()) as { id: string }).id);
  }
  const body = JSON.stringify({ client_id: text, text, files: ids });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${chat.url}/api/channels/C1/messages?as=ada`, { method: 'POST', headers, body });
  expect(response.status).toBe(201);
};
const views = async (company: TestCompany): Promise<View[]> => await company.messages();
const remote = async (company: TestCompany): Promise<View[]> =>
  (await views(company)).filter(({ author }) => author?.server !== undefined);
const bytesOf = async ({ chat }: TestCompany, nativeId: string): Promise<Buffer> =>
  Buffer.from(await (await fetch(`${chat.url}/api/files/${nativeId}`)).arrayBuffer());

describe('files', () => {
  it.each(['from the hub', 'from the participant'])(
    '%s arrive whole, with their names, kinds and caption',
    async (from) => {
      const [here, there] = from === 'from the hub' ? [acme, globex] : [globex, acme];
      await post(here, 'Two things', [
        ['dot.png', 'image/png', PNG],
        ['ä report.bin', 'application/octet-stream', Buffer.alloc(150_000, 7)],
      ]);
      await post(here, 'A picture', [['dot.png', 'image/png', PNG]]);
      const attachments = async () => (await remote(there)).flatMap(({ body }) => body?.attachments ?? []);
      await until('all files', async () => (await attachments()).length >= 3);
      expect(await attachments()).toMatchObject([
        { kind: 'image', name: 'dot.png', mimeType: 'image/png', size: PNG.length },
        { kind: 'file', name: 'ä report.bin', size: 150_000 },
        { kind: 'image', name: 'dot.png' },
      ]);
      const [dot, report] = await attachments();
      expect(await bytesOf(there, dot?.source.nativeId ?? '')).toEqual(PNG);
      expect((await bytesOf(there, report?.source.nativeId ?? '')).equals(Buffer.alloc(150_000, 7))).toBe(true);
      expect((await remote(there)).map(({ text }) => text.split('\n')[0])).toEqual(
        expect.arrayContaining(['Two things', 'A picture']),
      );
    },
  );

  it('too large for us are named, and the message with them goes on', async () => {
    await post(acme, 'Large', [['large.bin', 'application/octet-stream', Buffer.alloc(300_000)]]);
    await until('the message', async () => (await remote(globex)).length > 0);
    expect((await remote(globex))[0]?.text).toContain('[file: large.bin]');
  });

  it('that the chat does not give hold the message up for a while, and are named in the end', async () => {
    const [platform] = acme.gateway.app.get(Platforms).all;
    if (platform?.can.openFile === undefined) throw new Error('no files');
    vi.spyOn(platform.can, 'openFile').mockRejectedValue(
      new PlatformError('unavailable', 'not now', { certainlyNotDone: true }),
    );
    await post(acme, 'Later', [['x.png', 'image/png', PNG]]);
    await until('the message', async () => (await remote(globex)).length > 0, 30_000);
    expect((await remote(globex))[0]?.text).toContain('[image: x.png]');
  }, 40_000);

  it('that the other server does not have any more are named there', async () => {
    vi.spyOn(acme.gateway.app.get(Media), 'roomOf').mockResolvedValue(undefined);
    await post(acme, 'Gone', [['x.png', 'image/png', PNG]]);
    await until('the message', async () => (await remote(globex)).length > 0);
    expect((await remote(globex))[0]?.text).toContain('[image: x.png]');
    expect(roomId).toBeDefined();
  });
});
