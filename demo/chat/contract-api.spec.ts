import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCompany, contractCall, GRACE, postToChannel, writeAs } from './a-chat.js';
import { type Chat, type ChatOptions, startChat } from './server.js';

const HELLO = { kind: 'message', text: 'Hello from the other side', sent_at: 1_795_510_521_123, author: GRACE };
const problem = (status: number, code: string) => ({ status, body: { error: { code, message: expect.any(String) } } });
const archive = (chat: Chat, channelId: string, archived: boolean) =>
  fetch(`${chat.url}/api/channels/${channelId}/archived`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ archived }),
  });

let options: ChatOptions;
let chat: Chat;

beforeEach(async () => {
  options = aCompany();
  chat = await startChat(options);
});
afterEach(() => chat.close());

describe('capabilities, channels and users', () => {
  it('the capability document names the workspace and the limits', async () => {
    expect(await contractCall(chat, 'capabilities')).toEqual({
      status: 200,
      body: {
        contract: '1.1',
        workspace: { id: 'acme', name: 'Acme Industries' },
        capabilities: expect.objectContaining({ private_notices: true, edit: true, threads: true }),
        limits: { max_text_bytes: 16_384, max_file_bytes: 52_428_800 },
      },
    });
  });

  it.each(['', 'Bearer', 'Bearer wrong', 'Basic c2VjcmV0', 'Bearer secret-of-acme2'])(
    'the authorization "%s" is refused on every path',
    async (authorization) => {
      for (const path of ['capabilities', 'events?cursor=latest', 'channels/C1', 'users/U1', 'nothing']) {
        expect(await contractCall(chat, path, { headers: { authorization } })).toEqual(problem(401, 'unauthorized'));
      }
    },
  );

  it('a channel and a person are found by their ids', async () => {
    expect((await contractCall(chat, 'channels/C2')).body).toEqual({ id: 'C2', name: 'random', archived: false });
    expect((await contractCall(chat, 'users/U1')).body).toEqual({
      id: 'U1',
      username: 'ada',
      display_name: 'Ada Lovelace',
    });
  });

  it('unknown ids are 404 with a code each, whatever they look like', async () => {
    for (const id of ['C9', '%00', 'x'.repeat(2_000), 'C1%2F..']) {
      expect(await contractCall(chat, `channels/${id}`)).toEqual(problem(404, 'unknown_channel'));
      expect(await contractCall(chat, `users/${id}`)).toEqual(problem(404, 'unknown_user'));
    }
    expect(await contractCall(chat, 'channels/%zz')).toMatchObject({ status: 404 });
    expect(await contractCall(chat, 'channels/C1/messages/M1')).toEqual(problem(404, 'not_found'));
  });
});

