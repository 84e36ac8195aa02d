import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Chat, startChat } from '../../../demo/chat/server.js';
import { plainBody, plainText } from '../../../src/message/index.js';
import type { EphemeralEvent, InboundEvent, OutboundMessage, PlatformHost } from '../../../src/platform/port.js';
import { HttpPlatform } from '../../../src/platform/http/http-platform.js';
import { until } from '../../support/until.js';

const GRACE = { id: '@grace:globex.example', displayName: 'Grace', server: 'globex.example' };
const THUMB = { type: 'emoji', shortcode: '+1', unicode: '👍' } as const;
const says = (said: string, more: Partial<OutboundMessage> = {}): OutboundMessage => ({
  kind: 'message',
  body: plainBody(said),
  author: GRACE,
  ...more,
});

let directory: string;
let chat: Chat;
let platform: HttpPlatform;
let events: InboundEvent[];
let ephemeral: EphemeralEvent[];
let cursor: string | undefined;
let calls = 0;

const host: PlatformHost = {
  cursor: () => Promise.resolve(cursor),
  accept: (page) => {
    events.push(...page.events);
    cursor = page.cursor;
    return Promise.resolve();
  },
  ephemeral: (event) => ephemeral.push(event),
  openFile: () => {
    const bytes = Buffer.from('<svg onload="alert(1)"/>');
    return Promise.resolve({
      stream: Readable.from([bytes]),
      mimeType: 'image/svg+xml',
      size: bytes.length,
      name: 'a.svg',
    });
  },
  avatarUrl: () => undefined,
  trouble: () => undefined,
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-demo-'));
  [events, ephemeral, cursor] = [[], [], undefined];
  chat = await startChat({
    port: 0,
    databasePath: join(directory, 'chat.sqlite'),
    workspace: { id: 'acme', name: 'Acme' },
    token: 'secret',
    people: [
      { username: 'ada', displayName: 'Ada' },
      { username: 'bob', displayName: 'Bob' },
    ],
    channels: ['general'],
  });
  platform = new HttpPlatform({ workspace: 'acme', url: new URL(`${chat.url}/causeway`), token: 'secret' });
  platform.start(host);
  await until('it is ready', () => platform.ready && cursor !== undefined);
});

afterEach(async () => {
  await platform.stop();
  await chat.close();
  rmSync(directory, { recursive: true, force: true });
});

