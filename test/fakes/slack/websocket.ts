import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const ACCEPT = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // RFC 6455 §1.3
const MAX_PAYLOAD = 1_048_576;
const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

interface Frame {
  final: boolean;
  opcode: number;
  payload: Buffer;
  /** Bytes that the frame took. */
  length: number;
}

/** The server's side of one WebSocket (RFC 6455): text messages, pings, closing; no extensions. */
export class ServerSocket {
  private buffered = Buffer.alloc(0);
  private fragments: Buffer[] = [];
  private closed = false;
  onText: (text: string) => void = () => undefined;
  onClose: () => void = () => undefined;
  /** false: pings are left unanswered, as by a connection that hangs. */
  answersPings = true;
  /** true: after the closing handshake the connection below stays, until the client ends it or we are closed. */
  lingers = false;

  constructor(
    request: IncomingMessage,
    private readonly socket: Duplex,
  ) {
    const key = request.headers['sec-websocket-key'] ?? '';
    const accept = createHash('sha1').update(`${key}${ACCEPT}`).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (data: Buffer) => this.take(data));
    socket.on('error', () => this.end());
    socket.on('close', () => this.end());
  }

  get open(): boolean {
    return !this.closed;
  }

  sendText(text: string): void {
    this.write(TEXT, Buffer.from(text));
  }

  ping(): void {
    this.write(PING, Buffer.from('Ping from applink'));
  }

  close(code = 1000): void {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.write(CLOSE, payload);
    if (!this.lingers) this.socket.end();
  }

  /** The connection is lost without a word. */
  destroy(): void {
    this.socket.destroy();
    this.end();
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
  }

  private write(opcode: number, payload: Buffer): void {
    if (this.closed || !this.socket.writable) return;
    const { length } = payload;
    const head = length < 126 ? Buffer.alloc(2) : Buffer.alloc(length < 65_536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
    if (head.length === 4) head.writeUInt16BE(length, 2);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
    this.socket.write(Buffer.concat([head, payload]));
  }

  private take(data: Buffer): void {
    this.buffered = Buffer.concat([this.buffered, data]);
    for (let frame = this.nextFrame(); frame !== undefined; frame = this.nextFrame()) {
      this.buffered = this.buffered.subarray(frame.length);
      this.handle(frame);
    }
  }

  private handle({ final, opcode, payload }: Frame): void {
    if (opcode === PING && this.answersPings) this.write(PONG, payload);
    if (opcode === CLOSE) {
      this.write(CLOSE, payload.subarray(0, 2));
      if (!this.lingers) this.socket.end();
      this.end();
    }
    if (opcode > 0x2) return;
    this.fragments.push(payload);
    if (!final) return;
    const text = Buffer.concat(this.fragments).toString('utf8');
    this.fragments = [];
    this.onText(text);
  }

  private nextFrame(): Frame | undefined {
    const bytes = this.buffered;
    const first = bytes[0];
    const second = bytes[1];
    if (first === undefined || second === undefined) return undefined;
    const short = second & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = 2 + extended + 4;
    if (bytes.length < start) return undefined;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if ((second & 0x80) === 0 || length > MAX_PAYLOAD) {
      // A client's frame is masked (RFC 6455 §5.1).
      this.destroy();
      return undefined;
    }
    if (bytes.length < start + length) return undefined;
    const mask = bytes.subarray(start - 4, start);
    const payload = Buffer.from(bytes.subarray(start, start + length));
    for (let index = 0; index < length; index += 1) payload[index] = (payload[index] ?? 0) ^ (mask[index % 4] ?? 0);
    return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload, length: start + length };
  }
}
