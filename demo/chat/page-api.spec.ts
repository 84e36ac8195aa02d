import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { aCompany, contractCall, GRACE, postToChannel, writeAs } from './a-chat.js';
import { type Chat, type ChatOptions, startChat } from './server.js';

let options: ChatOptions;
let chat: Chat;

beforeEach(async () => {
  options = aCompany();
  chat = await startChat(options);
});
afterEach(() => chat.close());

async function history(username: string, query = ''): Promise<{ messages: { text: string }[]; more: boolean }> {
  const response = await fetch(`${chat.url}/api/channels/C1/messages?as=${username}&${query}`);
  return (await response.json()) as { messages: { text: string }[]; more: boolean };
}

/** Reads the stream until `count` messages came; their ids and texts. */
async function listen(query: string, count: number, headers: Record<string, string> = {}): Promise<string[]> {
  const leaving = new AbortController();
  const response = await fetch(`${chat.url}/api/live?${query}`, { headers, signal: leaving.signal });
  const seen: string[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(block) ?? [];
      if (id !== undefined) seen.push(`${id} ${(JSON.parse(data ?? '') as { text: string }).text}`);
    }
    if (seen.length >= count) break;
  }
  leaving.abort();
  return seen;
}

it('history comes in pages, oldest first within a page', async () => {
  for (let n = 1; n <= 5; n++) await writeAs(chat, 'ada', `m${n}`, `c-${n}`);
  const last = await history('charles', 'limit=2');
  expect([last.messages.map(({ text }) => text), last.more]).toEqual([['m4', 'm5'], true]);
  const first = await history('charles', 'limit=3&before=4');
  expect([first.messages.map(({ text }) => text), first.more]).toEqual([['m1', 'm2', 'm3'], false]);
});

it('a client id makes one message of each person', async () => {
  expect(await writeAs(chat, 'ada', 'once', 'c-1')).toMatchObject({ status: 201 });
  expect(await writeAs(chat, 'ada', 'once', 'c-1')).toMatchObject({ status: 200 });
  expect(await writeAs(chat, 'charles', 'mine', 'c-1')).toMatchObject({ status: 201 });
  expect((await history('ada')).messages.map(({ text }) => text)).toEqual(['once', 'mine']);
});

/** What a browser sends when a page of another site, or of another name, makes it write. `fetch` would not send it. */
async function writeFrom(headers: Record<string, string>): Promise<number | undefined> {
  const call = request(`${chat.url}/api/channels/C1/messages?as=ada`, { method: 'POST', headers });
  call.end(JSON.stringify({ client_id: headers.origin ?? headers.host, text: 'Hello' }));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

it('a page of another site can neither write nor read', async () => {
  const origins = ['https://evil.example', `http://127.0.0.1:${chat.port + 1}`, 'null', 'not an origin'];
  for (const origin of origins) expect(await writeFrom({ origin })).toBe(403);
  for (const host of ['evil.example', `evil.example:${chat.port}`, '127.0.0.1.evil.example', 'localhost.']) {
    expect(await writeFrom({ host })).toBe(403);
    expect(await writeFrom({ host, origin: `http://${host}` })).toBe(403);
  }
  expect((await history('ada')).messages).toEqual([]);
  expect(await writeFrom({ origin: chat.url })).toBe(201);
});

it('the page is reached by its own names, also behind a proxy', async () => {
  await chat.close();
  chat = await startChat({ ...options, hostnames: ['chat.acme.example'] });
  const names = ['chat.acme.example', 'localhost:80', 'acme.localhost', 'chat-acme', '192.0.2.1:8101', '[::1]:8101'];
  for (const host of names) expect(await writeFrom({ host, origin: `http://${host}` })).toBe(201);
  expect(await writeFrom({ host: '127.0.0.1:8101', origin: 'https://chat.acme.example' })).toBe(201);
});

it('the guests of a channel are those whose messages one may see, under their newest names', async () => {
  const guests = async (as: string): Promise<unknown> => {
    const response = await fetch(`${chat.url}/api/workspace?as=${as}`);
    return ((await response.json()) as { channels: { guests: unknown }[] }).channels.map((channel) => channel.guests);
  };
  const hello = { kind: 'message', text: 'Hello' };
  const admiral = { ...GRACE, display_name: 'Admiral Hopper' };
  const lin = { id: '@lin:initech.example', display_name: 'Lin', server: 'initech.example' };
  await postToChannel(chat, 'C1', 'key-1', { ...hello, author: GRACE });
  await postToChannel(chat, 'C1', 'key-2', { ...hello, author: admiral });
  await postToChannel(chat, 'C1', 'key-3', { ...hello, author: lin, visible_to: ['U1'] });
  await postToChannel(chat, 'C1', 'key-4', { kind: 'notice', text: 'shared' });
  expect(await guests('ada')).toEqual([[admiral, lin], []]);
  expect(await guests('charles')).toEqual([[admiral], []]);
  expect(await guests('')).toEqual([[], []]);
});

it('nobody writes in an archived channel, as nobody, or nothing', async () => {
  expect(await writeAs(chat, 'nobody', 'x', 'c-1')).toMatchObject({ status: 404 });
  expect(await writeAs(chat, 'ada', ' \n ', 'c-1')).toMatchObject({ status: 422 });
  await fetch(`${chat.url}/api/channels/C1/archived`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"archived":true}',
  });
  expect(await writeAs(chat, 'ada', 'x', 'c-1')).toMatchObject({
    status: 409,
    body: { error: { code: 'channel_archived' } },
  });
});

