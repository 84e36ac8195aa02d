import { createHash } from 'node:crypto';
import { type JsonObject, type JsonValue, isJsonObject, redact } from '../protocol/index.js';

const MAX_EVIDENCE_BYTES = 64 * 1024;
const MAX_OBJECTS = 10;

/** What shows an incident to the operator of the other server. */
export interface Evidence {
  /** As the server gave them. */
  received: readonly JsonObject[];
  /** What they contradict: as we sent it, or as we received it before. */
  known?: readonly JsonObject[];
}

/**
 * Evidence as it is kept, at most 64 KiB: what is too long is cut down to its redacted form, by which its id and signatures can
 * still be checked, or else to its beginning; its length and SHA-256 are kept.
 */
export function evidenceText({ received, known = [] }: Evidence): string {
  const kept = { received: received.slice(0, MAX_OBJECTS), known: known.slice(0, MAX_OBJECTS) };
  const share = Math.floor(MAX_EVIDENCE_BYTES / Math.max(1, kept.received.length + kept.known.length));
  const left = received.length + known.length - kept.received.length - kept.known.length;
  return JSON.stringify({
    received: kept.received.map((each) => fitted(each, share)),
    ...(kept.known.length === 0 ? {} : { known: kept.known.map((each) => fitted(each, share)) }),
    ...(left === 0 ? {} : { left_out: left }),
  });
}

function fitted(object: JsonObject, bytes: number): JsonValue {
  const text = JSON.stringify(object);
  const size = Buffer.byteLength(text);
  if (size <= bytes) return object;
  const about = { cut: true, bytes: size, sha256: createHash('sha256').update(text).digest('hex') };
  const bones = typeof object.type === 'string' && isJsonObject(object.content) ? redact(object) : undefined;
  if (bones !== undefined && Buffer.byteLength(JSON.stringify(bones)) + 200 <= bytes) {
    return { ...about, redacted: bones };
  }
  // A quarter: a character may take three bytes, and a quotation mark is written as two.
  return { ...about, begins: text.slice(0, Math.floor(bytes / 4)) };
}
