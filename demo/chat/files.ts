import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Problem, notFound } from './http.js';
import type { Store } from './store.js';

export interface FileView {
  id: string;
  name: string;
  type: string;
  size: number;
}

/** Published to the gateway as `limits.max_file_bytes`. */
export const MAX_FILE_BYTES = 50 * 1_048_576;
const MAX_NAME = 200;
const UNKNOWN_TYPE = 'application/octet-stream';
const TYPE = /^[a-z]+\/[a-z0-9.+-]{1,80}$/;
/** What browsers show and cannot run. */
const INLINE = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'video/mp4',
  'video/webm',
  'audio/mpeg',
  'audio/ogg',
]);

/** Files of messages: their bytes lie in a folder, what is known of them in the database. */
export class Files {
  readonly #store: Store;
  readonly #folder: string;

  constructor(store: Store, folder: string) {
    this.#store = store;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** @throws Problem 413 beyond {@link MAX_FILE_BYTES}. */
  async keep(request: IncomingMessage, name: string, type: string | undefined): Promise<FileView> {
    const id = `F-${this.#store.ports.newId()}`;
    const part = join(this.#folder, `${id}.part`);
    let size = 0;
    try {
      await pipeline(
        bounded(request, (bytes) => (size = bytes)),
        createWriteStream(part, { mode: 0o600 }),
      );
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    await rename(part, join(this.#folder, id));
    const file = { id, name: cleanName(name), type: TYPE.test(type ?? '') ? (type ?? '') : UNKNOWN_TYPE, size };
    this.#store.inOne(() =>
      this.#store.database
        .prepare('INSERT INTO file (id, name, type, size) VALUES (:id, :name, :type, :size)')
        .run(file),
    );
    return file;
  }

  find(id: string): FileView | undefined {
    return this.#store.database.prepare<[string], FileView>('SELECT * FROM file WHERE id = ?').get(id);
  }

  /** `download`: never shown inside of the page. @throws Problem 404 */
  async send(response: ServerResponse, id: string, { download }: { download: boolean }): Promise<void> {
    const file = this.find(id);
    if (!file) throw new Problem(404, 'unknown_file', 'There is no file with this id.');
    const inline = !download && INLINE.has(file.type);
    response.writeHead(200, {
      'content-type': inline || download ? file.type : UNKNOWN_TYPE,
      'content-length': file.size,
      'content-disposition': `${inline ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeURIComponent(file.name)}`,
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=86400, immutable',
    });
    await pipeline(createReadStream(join(this.#folder, file.id)), response).catch(() => response.destroy());
  }
}

/** Reads a file that is here already: an answer before the end of the request leaves its sender in doubt about the connection. */
export async function readAway(request: IncomingMessage): Promise<void> {
  const chunks = bounded(request, () => undefined);
  while ((await chunks.next()).done !== true);
}

/** The request's bytes; `counted` is told how many have come. @throws Problem 413 */
async function* bounded(request: AsyncIterable<Buffer>, counted: (bytes: number) => void): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_FILE_BYTES) throw new Problem(413, 'too_large', 'The file is too large.');
    counted(size);
    yield chunk;
  }
}

/** @throws Problem 404 for an id that cannot be a file's. */
export function fileId(id: string): string {
  if (!/^F-[0-9a-f-]{1,64}$/.test(id)) throw notFound();
  return id;
}

function cleanName(name: string): string {
  const clean = name
    .toWellFormed()
    .replace(/[\p{Cc}/\\]/gu, '_')
    .trim()
    .slice(0, MAX_NAME);
  return clean === '' || /^\.+$/.test(clean) ? 'file' : clean;
}
