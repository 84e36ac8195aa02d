import { EventEmitter, once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonValue } from '../../src/protocol/index.js';
import { type ScriptedHub, algorithms } from './algorithms.js';
import { Attacker } from './attacker.js';
import { mutateAnswer, rightAnswer } from './mutate-answer.js';
import type { Names } from './mutate-event.js';
import type { Random } from './random.js';

const { Peer } = algorithms;

/** A server that answers as the scripted peer does, except where it is told to say something else. */
export class HostileServer extends EventEmitter {
  readonly peer: ScriptedHub;
  readonly attacker: Attacker;
  /** What was said instead. */
  readonly lies: string[] = [];
  private readonly lying = new Set<string>();

  constructor(
    readonly name: string,
    peers: Record<string, string>,
    private readonly names: Names,
    private readonly random: Random,
  ) {
    super();
    this.attacker = new Attacker(name);
    this.peer = new Peer(name, { keep: false, peers, faults: ['omit'] });
  }

  /** Answers of this endpoint (`keys`, `make_join`, `send`, …) are hostile from now on. */
  lieAt(...endpoints: string[]): void {
    for (const endpoint of endpoints) this.lying.add(endpoint);
  }

  respond(request: IncomingMessage, response: ServerResponse): void {
    const endpoint = endpointOf(request.url ?? '');
    let status = 200;
    const captured = {
      writeHead: (code: number) => (status = code),
      end: (text: string) => {
        // The scripted peer has no names for rooms.
        const alias = endpoint === 'query' ? { room_id: `!r:${this.name}`, servers: [this.name] } : undefined;
        const right = !this.lying.has(endpoint) || (status !== 200 && alias === undefined);
        const answer = right
          ? rightAnswer(status, text)
          : mutateAnswer(alias ?? (JSON.parse(text) as JsonValue), this.attacker, this.names, this.random);
        if (!right) this.lies.push(`${endpoint}: ${answer.what}`);
        response.socket?.end(answer.bytes);
        this.emit('answered', endpoint);
      },
    };
    this.peer.listener(request, captured as unknown as ServerResponse);
  }
}

const endpointOf = (url: string): string =>
  url === '/_matrix/key/v2/server'
    ? 'keys'
    : (/\/(?:v\d|linearized-matrix\.02|unstable\/[^/]+)\/([a-z_]+)/.exec(url)?.[1] ?? '');

/** Many servers behind one port, told apart by the Host header. */
export class HostileInternet {
  private readonly servers = new Map<string, HostileServer>();
  private listener: Server | undefined;

  async listen(): Promise<this> {
    this.listener = createServer((request, response) => {
      const server = this.servers.get(request.headers.host ?? '');
      if (server !== undefined) server.respond(request, response);
      else
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"errcode":"M_NOT_FOUND","error":"gone"}');
    }).listen(0, '127.0.0.1');
    await once(this.listener, 'listening');
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.listener?.address() as AddressInfo).port)}`;
  }

  add(server: HostileServer): void {
    this.servers.set(server.name, server);
  }

  async remove(server: HostileServer): Promise<void> {
    this.servers.delete(server.name);
    await server.peer.close();
  }

  async close(): Promise<void> {
    this.listener?.closeAllConnections();
    this.listener?.close();
    if (this.listener !== undefined) await once(this.listener, 'close');
  }
}
