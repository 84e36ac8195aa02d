import { once } from 'node:events';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from '../../src/protocol/index.js';
import { type Peer, peerUrl } from './peer.js';

export interface Answer {
  status: number;
  json: JsonObject;
}

export interface Front {
  url: string;
  close(): Promise<void>;
}

/** Stands in front of a peer and gives its answers the habits of another server: `habit` gets each, and says what is answered. */
export async function withHabits(
  peer: Peer,
  habit: (request: { method: string; path: string }, answer: Answer) => Answer | Promise<Answer>,
): Promise<Front> {
  const server = createServer((request, response) => {
    const answered = forward(peer, request).then(async (answer) => {
      const path = decodeURIComponent(request.url ?? '');
      const { status, json } = await habit({ method: request.method ?? '', path }, answer);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
    answered.catch(() => response.destroy()); // the peer closed the connection: so do we
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function forward(peer: Peer, request: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method = 'GET', headers, url = '' } = request;
  const answer = await fetch(`${peerUrl(peer)}${url}`, {
    method,
    headers: { authorization: headers.authorization ?? '', 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: Buffer.concat(chunks) }),
  });
  return { status: answer.status, json: (await answer.json()) as JsonObject };
}
