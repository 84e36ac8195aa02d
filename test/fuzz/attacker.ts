import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject, JsonValue } from '../../src/protocol/index.js';
import { type PeerKey, algorithms } from './algorithms.js';

const { SigningKey, lpduHash, pduHash } = algorithms;

/** A request without headers, and the JSON that its signature is over. */
export interface Signable {
  method: string;
  uri: string;
  content?: JsonValue;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Answers of an attacker's server that are not the plain ones; undefined: take the plain one. */
export type Answering = (
  request: IncomingMessage,
  body: Buffer,
) => { status: number; body: Buffer | string } | 'taken' | undefined;

/**
 * A server that the fuzzer owns: it has keys, is asked for them, and takes whatever the gateway sends. `intercept` may answer
 * in its place.
 */
export class Attacker {
  readonly key: PeerKey;
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  answering: Answering | undefined;
  private server: Server | undefined;

  constructor(readonly name: string) {
    this.key = new SigningKey(name, sha256(name)); // as the scripted peer of that name has it
  }

  async listen(): Promise<this> {
    this.server = createServer((request, response) => {
      if (this.intercept?.(request, response)) return;
      const chunks: Buffer[] = [];
      request.on('error', () => undefined);
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        const answer = this.answering?.(request, body) ?? this.plain(request, body);
        if (answer === 'taken') return;
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
      });
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.server?.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    this.server?.closeAllConnections();
    this.server?.close();
    if (this.server !== undefined) await once(this.server, 'close');
  }

  user(localpart: string): string {
    return `@${localpart}:${this.name}`;
  }

  authorization(destination: string, { method, uri, content }: Signable): string {
    const { name, key } = this;
    const signed = { method, uri, origin: name, destination, ...(content === undefined ? {} : { content }) };
    return `X-Matrix origin="${name}",destination="${destination}",key="${key.keyId}",sig="${key.signature(signed)}"`;
  }

  /** A participant's event: hashed, and signed by this server in the name of the one that it is given. */
  lpdu(template: JsonObject): JsonObject {
    return this.key.signEvent({ ...template, hashes: { lpdu: { sha256: lpduHash(template) } } });
  }

  /** A hub's event: an event of its own, or a completed LPDU. */
  pdu(event: JsonObject, fields: { auth_events: string[]; prev_events: string[] }): JsonObject {
    const lpdu = (event.hashes as JsonObject | undefined)?.lpdu;
    const bare: JsonObject = { ...event, ...fields, hashes: lpdu === undefined ? {} : { lpdu } };
    return this.key.signEvent({ ...bare, hashes: { ...(bare.hashes as JsonObject), sha256: pduHash(bare) } });
  }

  keys(): JsonObject {
    return this.key.signObject({
      server_name: this.name,
      valid_until_ts: Date.now() + 12 * 3_600_000,
      'm.linearized': true,
      verify_keys: { [this.key.keyId]: { key: this.key.public } },
      old_verify_keys: {},
    });
  }

  private plain({ method, url = '' }: IncomingMessage, body: Buffer): { status: number; body: string } {
    const json = (status: number, value: unknown) => ({ status, body: JSON.stringify(value) });
    if (url === '/_matrix/key/v2/server') return json(200, this.keys());
    if (method === 'PUT' && url.includes('/send/')) return json(200, { failed_pdus: {} });
    if (method === 'POST' && url.includes('/invite/')) {
      const { event } = JSON.parse(body.toString()) as { event: JsonObject };
      const signed = this.key.signEvent(event);
      return json(200, { pdu: signed, event: signed });
    }
    return json(404, { errcode: 'M_NOT_FOUND', error: 'not here' });
  }
}
