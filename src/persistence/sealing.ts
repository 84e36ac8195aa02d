import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { decodeBase64, encodeBase64 } from '../protocol/index.js';

const SEALED = 'v1:';

/** What cannot be opened, in the words behind the name of the thing. */
export class CannotOpen extends Error {}

/** Unpadded base64; with a secret `v1:` and AES-256-GCM under sha256(secret): iv (12 bytes), tag (16 bytes), ciphertext. */
export function seal(plain: Uint8Array, secret: string | undefined): string {
  if (secret === undefined) return encodeBase64(plain);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), iv);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return SEALED + encodeBase64(Buffer.concat([iv, cipher.getAuthTag(), body]));
}

/** Throws CannotOpen. */
export function unseal(stored: string, secret: string | undefined): Uint8Array {
  const sealed = stored.startsWith(SEALED);
  const bytes = decodeBase64(sealed ? stored.slice(SEALED.length) : stored);
  if (bytes === undefined) throw new CannotOpen('is damaged in the database');
  if (!sealed) return bytes;
  if (secret === undefined) throw new CannotOpen('is sealed: set SIGNING_KEY_SECRET');
  const decipher = createDecipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
  } catch {
    throw new CannotOpen('does not open with this SIGNING_KEY_SECRET');
  }
}
