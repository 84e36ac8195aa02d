import { once } from 'node:events';
import { type IncomingMessage, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainBody } from '../../message/index.js';
import { until } from '../../../test/support/until.js';
import { type EphemeralEvent, type InboundEvent, type PlatformHost, PlatformError } from '../port.js';
import { HttpPlatform } from './http-platform.js';

const EVERYTHING = {
  contract: '1.1',
  workspace: { id: 'acme', name: 'Acme' },
  capabilities: Object.fromEntries(
    'private_notices rich_text threads replies attachments actions personal_reactions edit delete react show_member topic rename typing read history members conversations'
      .split(' ')
      .map((word) => [word, true]),
  ),
  limits: { max_text_bytes: 5_000, max_file_bytes: 1_000 },
};
const CHANNEL = { id: 'C1', name: 'general' };
const ADA = { id: 'U1', username: 'ada', display_name: 'Ada' };
const GRACE = { id: '@grace:globex.example', displayName: 'Grace', server: 'globex.example' };
const CALL = { key: 'k', repeated: false };

interface Answer {
  status?: number;
  json?: unknown;
  headers?: Record<string, string>;
  bytes?: Buffer;
}

let chat: Server;
let platform: HttpPlatform;
let capabilities: unknown;
let pages: unknown[];
let answers: Record<string, Answer>;
let calls: { method: string; path: string; body: unknown; key: string | undefined }[];
let accepted: InboundEvent[];
let ephemeral: EphemeralEvent[];
let cursor: string | undefined;

async function answerTo(request: IncomingMessage): Promise<Answer> {
  const { method = '', url = '', headers } = request;
  const path = url.replace('/v1/', '');
  if (path === 'capabilities') return { json: capabilities };
  if (path.startsWith('events?cursor=latest')) return { json: { events: [], cursor: '0' } };
  if (path.startsWith('events')) {
    const page = pages.shift();
    if (page !== undefined) return { json: page };
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { json: { events: [], cursor: cursor ?? '0' } };
  }
  const raw = await text(request);
  const isFile = headers['content-type'] === 'application/octet-stream';
  const key = headers['idempotency-key'];
  calls.push({ method, path, body: raw === '' || isFile ? raw : JSON.parse(raw), key: key?.toString() });
  return answers[`${method} ${path}`] ?? { status: 204 };
}

const host: PlatformHost = {
  cursor: () => Promise.resolve(cursor),
  accept: (page) => {
    accepted.push(...page.events);
    cursor = page.cursor;
    return Promise.resolve();
  },
  ephemeral: (event) => ephemeral.push(event),
  openFile: (mxc) => {
    if (mxc.endsWith('gone')) throw new PlatformError('invalid', 'gone', { certainlyNotDone: true });
    const bytes = Buffer.from('some bytes');
    return Promise.resolve({
      stream: Readable.from([bytes]),
      mimeType: 'image/png',
      size: bytes.length,
      name: 'a b.png',
    });
  },
  avatarUrl: (mxc) => `https://acme.example/${mxc.slice(-1)}`,
  trouble: () => undefined,
};

beforeEach(async () => {
  [capabilities, pages, answers, calls, accepted, ephemeral, cursor] = [EVERYTHING, [], {}, [], [], [], '0'];
  chat = createServer((request, response) => {
    void answerTo(request).then(({ status = 200, json, headers = {}, bytes }) => {
      response.writeHead(status, headers).end(bytes ?? (json === undefined ? '' : JSON.stringify(json)));
    });
  }).listen(0, '127.0.0.1');
  await once(chat, 'listening');
  const url = new URL(`http://127.0.0.1:${String((chat.address() as AddressInfo).port)}/`);
  platform = new HttpPlatform({ workspace: 'acme', url, token: 't' });
});

afterEach(async () => {
  await platform.stop();
  chat.closeAllConnections();
  chat.close();
});

const started = async (): Promise<void> => {
  platform.start(host);
  await until('it is ready', () => platform.ready);
};

describe('a chat of the contract', () => {
  it('1.1 can what it says, and nothing else', async () => {
    capabilities = { ...EVERYTHING, capabilities: { edit: true, typing: true, threads: true, history: 'yes' } };
    await started();
    expect(Object.keys(platform.can)).toEqual(['edit', 'showTyping']);
    expect(platform.capabilities).toMatchObject({
      threads: true,
      replies: false,
      maxTextBytes: 5_000,
      maxFileBytes: 0,
    });
  });

  it('1.0 takes text', async () => {
    capabilities = { contract: '1.0', workspace: EVERYTHING.workspace, capabilities: {} };
    answers['POST channels/C1/messages'] = { status: 201, json: { message_id: 'M1' } };
    await started();
    expect(platform.can).toEqual({});
    const message = { kind: 'message', body: plainBody('hi\n\nthere'), author: GRACE } as const;
    expect(await platform.sendMessage('C1', message, CALL)).toEqual({ nativeId: 'M1' });
    expect(calls).toMatchObject([{ key: 'k', body: { kind: 'message', text: 'hi\n\nthere' } }]);
  });

  it('that is down at the start is not planned for before it says what it can', async () => {
    capabilities = 'nonsense';
    platform.start(host);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(platform.ready).toBe(false);
    capabilities = EVERYTHING;
    await until('it is ready', () => platform.ready);
  });
});

