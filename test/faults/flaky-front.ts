import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request as ask } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before a chat: of the calls that change something, some are not passed on, and of some the answer is lost. */
export class FlakyFront {
  private readonly http: Server;
  failed = 0;
  /** Of calls with an idempotency key. */
  calls = 0;

  private constructor(
    private readonly target: URL,
    private readonly rate: number,
    private readonly random: () => number,
  ) {
    this.http = createServer((request, response) => {
      this.pass(request, response);
    });
  }

  /** `rate`: of the calls that fail, 0 to 1. */
  static async start(target: string, rate: number, random: () => number): Promise<FlakyFront> {
    const front = new FlakyFront(new URL(target), rate, random);
    front.http.listen(0, '127.0.0.1');
    await once(front.http, 'listening');
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    const changes = request.headers['idempotency-key'] !== undefined;
    if (changes) this.calls += 1;
    const fails = changes && this.random() < this.rate;
    if (fails) this.failed += 1;
    const before = fails && this.random() < 0.5;
    if (before) {
      request.resume();
      response.writeHead(503, { 'content-type': 'application/json' });
      response.end('{"error":{"code":"unavailable","message":"not now"}}');
      return;
    }
    const { hostname, port } = this.target;
    const onward = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers });
    onward.on('response', (answer) => {
      if (fails) {
        answer.resume();
        answer.on('end', () => response.destroy()); // it was done, and nobody learns of it
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }
}
