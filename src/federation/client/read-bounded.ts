import type { Dispatcher } from 'undici';

/** The body of an answer. Rejects when it is larger than `limit` bytes; the rest is not read then. */
export async function readBounded(body: Dispatcher.ResponseData['body'], limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      body.destroy();
      throw new Error(`the answer is larger than ${String(limit)} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