describe('posting', () => {
  it('a key makes one message: 201, then 200 with the same id, whatever the later body', async () => {
    const first = await postToChannel(chat, 'C1', 'key-1', HELLO);
    expect(first).toEqual({ status: 201, body: { message_id: expect.any(String) } });
    for (const body of [HELLO, { ...HELLO, text: 'another' }, { kind: 'nonsense' }, 'not json', 'x'.repeat(70_000)]) {
      expect(await postToChannel(chat, 'C1', 'key-1', body)).toEqual({ status: 200, body: first.body });
    }
    expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({ cursor: '1' });
  });

  it('concurrent calls with one key make one message', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => postToChannel(chat, 'C1', 'key-1', HELLO)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(19).fill(200), 201]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({ cursor: '1' });
  });

  it('a repeated call is answered as made though the channel has been archived since', async () => {
    const first = await postToChannel(chat, 'C1', 'key-1', HELLO);
    await archive(chat, 'C1', true);
    expect(await postToChannel(chat, 'C1', 'key-1', HELLO)).toEqual({ status: 200, body: first.body });
    expect(await postToChannel(chat, 'C1', 'key-2', HELLO)).toEqual(problem(409, 'channel_archived'));
    expect((await contractCall(chat, 'channels/C1')).body).toMatchObject({ archived: true });
    await archive(chat, 'C1', false);
    expect(await postToChannel(chat, 'C1', 'key-2', HELLO)).toMatchObject({ status: 201 });
  });

  it('an unknown channel is refused, and its key stays free', async () => {
    expect(await postToChannel(chat, 'C9', 'key-1', HELLO)).toEqual(problem(404, 'unknown_channel'));
    expect(await postToChannel(chat, 'C1', 'key-1', HELLO)).toMatchObject({ status: 201 });
  });

  it('a text of exactly 16384 bytes is taken, one byte more is too large', async () => {
    const euros = '€'.repeat(5_461) + 'x';
    expect(await postToChannel(chat, 'C1', 'key-1', { ...HELLO, text: euros })).toMatchObject({ status: 201 });
    expect(await postToChannel(chat, 'C1', 'key-2', { ...HELLO, text: `${euros}x` })).toEqual(
      problem(413, 'too_large'),
    );
  });

  it('a body beyond 64 KiB is too large, and the sender gets to read that', async () => {
    const body = JSON.stringify({ ...HELLO, padding: 'x'.repeat(3_000_000) });
    expect(await postToChannel(chat, 'C1', 'key-1', body)).toEqual(problem(413, 'too_large'));
  });

  it.each([
    ['not JSON', '{'],
    ['a list', []],
    ['null', null],
    ['no kind', { text: 'x', author: GRACE }],
    ['an unknown kind', { ...HELLO, kind: 'poll' }],
    ['no text', { kind: 'message', author: GRACE }],
    ['an empty text', { ...HELLO, text: '' }],
    ['a text that is a number', { ...HELLO, text: 7 }],
    ['a message without author', { kind: 'message', text: 'x' }],
    ['an author without server', { ...HELLO, author: { id: '@g:x', display_name: 'G' } }],
    ['a notice with an author', { ...HELLO, kind: 'notice' }],
    ['a time that no date can hold', { ...HELLO, sent_at: 9e15 }],
    ['a fractional time', { ...HELLO, sent_at: 1.5 }],
    ['visible_to that is no list', { ...HELLO, visible_to: 'U1' }],
    ['visible_to for nobody', { ...HELLO, visible_to: [] }],
    ['visible_to with an object', { ...HELLO, visible_to: [{}] }],
  ])('%s is invalid', async (_case, body) => {
    expect(await postToChannel(chat, 'C1', 'key-1', body)).toEqual(problem(422, 'invalid'));
  });

  it('text that is not UTF-8 is invalid', async () => {
    const answer = await contractCall(chat, 'channels/C1/messages', {
      method: 'POST',
      headers: { 'idempotency-key': 'key-1' },
      body: Buffer.from([0x22, 0xff, 0x22]),
    });
    expect(answer).toEqual(problem(422, 'invalid'));
  });

  it('a key that is missing or longer than 255 bytes is invalid', async () => {
    const post = { method: 'POST', body: JSON.stringify(HELLO) };
    expect(await contractCall(chat, 'channels/C1/messages', post)).toEqual(problem(422, 'invalid'));
    expect(await postToChannel(chat, 'C1', 'k'.repeat(256), HELLO)).toEqual(problem(422, 'invalid'));
    expect(await postToChannel(chat, 'C1', 'k'.repeat(255), HELLO)).toMatchObject({ status: 201 });
  });

  it('a private notice for somebody unknown is refused', async () => {
    const notice = { kind: 'notice', text: 'psst', visible_to: ['U1', 'U9'] };
    expect(await postToChannel(chat, 'C1', 'key-1', notice)).toEqual(problem(404, 'unknown_user'));
  });

  it('a broken surrogate pair is mended, so that every reader gets a text that UTF-8 can hold', async () => {
    await postToChannel(chat, 'C1', 'key-1', { ...HELLO, text: 'half \ud83d of a smile' });
    expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({
      events: [{ message: { text: 'half \ufffd of a smile' } }],
    });
  });

  it('unknown fields are ignored', async () => {
    const body = { ...HELLO, mood: 'happy', author: { ...GRACE, avatar: 'x' } };
    expect(await postToChannel(chat, 'C1', 'key-1', body)).toMatchObject({ status: 201 });
  });
});

