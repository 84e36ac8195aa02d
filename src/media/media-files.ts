import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileTypeFromFile } from 'file-type';
import sharp from 'sharp';
import { MediaError } from './remote-media.js';

const UNKNOWN_TYPE = 'application/octet-stream';
const TYPE = /^[a-z]+\/[a-z0-9][a-z0-9.+-]{0,100}$/;
/** Pictures are measured, not decoded; what claims more is no picture to us. */
const MAX_PIXELS = 100_000_000;
const MEASURED = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

export interface KeptFile {
  mimeType: string;
  size: number;
  width: number | null;
  height: number | null;
}

/** The folder: a file has its place only when it is whole. */
export class MediaFiles {
  constructor(private readonly directory: string) {}

  /** Reads the stream to its end into the place of an id. Rejects with MediaError `too_large`, or with what the stream fails with. */
  async keep(id: string, stream: Readable, declaredType: string, maxBytes: number): Promise<KeptFile> {
    const place = this.place(id);
    await mkdir(join(place, '..'), { recursive: true, mode: 0o700 });
    const part = `${place}.${randomBytes(6).toString('hex')}.part`;
    try {
      await pipeline(stream, bounded(maxBytes), createWriteStream(part, { mode: 0o600, flush: true }));
      const file = await examined(part, declaredType);
      await rename(part, place);
      return file;
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  /** Undefined when it is not there. What is open stays whole, also when it is removed meanwhile. */
  async open(id: string): Promise<Readable | undefined> {
    try {
      return (await open(this.place(id))).createReadStream();
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async has(id: string): Promise<boolean> {
    return stat(this.place(id)).then(
      () => true,
      () => false,
    );
  }

  async remove(id: string): Promise<void> {
    await rm(this.place(id), { force: true });
  }

  /** By a hash: an id of another server is no path. */
  private place(id: string): string {
    const name = createHash('sha256').update(id).digest('hex');
    return join(this.directory, name.slice(0, 2), name);
  }
}

function bounded(maxBytes: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size <= maxBytes) done(null, chunk);
      else done(new MediaError('too_large', `the file is larger than ${String(maxBytes)} bytes`));
    },
  });
}

/** What the bytes say that it is; what they do not say, is what was declared, when that is a media type at all. */
async function examined(path: string, declared: string): Promise<KeptFile> {
  const { size } = await stat(path);
  const plain = declared.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const sniffed = (await fileTypeFromFile(path))?.mime;
  const mimeType = sniffed ?? (TYPE.test(plain) && !MEASURED.has(plain) ? plain : UNKNOWN_TYPE);
  return { size, mimeType, ...(await measured(path, mimeType)) };
}

async function measured(path: string, mimeType: string): Promise<{ width: number | null; height: number | null }> {
  const nothing = { width: null, height: null };
  if (!MEASURED.has(mimeType)) return nothing;
  try {
    const { width, height } = await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata();
    return { width, height };
  } catch {
    return nothing; // it begins like a picture: to people it is a file
  }
}
