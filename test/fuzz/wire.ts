import { type Socket, connect } from 'node:net';

/** What came back for a request: an answer, a connection that was closed without one, or nothing in time. */
export type WireAnswer = { kind: 'answer'; status: number; head: string; body: Buffer } | { kind: 'closed' | 'silent' };

export interface WireRequest {
  bytes: Buffer;
  /** HEAD has no body in its answer. */
  method: string;
  /** The bytes are one whole request of HTTP/1.1: it must be answered, and the connection can be used again. */
  framed: boolean;
}

const PATIENCE_MS = 60_000;
/** What is not a whole request may be waited on by the other side for long; we go. */
const UNFRAMED_PATIENCE_MS = 250;

/** One connection at a time, kept alive, that sends bytes as they are: an HTTP library would mend what we break. */
export class Wire {
  private socket: Socket | undefined;

  constructor(private readonly port: number) {}

  async exchange(request: WireRequest): Promise<WireAnswer> {
    const reused = this.socket !== undefined && request.framed;
    const answer = await this.once(request);
    // A connection that was idle may be closed by the other side just when it is used again.
    return answer.kind === 'closed' && reused ? this.once(request) : answer;
  }

  close(): void {
    this.socket?.destroy();
    this.socket = undefined;
  }

  private once({ bytes, method, framed }: WireRequest): Promise<WireAnswer> {
    if (!framed) this.close();
    const socket = this.socket ?? connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.socket = socket;
    return new Promise((resolve) => {
      let received: Buffer = Buffer.alloc(0);
      const finish = (answer: WireAnswer): void => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.on('error', () => undefined); // a connection that is given up, or
        socket.once('close', () => {
          if (this.socket === socket) this.socket = undefined; // one that was idle for too long
        });
        const reusable = answer.kind === 'answer' && framed && !/^connection: *close/im.test(answer.head);
        if (!reusable) this.close();
        resolve(answer);
      };
      const timer = setTimeout(
        () => {
          finish({ kind: 'silent' });
        },
        framed ? PATIENCE_MS : UNFRAMED_PATIENCE_MS,
      );
      socket.on('data', (chunk) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const answer = parseAnswer(received, method, false);
        if (answer !== undefined) finish(answer);
      });
      const ended = (): void => {
        finish(parseAnswer(received, method, true) ?? { kind: 'closed' });
      };
      socket.on('end', ended).on('close', ended).on('error', ended);
      socket.write(bytes);
    });
  }
}

/** The first final answer in the bytes; undefined while it is not whole. `ended`: no more will come. */
function parseAnswer(bytes: Buffer, method: string, ended: boolean): WireAnswer | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.subarray(0, headEnd).toString('latin1');
  const status = Number(/^HTTP\/1\.[01] ([1-9][0-9]{2})/.exec(head)?.[1] ?? 0);
  const rest = bytes.subarray(headEnd + 4);
  if (status >= 100 && status < 200) return parseAnswer(rest, method, ended);
  const whole = (body: Buffer): WireAnswer => ({ kind: 'answer', status, head, body });
  if (method === 'HEAD' || status === 204 || status === 304) return whole(Buffer.alloc(0));
  const length = /^content-length: *([0-9]+)/im.exec(head)?.[1];
  if (length !== undefined) {
    return rest.length >= Number(length) ? whole(rest.subarray(0, Number(length))) : undefined;
  }
  if (/^transfer-encoding: *chunked/im.test(head)) return dechunked(rest, whole);
  return ended ? whole(rest) : undefined;
}

function dechunked(rest: Buffer, whole: (body: Buffer) => WireAnswer): WireAnswer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = parseInt(rest.subarray(at, lineEnd).toString('latin1'), 16);
    const start = lineEnd + 2;
    if (rest.length < start + size + 2) return undefined;
    if (size === 0) return whole(Buffer.concat(parts));
    parts.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
}
