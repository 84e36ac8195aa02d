import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, request as forward } from 'node:http';
import { type Server, createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Certificate {
  /** Paths of PEM files. */
  cert: string;
  key: string;
}

/** What goes wrong between two servers. */
export type NetworkFault =
  | 'connections refused'
  | 'a reset in mid-body'
  | 'no answer ever'
  | 'a second of latency'
  | 'the answer lost after processing'
  | 'every second request failing with 500'
  | 'a storm of 429'
  | 'a certificate for another name'
  | 'a certificate that nobody signed';

const LATENCY_MS = 1_000;
const RETRY_AFTER_MS = 500;

/** A reverse proxy with TLS in front of a gateway, at which faults can be switched on. Sound, it forwards everything. */
export class FaultyProxy {
  private readonly sockets = new Set<Socket>();
  private fault: NetworkFault | undefined;
  private requests = 0;
  private port = 0;
  /** Requests on which the fault was felt. */
  hits = 0;

  private constructor(
    private readonly to: number,
    private readonly certificates: Record<'sound' | 'other' | 'unsigned', Certificate>,
    private readonly server: Server,
  ) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy()); // we reset it, or the client did
      socket.once('close', () => this.sockets.delete(socket));
    });
    server.on('tlsClientError', () => (this.hits += 1));
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.answer(request, response).catch(() => response.destroy()); // the gateway is gone: so is its answer
    });
  }

  static async start(
    to: number,
    certificates: Record<'sound' | 'other' | 'unsigned', Certificate>,
  ): Promise<FaultyProxy> {
    const server = createServer({ minVersion: 'TLSv1.3', ...pem(certificates.sound), keepAliveTimeout: 60_000 });
    const proxy = new FaultyProxy(to, certificates, server);
    await proxy.listen();
    proxy.port = (server.address() as AddressInfo).port;
    return proxy;
  }

  /** The URL of the proxy under a name of the caller's choice. */
  urlAt(host: string): string {
    return `https://${host}:${String(this.port)}`;
  }

  /** From now on; undefined: sound. Open connections are closed, so that each side connects anew. */
  async set(fault: NetworkFault | undefined): Promise<void> {
    const before = this.fault;
    this.fault = fault;
    this.hits = 0;
    if (before === 'connections refused') await this.listen();
    if (fault === 'a certificate for another name') this.server.setSecureContext(pem(this.certificates.other));
    else if (fault === 'a certificate that nobody signed')
      this.server.setSecureContext(pem(this.certificates.unsigned));
    else this.server.setSecureContext(pem(this.certificates.sound));
    if (fault === 'connections refused') this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private async listen(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const { fault } = this;
    if (fault !== undefined) this.hits += 1;
    switch (fault) {
      case 'a reset in mid-body':
        request.once('data', () => request.socket.destroy());
        request.once('end', () => request.socket.destroy());
        return;
      case 'no answer ever':
        request.resume();
        return;
      case 'every second request failing with 500':
        if (this.requests % 2 === 0) break;
        await buffer(request);
        answerJson(response, 500, { errcode: 'M_UNKNOWN', error: 'injected' });
        return;
      case 'a storm of 429':
        await buffer(request);
        answerJson(response, 429, {
          errcode: 'M_LIMIT_EXCEEDED',
          error: 'injected',
          retry_after_ms: RETRY_AFTER_MS,
        });
        return;
      case 'a second of latency':
        await sleep(LATENCY_MS);
    }
    const body = await buffer(request);
    const outgoing = forward({
      host: '127.0.0.1',
      port: this.to,
      method: request.method,
      path: request.url,
      headers: request.headers,
    });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const whole = await buffer(incoming);
    if (fault === 'the answer lost after processing') {
      response.destroy();
      return;
    }
    response.writeHead(incoming.statusCode ?? 502, {
      'content-type': incoming.headers['content-type'] ?? 'application/json',
      'content-length': whole.length,
      ...(incoming.headers['retry-after'] === undefined ? {} : { 'retry-after': incoming.headers['retry-after'] }),
    });
    response.end(whole);
  }
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const pem = ({ cert, key }: Certificate): { cert: Buffer; key: Buffer } => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
});
