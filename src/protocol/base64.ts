const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const URL_SAFE = /^[A-Za-z0-9_-]*={0,2}$/;

/** Unpadded base64 (LM-04 §Unpadded Base64). */
export const encodeBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** URL-safe unpadded base64. */
export const encodeBase64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** Bytes of base64 in either alphabet, padded or not; undefined when it is neither. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!BASE64.test(text) && !URL_SAFE.test(text)) return undefined;
  const bare = text.replace(/=+$/, '');
  if (bare.length % 4 === 1) return undefined;
  if (bare.length !== text.length && text.length % 4 !== 0) return undefined;
  return Buffer.from(bare, 'base64');
}