describe('what happens in the chat', () => {
  it('comes as events of every type; our own and unknown ones do not', async () => {
    const base = { id: 'e', time: 1, channel: CHANNEL };
    const say = (id: string, more: object) => ({ ...base, ...more, id });
    const events = [
      say('1', {
        type: 'message',
        author: ADA,
        message: { id: 'M1', text: 'plain' },
        reply_to: 'M0',
        thread: { root: 'M0', also_to_channel: true },
      }),
      say('2', {
        type: 'edit',
        author: ADA,
        message: {
          id: 'M1',
          text: 'rich',
          body: { blocks: [{ type: 'paragraph', content: [{ type: 'text', text: 'rich', marks: ['bold'] }] }] },
        },
      }),
      say('3', { type: 'delete', actor: ADA, message_id: 'M1' }),
      say('4', {
        type: 'reaction',
        actor: ADA,
        change: 'add',
        message_id: 'M1',
        emoji: { shortcode: '+1', unicode: '👍' },
      }),
      say('5', { type: 'membership', change: 'join', user: ADA }),
      say('6', { type: 'channel', change: 'moved', former_id: 'C0' }),
      { id: '7', time: 1, type: 'profile', user: { ...ADA, avatar_url: 'javascript:alert(1)' } },
      say('8', { type: 'command', actor: ADA, text: 'help' }),
      say('9', { type: 'action', actor: ADA, action: 'accept:1', message_id: 'M9' }),
      say('10', {
        type: 'conversation',
        actor: ADA,
        participants: [{ user_id: '@grace:globex.example' }, { id: 'U2' }],
      }),
      say('11', { type: 'message', author: ADA, message: { id: 'M2', text: 'ours', idempotency_key: 'k' } }),
      say('12', { type: 'reaction', by_causeway: true }),
      say('13', { type: 'constructor' }),
      say('14', { type: 'message', author: ADA, message: { id: 'M3', text: 'kept', body: { blocks: 'broken' } } }),
    ];
    pages = [
      {
        cursor: '1',
        events,
        ephemeral: [{ type: 'typing', channel_id: 'C1', user: ADA, typing: true }, { type: 'new' }],
      },
    ];
    await started();
    await until('they are there', () => accepted.length >= 11);
    expect(accepted.map(({ type }) => type)).toEqual([
      'message',
      'edit',
      'delete',
      'reaction',
      'membership',
      'channel',
      'profile',
      'command',
      'action',
      'conversation',
      'message',
    ]);
    expect(accepted[0]).toMatchObject({ replyTo: 'M0', thread: { root: 'M0', alsoToChannel: true } });
    expect(accepted[1]).toMatchObject({ body: { blocks: [{ content: [{ text: 'rich', marks: ['bold'] }] }] } });
    expect(accepted[6]).toEqual({
      type: 'profile',
      nativeEventId: '7',
      time: 1,
      user: { id: 'U1', username: 'ada', displayName: 'Ada' },
    });
    expect(accepted[9]).toMatchObject({ participants: [{ userId: '@grace:globex.example' }, { nativeId: 'U2' }] });
    expect(accepted[10]).toMatchObject({ body: plainBody('kept') });
    expect(ephemeral).toMatchObject([{ type: 'typing', channelId: 'C1' }]);
  });

  it.each<[unknown]>([
    [{ cursor: '1' }],
    [{ cursor: '', events: [] }],
    [{ cursor: '1', events: [{ id: 'x', type: 'delete', time: 0.5, channel: CHANNEL, message_id: 'M' }] }],
    [
      {
        cursor: '1',
        events: [
          {
            id: 'x',
            type: 'reaction',
            time: 1,
            channel: CHANNEL,
            actor: ADA,
            message_id: 'M',
            change: 'x',
            emoji: { shortcode: 'a' },
          },
        ],
      },
    ],
    [{ cursor: '1', events: [{ id: 'x'.repeat(300), type: 'profile', time: 1, user: ADA }] }],
    [[]],
  ])('in a page that breaks the contract, as %j, is not taken, and is asked for again', async (page) => {
    pages = [page, { cursor: '2', events: [{ id: 'y', type: 'profile', time: 1, user: ADA }] }];
    await started();
    await until('the next page', () => accepted.length > 0);
    expect(accepted).toMatchObject([{ nativeEventId: 'y' }]);
  });
});

