import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { BadMultipart, boundaryOf, filePart } from './multipart.js';

const ANSWER = Buffer.from(
  '--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: inline; filename=a.png\r\n\r\nBYTES\r\n--\r\n-\r\n--b--\r\n',
);
async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

describe('an answer of two parts', () => {
  it.each([1, 2, 3, 7, 64, 1_000])('gives the file in the second, whole, in pieces of %i bytes', async (size) => {
    const { headers, content } = await filePart(inPieces(ANSWER, size), 'b');
    expect(headers.get('content-type')).toBe('image/png');
    expect((await buffer(content)).toString()).toBe('BYTES\r\n--\r\n-');
  });

  it.each([
    ['ends before the file', ANSWER.subarray(0, 60)],
    ['has one part', Buffer.from('--b\r\n\r\n{}\r\n--b--')],
    ['has no part', Buffer.from('{"errcode":"M_UNKNOWN"}')],
    ['is empty', Buffer.alloc(0)],
  ])('that %s is none', async (_what, bytes) => {
    await expect(filePart(inPieces(bytes, 10), 'b')).rejects.toBeInstanceOf(BadMultipart);
  });

  it('that is cut off in the file fails while it is read', async () => {
    const { content } = await filePart(inPieces(ANSWER.subarray(0, -10), 5), 'b');
    await expect(buffer(content)).rejects.toThrow('cut off');
  });

  it('whose headers do not end is not read on', async () => {
    let read = 0;
    async function* endless(): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\n');
      for (;;) {
        read += 1_000;
        yield await Promise.resolve(Buffer.alloc(1_000, 'x'));
      }
    }
    await expect(filePart(endless(), 'b')).rejects.toBeInstanceOf(BadMultipart);
    expect(read).toBeLessThan(30_000);
  });

  it.each([
    ['multipart/mixed; boundary=abc', 'abc'],
    ['multipart/mixed; charset=x; boundary="a b"', 'a b'],
    ['Multipart/Mixed;boundary=x', 'x'],
  ])('of the type %s has its boundary', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });

  it.each(['', 'application/json', 'multipart/mixed', `multipart/mixed; boundary="${'x'.repeat(100)}"`])(
    'is not one of the type %s',
    (type) => {
      expect(() => boundaryOf(type)).toThrow(BadMultipart);
    },
  );
});