it('a private notice is seen by its addressee alone, in history, live and in the unread positions', async () => {
  const notice = { kind: 'notice', text: 'Your message was refused', visible_to: ['U1'] };
  await postToChannel(chat, 'C1', 'key-1', notice);
  await postToChannel(chat, 'C1', 'key-2', { kind: 'message', text: 'for all', author: GRACE });
  expect((await history('ada')).messages).toMatchObject([
    { text: 'Your message was refused', kind: 'notice', private: true },
    { text: 'for all', kind: 'message', private: false, author: { server: 'globex.example' } },
  ]);
  expect((await history('charles')).messages).toMatchObject([{ text: 'for all' }]);
  expect(await listen('as=ada&after=0', 2)).toEqual(['1 Your message was refused', '2 for all']);
  expect(await listen('as=charles&after=0', 1)).toEqual(['2 for all']);

  await postToChannel(chat, 'C2', 'key-3', notice);
  const channels = async (as: string) => {
    const response = await fetch(`${chat.url}/api/workspace?as=${as}`);
    return ((await response.json()) as { channels: { last_position: number }[] }).channels;
  };
  expect(await channels('ada')).toMatchObject([{ last_position: 2 }, { last_position: 3 }]);
  expect(await channels('charles')).toMatchObject([{ last_position: 2 }, { last_position: 0 }]);
});

it('live updates go on behind Last-Event-ID, which counts more than the address; nothing is lost or repeated', async () => {
  for (let n = 1; n <= 250; n++) await postToChannel(chat, 'C1', `key-${n}`, { kind: 'notice', text: `m${n}` });
  const missed = listen('as=ada&after=0', 241, { 'last-event-id': '10' });
  await writeAs(chat, 'charles', 'm251', 'c-1');
  expect(await missed).toEqual(Array.from({ length: 241 }, (_, n) => `${n + 11} m${n + 11}`));
});

it('a page that knows more than the log is told to begin anew', async () => {
  const response = await fetch(`${chat.url}/api/live?as=ada`, { headers: { 'last-event-id': '99' } });
  expect(await response.text()).toContain('event: reset');
});

it('closing ends the streams of open pages', async () => {
  const stream = await fetch(`${chat.url}/api/live?as=ada`);
  await chat.close();
  await expect(stream.text()).resolves.toContain('event: channels');
});

it('the page comes with a strict policy, and nothing beside its folder is served', async () => {
  const page = await fetch(`${chat.url}/`);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|\son\w+=|style=|https?:/);
  for (const path of ['..%2fserver.ts', 'server.ts', 'web/app.js', 'app.js/x', 'app.js%00']) {
    expect((await fetch(`${chat.url}/${path}`)).status).toBe(404);
  }
});

it('markup in texts and names travels as text', async () => {
  const text = '<img src=x onerror="alert(1)">&amp;\u2028';
  const author = { ...GRACE, display_name: '<b>Grace</b>' };
  await postToChannel(chat, 'C1', 'key-1', { kind: 'message', text, author });
  expect((await history('ada')).messages).toMatchObject([{ text, author: { display_name: '<b>Grace</b>' } }]);
  expect((await contractCall(chat, 'events?cursor=0')).body).toMatchObject({ events: [{ message: { text } }] });
});