const call = (key = `key-${String(++calls)}`) => ({ key, repeated: false });
/** What the page does. */
const page = async (method: string, path: string, body: unknown, as = 'ada'): Promise<Record<string, unknown>> => {
  const response = await fetch(`${chat.url}/api/${path}?as=${as}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status, path).toBeLessThan(300);
  return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
};
const shown = async (): Promise<Record<string, unknown>[]> =>
  (await page('GET', 'channels/C1/messages', undefined)).messages as Record<string, unknown>[];
const eventually = async <T extends InboundEvent['type']>(type: T): Promise<Extract<InboundEvent, { type: T }>> => {
  const isOne = (event: InboundEvent): event is Extract<InboundEvent, { type: T }> => event.type === type;
  await until(type, () => events.some(isOne));
  const [found] = events.filter(isOne);
  if (found === undefined) throw new Error(`no ${type}`);
  return found;
};

describe('the demo chat', () => {
  it('tells of what its people do, each once, with what they mean', async () => {
    const { id } = await page('POST', 'channels/C1/messages', { client_id: '1', text: '**so** @bob\n\n- one\n- two' });
    await page('POST', 'channels/C1/messages', { client_id: '2', text: 'aside', thread: id, also_to_channel: true });
    await page('PUT', `channels/C1/messages/${String(id)}`, { text: 'better' });
    await page('POST', `channels/C1/messages/${String(id)}/reactions`, { change: 'add', emoji: THUMB }, 'bob');
    await page('DELETE', `channels/C1/messages/${String(id)}`, {});
    await page('POST', 'channels/C1/messages', { client_id: '3', text: '/causeway invite @grace:globex.example' });
    await page('PUT', 'channels/C1/topic', { topic: 'What we do' });
    await page('PUT', 'profile', { display_name: 'Ada L.' });
    await page('POST', 'conversations', { people: [], remote: ['@grace:globex.example'] });
    await eventually('conversation');
    const [message, aside] = events.filter((event) => event.type === 'message');
    expect(message?.body.blocks).toMatchObject([
      {
        content: [
          { text: 'so', marks: ['bold'] },
          { text: ' ' },
          { type: 'user', user: { nativeId: 'U2' }, name: 'Bob' },
        ],
      },
      { type: 'list', items: [[{ content: [{ text: 'one' }] }], [{ content: [{ text: 'two' }] }]] },
    ]);
    expect(aside?.thread).toEqual({ root: id, alsoToChannel: true });
    expect(plainText((await eventually('edit')).body)).toBe('better');
    expect(await eventually('reaction')).toMatchObject({
      change: 'add',
      nativeId: id,
      emoji: THUMB,
      actor: { id: 'U2' },
    });
    expect(await eventually('delete')).toMatchObject({ nativeId: id, actor: { id: 'U1' } });
    expect(await eventually('command')).toMatchObject({ text: 'invite @grace:globex.example', actor: { id: 'U1' } });
    expect(await eventually('channel')).toMatchObject({ change: 'topic', channel: { topic: 'What we do' } });
    expect(await eventually('profile')).toMatchObject({ user: { displayName: 'Ada L.' } });
    expect(await eventually('conversation')).toMatchObject({
      channel: { kind: 'direct' },
      participants: [{ userId: '@grace:globex.example' }],
    });
    expect(new Set(events.map(({ nativeEventId }) => nativeEventId)).size).toBe(events.length);
  });

  it('shows what the gateway does, once for each key, and tells nothing of it', async () => {
    const post = call();
    const { nativeId } = await platform.sendMessage('C1', says('hello'), post);
    expect(await platform.sendMessage('C1', says('hello again'), post)).toEqual({ nativeId });
    const target = { channelId: 'C1', nativeId };
    const { nativeId: second } = await platform.sendMessage(
      'C1',
      says('aside', { thread: { root: nativeId }, replyTo: nativeId }),
      call(),
    );
    await platform.can.edit?.(target, says('hello!'), call());
    const add = call();
    await platform.can.react?.(target, THUMB, 'add', GRACE, add);
    await platform.can.react?.(target, THUMB, 'remove', GRACE, call());
    await platform.can.react?.(target, THUMB, 'add', GRACE, add); // late, and made already
    await platform.can.setTopic?.('C1', 'New', call());
    const messages = await shown();
    expect(messages).toMatchObject([
      { text: 'hello!', edited: true, reactions: [], replies: 1, author: { server: 'globex.example' } },
    ]);
    await platform.can.delete?.({ channelId: 'C1', nativeId: second }, call());
    await platform.can.delete?.(target, call());
    await platform.can.delete?.(target, call());
    expect(await shown()).toEqual([]);
    await expect(platform.can.edit?.(target, says('x'), call())).rejects.toMatchObject({ code: 'message_gone' });
    await page('POST', 'channels/C1/messages', { client_id: '1', text: 'the end' });
    await eventually('message');
    expect(events).toHaveLength(1);
  });

  it('may not change what its own people wrote, and refuses garbage in the contract’s words', async () => {
    const { id } = await page('POST', 'channels/C1/messages', { client_id: '1', text: 'mine' });
    const target = { channelId: 'C1', nativeId: String(id) };
    await expect(platform.can.edit?.(target, says('forged'), call())).rejects.toMatchObject({ code: 'invalid' });
    await expect(platform.can.delete?.(target, call())).rejects.toMatchObject({ code: 'invalid' });
    for (const path of [
      'channels/C1/messages/x/reactions',
      'conversations',
      'channels/C1/members',
      'channels/C1/typing',
    ]) {
      for (const body of ['[]', 'null', '{"emoji":5}', '{', `{"users":${'['.repeat(5_000)}`]) {
        const response = await fetch(`${chat.url}/causeway/v1/${path}`, {
          method: 'POST',
          headers: { authorization: 'Bearer secret', 'idempotency-key': 'g' },
          body,
        });
        expect([404, 422]).toContain(response.status);
      }
    }
    expect(await shown()).toMatchObject([{ text: 'mine' }]);
  });

  it('takes files, gives them back as they are, and lets no browser run them', async () => {
    const body = {
      ...plainBody('see'),
      attachments: [
        { kind: 'image', name: 'a.svg', mimeType: 'image/svg+xml', source: { mxc: 'mxc://globex.example/x' } },
      ],
    } as const;
    await platform.sendMessage(
      'C1',
      { kind: 'message', body: { ...body, attachments: [...body.attachments] }, author: GRACE },
      call(),
    );
    const [message] = await shown();
    const [file] = (message?.body as { attachments: { source: { nativeId: string } }[] }).attachments;
    const id = file?.source.nativeId ?? '';
    const response = await fetch(`${chat.url}/api/files/${id}`);
    expect(response.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(await response.text()).toContain('onload');
    const back = await platform.can.openFile?.(id);
    expect(back).toMatchObject({ name: 'a.svg', size: 24 });
    if (back !== undefined) expect(await text(back.stream)).toContain('onload');
    await expect(platform.can.openFile?.('../chat.sqlite')).rejects.toMatchObject({ code: 'message_gone' });
  });

  it('has history, members and conversations', async () => {
    for (const n of [1, 2, 3])
      await page('POST', 'channels/C1/messages', { client_id: String(n), text: `message ${String(n)}` });
    const last = await platform.can.history?.('C1', undefined, 2);
    expect(last?.messages.map(({ body }) => plainText(body))).toEqual(['message 2', 'message 3']);
    expect(last?.more).toBe(true);
    const first = await platform.can.history?.('C1', last?.messages[0]?.nativeId, 2);
    expect(first?.messages.map(({ body }) => plainText(body))).toEqual(['message 1']);
    expect(await platform.can.members?.('C1')).toHaveLength(2);
    const key = call();
    const conversation = { name: 'Ada, Grace', users: ['U1'], remote: [GRACE] };
    const opened = await platform.can.openConversation?.(conversation, key);
    expect(opened).toMatchObject({ kind: 'direct', private: true });
    expect(await platform.can.openConversation?.(conversation, key)).toEqual(opened);
    const seen = async (as: string) =>
      ((await page('GET', 'workspace', undefined, as)).channels as { id: string }[]).map(({ id }) => id);
    expect(await seen('ada')).toContain(opened?.id);
    expect(await seen('bob')).not.toContain(opened?.id);
  });

  it('tells who types, once', async () => {
    await page('POST', 'channels/C1/typing', { typing: true });
    await until('typing', () => ephemeral.length > 0);
    expect(ephemeral).toMatchObject([{ type: 'typing', channelId: 'C1', user: { id: 'U1' }, typing: true }]);
  });
});