describe('events', () => {
  it('a message of a person comes with author and channel; one of the gateway with its key', async () => {
    await writeAs(chat, 'ada', 'Good morning', 'c-1');
    const { body } = await postToChannel(chat, 'C1', 'key-1', HELLO);
    expect((await contractCall(chat, 'events?cursor=0')).body).toEqual({
      cursor: '2',
      events: [
        {
          id: expect.any(String),
          type: 'message',
          time: expect.any(Number),
          channel: { id: 'C1', name: 'general' },
          author: { id: 'U1', username: 'ada', display_name: 'Ada Lovelace' },
          message: { id: expect.any(String), text: 'Good morning', body: expect.any(Object) },
        },
        {
          id: expect.any(String),
          type: 'message',
          time: expect.any(Number),
          channel: { id: 'C1', name: 'general' },
          message: {
            id: (body as { message_id: string }).message_id,
            text: 'Hello from the other side',
            idempotency_key: 'key-1',
          },
        },
      ],
    });
  });

  it('the same cursor gives the same events, page by page, also after a restart under new names', async () => {
    for (let n = 0; n < 5; n++) await writeAs(chat, 'ada', `message ${n}`, `c-${n}`);
    const first = await contractCall(chat, 'events?cursor=0&limit=2');
    expect(first.body).toMatchObject({ cursor: '2', events: [{}, {}] });
    await chat.close();
    chat = await startChat({ ...options, people: [{ username: 'ada', displayName: 'Countess Lovelace' }] });
    expect(await contractCall(chat, 'events?cursor=0&limit=2')).toEqual(first);
    expect((await contractCall(chat, 'events?cursor=2&limit=500')).body).toMatchObject({
      cursor: '5',
      events: [
        { message: { text: 'message 2' } },
        { message: { text: 'message 3' } },
        { message: { text: 'message 4' } },
      ],
    });
    expect((await contractCall(chat, 'users/U1')).body).toMatchObject({ display_name: 'Countess Lovelace' });
  });

  it('latest is the present end, at once and without events', async () => {
    expect((await contractCall(chat, 'events?cursor=latest&wait=60')).body).toEqual({ events: [], cursor: '0' });
    await writeAs(chat, 'ada', 'x', 'c-1');
    expect((await contractCall(chat, 'events?cursor=latest&wait=60')).body).toEqual({ events: [], cursor: '1' });
    expect((await contractCall(chat, 'events?cursor=1')).body).toEqual({ events: [], cursor: '1' });
  });

  it.each(['1', '-1', '01', '1.0', 'abc', '', '9'.repeat(300), '%00'])('the cursor "%s" is unknown', async (cursor) => {
    expect(await contractCall(chat, `events?cursor=${cursor}`)).toEqual(problem(400, 'invalid_cursor'));
  });

  it.each(['', 'cursor=0&limit=0', 'cursor=0&limit=501', 'cursor=0&limit=x', 'cursor=0&wait=61', 'cursor=0&wait=-1'])(
    'the query "%s" is invalid',
    async (query) => {
      expect(await contractCall(chat, `events?${query}`)).toEqual(problem(422, 'invalid'));
    },
  );

  it('a waiting call is answered as soon as something happens', async () => {
    const waiting = contractCall(chat, 'events?cursor=0&wait=30');
    await sleep(100);
    const written = performance.now();
    await writeAs(chat, 'ada', 'wake up', 'c-1');
    expect((await waiting).body).toMatchObject({ cursor: '1', events: [{ message: { text: 'wake up' } }] });
    expect(performance.now() - written).toBeLessThan(1_000);
  });

  it('a waiting call that nothing happens for is answered with an empty list and its own cursor', async () => {
    expect((await contractCall(chat, 'events?cursor=0&wait=1')).body).toEqual({ events: [], cursor: '0' });
  });

  it('a caller that goes away while waiting harms nobody', async () => {
    const impatient = contractCall(chat, 'events?cursor=0&wait=60', { signal: AbortSignal.timeout(100) });
    await expect(impatient).rejects.toThrow('timeout');
    await writeAs(chat, 'ada', 'still here', 'c-1');
    expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({ cursor: '1' });
  });

  it('closing answers who waits instead of keeping them', async () => {
    const waiting = contractCall(chat, 'events?cursor=0&wait=60');
    await sleep(100);
    const begun = performance.now();
    await chat.close();
    expect((await waiting).body).toEqual({ events: [], cursor: '0' });
    expect(performance.now() - begun).toBeLessThan(1_500);
  });
});

describe('restart', () => {
  it('history and keys survive', async () => {
    const { body } = await postToChannel(chat, 'C1', 'key-1', HELLO);
    await writeAs(chat, 'ada', 'Hello Grace', 'c-1');
    await chat.close();
    chat = await startChat(options);
    expect(await postToChannel(chat, 'C1', 'key-1', HELLO)).toEqual({ status: 200, body });
    expect(await writeAs(chat, 'ada', 'Hello Grace', 'c-1')).toMatchObject({ status: 200 });
    expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({ cursor: '2' });
  });

  it('people and channels keep their ids when others are added', async () => {
    await chat.close();
    const people = [{ username: 'mary', displayName: 'Mary Somerville' }, ...options.people];
    chat = await startChat({ ...options, people, channels: ['news', ...options.channels] });
    expect((await contractCall(chat, 'users/U1')).body).toMatchObject({ username: 'ada' });
    expect((await contractCall(chat, 'users/U3')).body).toMatchObject({ username: 'mary' });
    expect((await contractCall(chat, 'channels/C3')).body).toMatchObject({ name: 'news' });
  });

  it('the file of another workspace is not opened', async () => {
    await expect(startChat({ ...options, workspace: { id: 'globex', name: 'Globex' } })).rejects.toThrow('"acme"');
  });
});

it('a request line that is no address is answered, not crashed on', async () => {
  const socket = connect(chat.port, '127.0.0.1');
  socket.end('GET //%zz?cursor=% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  expect(await contractCall(chat, 'capabilities')).toMatchObject({ status: 200 });
});
