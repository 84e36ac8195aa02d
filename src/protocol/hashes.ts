import { createHash } from 'node:crypto';
import { decodeBase64, encodeBase64, encodeBase64Url } from './base64.js';
import { canonicalJson } from './canonical-json.js';
import type { Lpdu, Pdu } from './events.js';
import type { EventId } from './identifiers.js';
import { type JsonObject, isJsonObject } from './json.js';
import { omit, redact } from './redaction.js';

/** The content hash of an LPDU, also as it stands inside of a PDU (LM-04 §Content Hash, profile §2). Unpadded base64. */
export function lpduContentHash(event: JsonObject): string {
  return encodeBase64(sha256(omit(event, 'signatures', 'unsigned', 'hashes', 'auth_events', 'prev_events')));
}

/** The content hash of a PDU: over it with `hashes` cut down to `lpdu` (LM-04 §Content Hash, profile §2). Unpadded base64. */
export function pduContentHash(event: JsonObject): string {
  const bare = omit(event, 'signatures', 'unsigned', 'hashes');
  const lpdu = isJsonObject(event.hashes) ? event.hashes.lpdu : undefined;
  return encodeBase64(sha256(lpdu === undefined ? bare : { ...bare, hashes: { lpdu } }));
}

/** LM-04 §Reference Hash, URL-safe unpadded base64. */
export function referenceHash(event: JsonObject): string {
  return encodeBase64Url(sha256(omit(redact(event), 'signatures')));
}

/** The event id is the reference hash (LM-04 §Events). */
export const eventIdOf = (event: JsonObject): EventId => `$${referenceHash(event)}` as EventId;

/** The LPDU that a hub completed into this PDU; undefined for an event of the hub's own users. */
export function lpduOf(pdu: Pdu): Lpdu | undefined {
  const { lpdu } = pdu.hashes;
  if (pdu.hub_server === undefined || lpdu === undefined) return undefined;
  return { ...omit(pdu, 'auth_events', 'prev_events'), hashes: { lpdu } } as Lpdu;
}

/** 'ok', or what does not match. */
export function checkLpduHash(lpdu: Lpdu): string {
  return isHash(lpdu.hashes.lpdu.sha256, lpduContentHash(lpdu)) ? 'ok' : 'the LPDU content hash does not match';
}

/** 'ok', or what does not match: the content hash of the PDU, and of the LPDU in it. */
export function checkContentHashes(pdu: Pdu): string {
  if (!isHash(pdu.hashes.sha256, pduContentHash(pdu))) return 'the content hash does not match';
  if (pdu.hashes.lpdu !== undefined && !isHash(pdu.hashes.lpdu.sha256, lpduContentHash(pdu))) {
    return 'the LPDU content hash does not match';
  }
  return 'ok';
}

/** Base64 is read with and without padding, in either alphabet (LM-04 §Unpadded Base64). */
function isHash(given: string, calculated: string): boolean {
  if (given === calculated) return true;
  const bytes = decodeBase64(given);
  return bytes !== undefined && encodeBase64(bytes) === calculated;
}

const sha256 = (object: JsonObject): Buffer => createHash('sha256').update(canonicalJson(object)).digest();