describe('what is done in the chat', () => {
  const target = { channelId: 'C/1', nativeId: 'M 1' };
  const path = 'channels/C%2F1/messages/M%201';

  it('is one call each, with its key', async () => {
    answers['POST conversations'] = { json: { id: 'D1', name: 'Ada, Grace', kind: 'direct' } };
    answers['GET channels/C1/members'] = { json: { members: [ADA] } };
    answers['GET channels/C1/messages?limit=2&before=M5'] = {
      json: {
        more: true,
        messages: [
          { id: 'e', time: 1, type: 'message', channel: CHANNEL, author: ADA, message: { id: 'M4', text: 'x' } },
        ],
      },
    };
    await started();
    const { can } = platform;
    const emoji = { type: 'emoji', shortcode: '+1', unicode: '👍' } as const;
    await can.edit?.(
      target,
      { kind: 'message', body: plainBody('new'), author: { ...GRACE, avatar: 'mxc://globex.example/a' } },
      CALL,
    );
    await can.delete?.(target, CALL);
    await can.react?.(target, emoji, 'remove', GRACE, CALL);
    await can.showMember?.('C1', GRACE, 'join', CALL);
    await can.setTopic?.('C1', 'new topic', CALL);
    await can.rename?.('C1', 'new-name', CALL);
    await can.showTyping?.('C1', GRACE, true);
    await can.showRead?.(target, GRACE);
    expect(await can.openConversation?.({ name: 'Ada, Grace', users: ['U1'], remote: [GRACE] }, CALL)).toMatchObject({
      id: 'D1',
      kind: 'direct',
    });
    expect(await can.members?.('C1')).toMatchObject([{ id: 'U1' }]);
    expect(await can.history?.('C1', 'M5', 2)).toMatchObject({ more: true, messages: [{ nativeId: 'M4' }] });
    expect(calls.map(({ method, path: at, key }) => [method, at, key])).toEqual([
      ['PUT', path, 'k'],
      ['DELETE', path, 'k'],
      ['POST', `${path}/reactions`, 'k'],
      ['POST', 'channels/C1/members', 'k'],
      ['PUT', 'channels/C1/topic', 'k'],
      ['PUT', 'channels/C1/name', 'k'],
      ['POST', 'channels/C1/typing', undefined],
      ['POST', 'channels/C%2F1/read', undefined],
      ['POST', 'conversations', 'k'],
      ['GET', 'channels/C1/members', undefined],
      ['GET', 'channels/C1/messages?limit=2&before=M5', undefined],
    ]);
    expect(calls[0]?.body).toMatchObject({ author: { avatar_url: 'https://acme.example/a' }, text: 'new' });
  });

  it('a message with files brings them first; one that is gone is named', async () => {
    answers['POST files?name=a%20b.png'] = { json: { file_id: 'F1' } };
    answers['POST channels/C1/messages'] = { status: 201, json: { message_id: 'M1' } };
    await started();
    const file = { kind: 'image', name: 'a b.png', mimeType: 'image/png' } as const;
    const body = {
      ...plainBody('see'),
      attachments: [
        { ...file, source: { mxc: 'mxc://globex.example/here' } },
        { ...file, name: 'lost.png', source: { mxc: 'mxc://globex.example/gone' } },
      ],
    };
    await platform.sendMessage('C1', { kind: 'message', body, author: GRACE }, CALL);
    expect(calls[0]).toMatchObject({ path: 'files?name=a%20b.png', key: 'k/0', body: 'some bytes' });
    expect(calls[1]?.body).toMatchObject({
      text: 'see\n\n[image: lost.png]\n\n[image: a b.png]',
      body: { attachments: [{ name: 'a b.png', source: { nativeId: 'F1' } }] },
    });
  });

  it('a file of the chat is a stream with its name and size; one without a length is refused', async () => {
    const name = `attachment; filename*=UTF-8''${encodeURIComponent('../ö.txt')}`;
    answers['GET files/F1'] = {
      bytes: Buffer.from('hello'),
      headers: { 'content-type': 'text/plain', 'content-length': '5', 'content-disposition': name },
    };
    answers['GET files/F2'] = { bytes: Buffer.from('hello'), headers: { 'transfer-encoding': 'chunked' } };
    await started();
    const file = await platform.can.openFile?.('F1');
    expect(file).toMatchObject({ mimeType: 'text/plain', size: 5, name: '.._ö.txt' });
    if (file !== undefined) expect((await buffer(file.stream)).toString()).toBe('hello');
    await expect(platform.can.openFile?.('F2')).rejects.toMatchObject({ code: 'invalid' });
  });

  it.each([
    [404, 'unknown_message', 'message_gone', false],
    [409, 'channel_archived', 'channel_gone', false],
    [413, 'too_large', 'invalid', false],
    [401, 'unauthorized', 'denied', true],
    [429, 'rate_limited', 'unavailable', true],
    [503, 'invalid', 'unavailable', true],
    [404, 'constructor', 'unavailable', true],
  ])('and refused with %i %s is %s', async (status, code, expected, retry) => {
    answers[`PUT ${path}`] = { status, json: { error: { code, message: 'no' } } };
    await started();
    const edit = platform.can.edit?.(target, { kind: 'message', body: plainBody('x') }, CALL);
    await expect(edit).rejects.toMatchObject({ code: expected, retry });
  });

  it('taking away what is gone is no error', async () => {
    answers[`DELETE ${path}`] = { status: 404, json: { error: { code: 'unknown_message', message: 'no' } } };
    await started();
    await expect(platform.can.delete?.(target, CALL)).resolves.toBeUndefined();
  });
});
