import type { IncomingMessage } from 'node:http';
import { MatrixError } from '../../protocol/index.js';

/** What all requests together may hold in memory as bodies, from their first byte until they are answered. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Of one source, where sources can be told apart. */
const MAX_BYTES_OF_SOURCE = MAX_BYTES / 4;
const RETRY_AFTER_MS = 2_000;

export interface ReceivedBody {
  bytes: Buffer;
  /** Called once the body is not needed any more. */
  release(): void;
}

/** Reads bodies as bytes: bounded each, all together, and in time. */
export class RequestBodies {
  private held = 0;
  private readonly heldBySource = new Map<string, number>();

  constructor(private readonly timeoutMs: number) {}

  /** Rejects with MatrixError: 413 above `limit` bytes, 408 when it takes too long, 429 when there is no room for it now. */
  async read(request: IncomingMessage, limit: number, source: string | undefined): Promise<ReceivedBody> {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > limit) throw tooLarge(limit);
    const mine = { bytes: 0, source };
    const release = (): void => {
      this.give(mine);
    };
    try {
      return { bytes: await this.receive(request, limit, mine), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  private receive(request: IncomingMessage, limit: number, mine: Held): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const end = (error?: Error): void => {
        clearTimeout(deadline);
        request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
        if (error === undefined) resolve(Buffer.concat(chunks));
        else reject(error);
      };
      const onData = (chunk: Buffer): void => {
        if (mine.bytes + chunk.length > limit) end(tooLarge(limit));
        else if (!this.take(mine, chunk.length)) end(noRoom());
        else chunks.push(chunk);
      };
      const onEnd = (): void => {
        end();
      };
      const onError = (): void => {
        end(new MatrixError('M_NOT_JSON', 400, 'the body did not come whole'));
      };
      const onClose = onError;
      const deadline = setTimeout(() => {
        end(new MatrixError('M_UNKNOWN', 408, 'the body took too long'));
      }, this.timeoutMs);
      request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    });
  }

  private take(mine: Held, bytes: number): boolean {
    const ofSource = mine.source === undefined ? 0 : (this.heldBySource.get(mine.source) ?? 0) + bytes;
    if (this.held + bytes > MAX_BYTES || ofSource > MAX_BYTES_OF_SOURCE) return false;
    this.held += bytes;
    mine.bytes += bytes;
    if (mine.source !== undefined) this.heldBySource.set(mine.source, ofSource);
    return true;
  }

  private give(mine: Held): void {
    this.held -= mine.bytes;
    if (mine.source !== undefined) {
      const left = (this.heldBySource.get(mine.source) ?? 0) - mine.bytes;
      if (left > 0) this.heldBySource.set(mine.source, left);
      else this.heldBySource.delete(mine.source);
    }
    mine.bytes = 0;
  }
}

interface Held {
  bytes: number;
  source: string | undefined;
}

const tooLarge = (limit: number): MatrixError =>
  new MatrixError('M_TOO_LARGE', 413, `the body is larger than ${String(limit)} bytes`);
const noRoom = (): MatrixError =>
  new MatrixError('M_LIMIT_EXCEEDED', 429, 'too much is being received at once', { retry_after_ms: RETRY_AFTER_MS });
