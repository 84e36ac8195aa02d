import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCompany, TOKEN, writeAs } from '../../../demo/chat/a-chat.js';
import { type Chat, startChat } from '../../../demo/chat/server.js';

const KIT = fileURLToPath(new URL('../../../tools/platform-conformance.mjs', import.meta.url));

/** What a broken chat makes of an exchange with a good one. */
interface Defect {
  request?: (call: Call) => Partial<Call>;
  answer?: (call: Call, answer: Answer) => Partial<Answer>;
}
interface Call {
  method: string;
  path: string;
  key: string | undefined;
  authorization: string;
}
interface Answer {
  status: number;
  body: string;
}

let chat: Chat;
let front: Server | undefined;

beforeEach(async () => {
  chat = await startChat(aCompany());
});
afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  front = undefined;
  await chat.close();
});

/** The URL of a chat with this defect. */
async function broken({ request, answer }: Defect): Promise<string> {
  const handle = async (incoming: IncomingMessage): Promise<Answer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const { 'idempotency-key': header, authorization = '', 'content-type': type } = incoming.headers;
    const key = Array.isArray(header) ? header[0] : header;
    const asked = { method: incoming.method ?? 'GET', path: incoming.url ?? '/', key, authorization };
    const call = { ...asked, ...request?.(asked) };
    const headers = {
      authorization: call.authorization,
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(call.key === undefined ? {} : { 'idempotency-key': call.key }),
    };
    const passed = httpRequest(`${chat.url}${call.path}`, { method: call.method, headers, agent: false });
    passed.end(Buffer.concat(chunks));
    const [given] = (await once(passed, 'response')) as [IncomingMessage];
    const said = { status: given.statusCode ?? 0, body: (await buffer(given)).toString('latin1') };
    return { ...said, ...answer?.(asked, said) };
  };
  const server = createServer((incoming, response) => {
    handle(incoming).then(
      ({ status, body }) => {
        const bytes = Buffer.from(body, 'latin1');
        const length = status === 204 ? {} : { 'content-length': bytes.length };
        response.writeHead(status, { ...length, connection: 'close' }).end(bytes); // it passes on calls, not connections
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  front = server;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function runKit(url: string, ...more: string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, [KIT, '--url', `${url}/causeway`, '--token', TOKEN, ...more]);
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, output: output + errors };
}

const replaced =
  (from: string | RegExp, to: string) =>
  (_: Call, { body }: Answer) => ({
    body: body.replaceAll(from, to),
  });

describe('the conformance kit', () => {
  it('finds nothing wrong with the demo chat', async () => {
    const { code, output } = await runKit(chat.url, '--channel', 'C1', '--write');
    expect(output).toContain('Nothing is wrong.');
    expect(output).not.toContain('✗');
    expect(code).toBe(0);
  });

  it('finds nothing wrong with it behind the front that the broken chats have', async () => {
    expect(await runKit(await broken({}), '--channel', 'C1', '--write')).toMatchObject({ code: 0 });
  });

  it('writes nothing without --write', async () => {
    expect((await runKit(chat.url)).code).toBe(0);
    const events = await fetch(`${chat.url}/causeway/v1/events?cursor=0`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(await events.json()).toMatchObject({ events: [] });
  });

  it('hears what a person writes', async () => {
    const child = spawn(process.execPath, [
      ...[KIT, '--url', `${chat.url}/causeway`, '--token', TOKEN],
      ...['--channel', 'C1', '--person'],
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (chunk.includes('? Now write')) void writeAs(chat, 'ada', 'Good morning', 'client-1');
    });
    const [code] = await once(child, 'close');
    expect(output).toContain('✓ tells what a person writes');
    expect(code).toBe(0);
  });

  it('says what it needs, and ends with 2', async () => {
    expect(await runKit(chat.url, '--write')).toMatchObject({ code: 2, output: expect.stringContaining('--channel') });
  });

  it('a chat that is not there is a defect of every check', async () => {
    const { code, output } = await runKit('http://127.0.0.1:1');
    expect(code).toBe(1);
    expect(output).toContain('gave no answer');
    expect(output).not.toContain('✓');
  });

  let calls = 0;
  const isPost = ({ method, path }: Call): boolean => method === 'POST' && path.endsWith('/messages');
  const DEFECTS: Record<string, Defect & { finds: string }> = {
    'lets everybody in': {
      request: () => ({ authorization: `Bearer ${TOKEN}` }),
      finds: 'lets nobody in without the token',
    },
    'forgets its keys': {
      request: (call) => (isPost(call) && call.key ? { key: `${call.key}-${String((calls += 1))}` } : {}),
      finds: 'makes one message for each key',
    },
    'says of every message that it is new': {
      answer: (call, { status }) => (isPost(call) && status === 200 ? { status: 201 } : {}),
      finds: 'makes one message for each key',
    },
    'gives an event another id each time': {
      answer: ({ path }, { body }) =>
        path.includes('/events')
          ? { body: body.replace(/"id":"(?=[^"]*","type")|"id":"(?=E-)/g, () => `"id":"${String((calls += 1))}-`) }
          : {},
      finds: 'gives the same events for the same cursor',
    },
    'never waits': {
      request: ({ path }) => ({ path: path.replace(/&wait=\d+/, '') }),
      finds: 'waits for events, and not too long',
    },
    'takes any cursor': {
      request: ({ path }) => ({ path: path.replace(/cursor=(?!\d)[^&]*/, 'cursor=latest') }),
      finds: 'refuses a cursor that it never gave',
    },
    'has one code for everything': {
      answer: replaced(/unknown_(channel|user)/g, 'not_found'),
      finds: 'knows what it does not have',
    },
    'fails where the caller is wrong': {
      answer: (_, { status }) => (status === 422 ? { status: 500 } : {}),
      finds: 'refuses messages that are none',
    },
    'knows no limit': {
      answer: (_, { status }) => (status === 413 ? { status: 201, body: '{"message_id":"M1"}' } : {}),
      finds: 'keeps to its own limit',
    },
    'hides what Causeway did': {
      answer: replaced('"by_causeway":true', '"by_causeway":false'),
      finds: 'edits what it was given',
    },
    'loses threads': { answer: replaced('"thread":', '"string":'), finds: 'keeps threads' },
    'loses answers': { answer: replaced('"reply_to":', '"about":'), finds: 'keeps answers' },
    'changes files': {
      answer: ({ method, path }, { body }) =>
        method === 'GET' && path.includes('/files/') ? { body: body.slice(1) } : {},
      finds: 'gives files back as they were',
    },
    'claims a contract of the future': { answer: replaced('"1.1"', '"9.0"'), finds: 'says who it is and what it can' },
    'changes text': { answer: replaced('<b>', ''), finds: 'makes one message for each key' },
    'answers no JSON': {
      answer: ({ path }) => (path.includes('/members') ? { body: 'OK' } : {}),
      finds: 'names the people of a channel',
    },
    'does not delete': {
      answer: ({ method }, { status }) =>
        method === 'DELETE' ? { status: status === 204 ? 200 : status, body: '{}' } : {},
      finds: 'takes messages away',
    },
    'keeps its topic': {
      answer: ({ method, path }) =>
        method === 'GET' && path.endsWith('/channels/C1') ? { body: '{"id":"C1","name":"general"}' } : {},
      finds: "changes a channel's topic, and says so",
    },
  };

  it.each(Object.keys(DEFECTS))('finds a chat that %s', async (name) => {
    const { finds = '', ...defect } = DEFECTS[name] ?? {};
    const { code, output } = await runKit(await broken(defect), '--channel', 'C1', '--write');
    expect(output).toContain(`✗ ${finds}`);
    expect(output).toContain('contract: ');
    expect(code).toBe(1);
  });
});
