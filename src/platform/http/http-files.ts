import type { Readable } from 'node:stream';
import { fileName } from '../../message/index.js';
import { PlatformError, type RemoteFile } from '../port.js';

const UNKNOWN_TYPE = 'application/octet-stream';
const NAME = /filename\*=UTF-8''([^;]+)/i;

/** A file of the chat by the headers of its answer. Rejects one without a length: how much comes is to be known beforehand. */
export function fileOf(stream: Readable, headers: Readonly<Record<string, string | string[] | undefined>>): RemoteFile {
  const size = Number(one(headers['content-length']));
  if (!Number.isSafeInteger(size) || size < 0) {
    stream.destroy();
    throw new PlatformError('invalid', 'the chat does not say how large the file is', { certainlyNotDone: true });
  }
  const disposition = NAME.exec(one(headers['content-disposition']) ?? '')?.[1] ?? '';
  return {
    stream,
    size,
    mimeType: one(headers['content-type']) ?? UNKNOWN_TYPE,
    name: fileName(decoded(disposition)) ?? 'file',
  };
}

const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not encoded: its letters are its name
  }
}
