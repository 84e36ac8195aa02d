import type { Readable } from 'node:stream';
import type { ServerName } from '../protocol/index.js';

/** Why a file cannot be had: for good (`gone`, `too_large`), or now (`unavailable`). */
export class MediaError extends Error {
  constructor(
    readonly code: 'gone' | 'too_large' | 'unavailable',
    message: string,
  ) {
    super(message);
  }
}

export interface IncomingFile {
  /** Fails with MediaError when it does not come whole. */
  stream: Readable;
  /** As it was declared. */
  mimeType: string;
  name: string;
}

/** How media reaches other servers. Implemented by `federation`. Rejects with MediaError. */
export abstract class RemoteMedia {
  abstract download(server: ServerName, mediaId: string): Promise<IncomingFile>;
}
