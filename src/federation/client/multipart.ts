const MAX_HEADER_BYTES = 16_384;
const MAX_JSON_BYTES = 65_536;
const CRLF2 = Buffer.from('\r\n\r\n');

/** An answer that is no multipart/mixed of two parts. */
export class BadMultipart extends Error {}

export interface FilePart {
  headers: ReadonlyMap<string, string>;
  /** Fails with BadMultipart when it ends before its boundary. */
  content: AsyncGenerator<Buffer>;
}

/** The boundary that a Content-Type names (RFC 2046 §5.1). Throws BadMultipart. */
export function boundaryOf(contentType: string): string {
  const boundary = /^multipart\/mixed\s*;.*\bboundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const found = boundary?.[1] ?? boundary?.[2];
  if (found === undefined) throw new BadMultipart('the answer is not multipart/mixed');
  return found;
}

/** The second part of an answer of two, whose first is JSON that says nothing (server-server API, Content Repository). Rejects with BadMultipart. */
export async function filePart(body: AsyncIterable<Uint8Array>, boundary: string): Promise<FilePart> {
  const reader = new Reader(body);
  await reader.until(Buffer.from(`--${boundary}`), MAX_HEADER_BYTES);
  const between = Buffer.from(`\r\n--${boundary}`);
  await reader.until(CRLF2, MAX_HEADER_BYTES); // headers of the JSON
  await reader.until(between, MAX_JSON_BYTES);
  const head = await reader.until(CRLF2, MAX_HEADER_BYTES);
  return { headers: headersOf(head.toString('latin1')), content: reader.upTo(between) };
}

function headersOf(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const [, name, value] = /^([!-9;-~]{1,100}):[ \t]*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) headers.set(name.toLowerCase(), value.trim());
  }
  return headers;
}

class Reader {
  private buffer: Buffer = Buffer.alloc(0);
  private readonly chunks: AsyncIterator<Uint8Array>;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.chunks = body[Symbol.asyncIterator]();
  }

  /** What stands before the next `mark`, at most `max` bytes; the mark is read too. */
  async until(mark: Buffer, max: number): Promise<Buffer> {
    for (;;) {
      const at = this.buffer.indexOf(mark);
      if (at >= 0) {
        const before = this.buffer.subarray(0, at);
        this.buffer = this.buffer.subarray(at + mark.length);
        return before;
      }
      if (this.buffer.length > max) throw new BadMultipart('a part of the answer does not begin');
      if (!(await this.more())) throw new BadMultipart('the answer ends before its file');
    }
  }

  /** The bytes up to `mark`, as they come. */
  async *upTo(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.buffer.indexOf(mark);
      if (at >= 0) {
        if (at > 0) yield this.buffer.subarray(0, at);
        return;
      }
      const certain = this.buffer.length - mark.length + 1; // the rest may be the beginning of the mark
      if (certain > 0) {
        yield this.buffer.subarray(0, certain);
        this.buffer = this.buffer.subarray(certain);
      }
      if (!(await this.more())) throw new BadMultipart('the file is cut off');
    }
  }

  private async more(): Promise<boolean> {
    const next: IteratorResult<Uint8Array, unknown> = await this.chunks.next();
    if (next.done === true) return false;
    this.buffer = Buffer.concat([this.buffer, next.value]);
    return true;
  }
}
