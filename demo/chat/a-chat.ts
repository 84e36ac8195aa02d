import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChatOptions } from './server.js';

export const TOKEN = 'secret-of-acme';

/** Options of a small company for tests: Ada is U1, Charles U2; #general is C1, #random C2. */
export function aCompany(changes: Partial<ChatOptions> = {}): ChatOptions {
  return {
    port: 0,
    databasePath: join(mkdtempSync(join(tmpdir(), 'chat-')), 'chat.sqlite'),
    workspace: { id: 'acme', name: 'Acme Industries' },
    token: TOKEN,
    people: [
      { username: 'ada', displayName: 'Ada Lovelace' },
      { username: 'charles', displayName: 'Charles Babbage' },
    ],
    channels: ['general', 'random'],
    ...changes,
  };
}

export const GRACE = { id: '@grace:globex.example', display_name: 'Grace Hopper', server: 'globex.example' };

export interface Answer {
  status: number;
  body: unknown;
}

/** One call of the contract, as the gateway makes it. */
export async function contractCall(chat: { url: string }, path: string, init: RequestInit = {}): Promise<Answer> {
  const headers = new Headers(init.headers);
  if (!headers.has('authorization')) headers.set('authorization', `Bearer ${TOKEN}`);
  const response = await fetch(`${chat.url}/causeway/v1/${path}`, { ...init, headers });
  return { status: response.status, body: await response.json() };
}

export function postToChannel(chat: { url: string }, channelId: string, key: string, body: unknown): Promise<Answer> {
  return contractCall(chat, `channels/${channelId}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** What the page sends when a person writes. */
export async function writeAs(
  chat: { url: string },
  username: string,
  text: string,
  clientId: string,
): Promise<Answer> {
  const response = await fetch(`${chat.url}/api/channels/C1/messages?as=${username}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: clientId, text }),
  });
  return { status: response.status, body: await response.json() };
}
