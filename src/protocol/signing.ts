import { type KeyObject, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { decodeBase64, encodeBase64 } from './base64.js';
import { CanonicalJsonError, canonicalJson, canonicalJsonLoose } from './canonical-json.js';
import type { EventFields, EventTemplate, Lpdu, Pdu, Signatures } from './events.js';
import { lpduContentHash, lpduOf, pduContentHash } from './hashes.js';
import { type KeyId, type ServerName, serverOfUser } from './identifiers.js';
import { type JsonObject, isJsonObject } from './json.js';
import { omit, redact } from './redaction.js';

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface SigningKey {
  readonly keyId: KeyId;
  /** Unpadded base64. */
  readonly publicKey: string;
  /** Unpadded base64. */
  sign(bytes: Uint8Array): string;
}

/** A public key, ready to verify. */
export interface VerifyKey {
  readonly publicKey: KeyObject;
}

/** By key id. */
export type VerifyKeys = ReadonlyMap<string, VerifyKey>;

export interface SigningOptions {
  /** Floats are allowed, as in a request's body (profile §2). */
  loose?: boolean;
}

/** An Ed25519 key from its 32-byte seed. */
export function createSigningKey(keyId: KeyId, seed: Uint8Array): SigningKey {
  if (seed.length !== KEY_BYTES) throw new Error(`a seed has ${String(KEY_BYTES)} bytes`);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return {
    keyId,
    publicKey: encodeBase64(spki.subarray(-KEY_BYTES)),
    sign: (bytes) => encodeBase64(sign(null, bytes, key)),
  };
}

/** A key from unpadded base64; undefined when it is none. */
export function createVerifyKey(publicKey: string): VerifyKey | undefined {
  const bytes = decodeBase64(publicKey);
  if (bytes?.length !== KEY_BYTES) return undefined;
  try {
    return { publicKey: createPublicKey({ key: Buffer.concat([SPKI_ED25519, bytes]), format: 'der', type: 'spki' }) };
  } catch {
    return undefined;
  }
}

/** LM-04 §Signing Arbitrary Objects. Throws CanonicalJsonError. */
export function signObject<T extends JsonObject>(
  object: T,
  server: ServerName,
  key: SigningKey,
  options?: SigningOptions,
): T & { signatures: Signatures } {
  return addSignature(object, server, key, signedBytes(object, options));
}

/** LM-04 §Signing Events: over the redacted form. */
export function signEvent<T extends JsonObject>(
  event: T,
  server: ServerName,
  key: SigningKey,
): T & { signatures: Signatures } {
  return addSignature(event, server, key, signedBytes(redact(event)));
}

/**
 * LM-04 §Checking Signatures: at least one signature of the server is by one of these keys, and every such one is good.
 */
export function verifyObject(
  object: JsonObject,
  server: ServerName,
  keys: VerifyKeys,
  options?: SigningOptions,
): boolean {
  const signatures = isJsonObject(object.signatures) ? object.signatures : {};
  const own = Object.hasOwn(signatures, server) ? signatures[server] : undefined;
  if (!isJsonObject(own)) return false;
  const known = Object.entries(own).flatMap(([keyId, signature]) => {
    const key = keys.get(keyId);
    return key === undefined ? [] : [{ key, signature }];
  });
  if (known.length === 0) return false;
  let bytes: Uint8Array;
  try {
    bytes = signedBytes(object, options);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false;
    throw error;
  }
  return known.every(({ key, signature }) => typeof signature === 'string' && verifySignature(bytes, signature, key));
}

/** As `verifyObject`, over the redacted event. */
export const verifyEvent = (event: JsonObject, server: ServerName, keys: VerifyKeys): boolean =>
  verifyObject(redact(event), server, keys);

/** A hub's completion of an LPDU (LM-04 §Receiving Events): the fields, the hash, the hub's signature beside the sender's. */
export function completeLpdu(lpdu: Lpdu, fields: EventFields, server: ServerName, key: SigningKey): Pdu {
  return finish({ ...lpdu, ...fields }, server, key);
}

/** An event of the hub's own user: no `hub_server`, no `hashes.lpdu` (profile §2). */
export function buildOwnPdu(template: EventTemplate, fields: EventFields, server: ServerName, key: SigningKey): Pdu {
  return finish({ ...template, ...fields }, server, key);
}

/** A participant's event, hashed and signed (LM-04 §Linearized PDU). */
export function buildLpdu(template: EventTemplate, hub: ServerName, server: ServerName, key: SigningKey): Lpdu {
  const bare = { ...template, hub_server: hub };
  const hashes = { lpdu: { sha256: lpduContentHash(bare) } };
  return signEvent({ ...bare, hashes }, server, key);
}

/** The servers whose signatures count (profile §2): the sender's, and the hub's on a PDU that names one. */
export function requiredSigners(event: Pdu | Lpdu): ServerName[] {
  const sender = serverOfUser(event.sender);
  const hub = 'prev_events' in event ? event.hub_server : undefined;
  return hub === undefined || hub === sender ? [sender] : [sender, hub];
}

/** What is wrong with a PDU's signatures (LM-04 §Receiving Events, step 2). */
export function checkPduSignatures(pdu: Pdu, keysOf: (server: ServerName) => VerifyKeys): string | undefined {
  const sender = serverOfUser(pdu.sender);
  const lpdu = lpduOf(pdu);
  // Rule 1 of LM-04 §Auth Rules Algorithm: what a server sends by itself as hub, it signs as a PDU.
  if (lpdu === undefined || lpdu.hub_server === sender) {
    return verifyEvent(pdu, sender, keysOf(sender)) ? undefined : `no good signature of ${sender}`;
  }
  const hub = lpdu.hub_server;
  if (!verifyEvent(pdu, hub, keysOf(hub))) return `no good signature of the hub ${hub}`;
  return checkLpduSignature(lpdu, keysOf);
}

export function checkLpduSignature(lpdu: Lpdu, keysOf: (server: ServerName) => VerifyKeys): string | undefined {
  const sender = serverOfUser(lpdu.sender);
  return verifyEvent(lpdu, sender, keysOf(sender)) ? undefined : `no good signature of ${sender} on the LPDU`;
}

export function verifySignature(bytes: Uint8Array, signature: string, key: VerifyKey): boolean {
  const decoded = decodeBase64(signature);
  return decoded?.length === SIGNATURE_BYTES && verify(null, bytes, key.publicKey, decoded);
}

function finish(event: EventTemplate & EventFields & JsonObject, server: ServerName, key: SigningKey): Pdu {
  const lpdu = isJsonObject(event.hashes) ? event.hashes.lpdu : undefined;
  const hashes = { ...(lpdu === undefined ? {} : { lpdu }), sha256: pduContentHash(event) };
  return signEvent({ ...event, hashes }, server, key) as Pdu;
}

function signedBytes(object: JsonObject, options: SigningOptions = {}): Uint8Array {
  const bare = omit(object, 'signatures');
  return Buffer.from(options.loose ? canonicalJsonLoose(bare) : canonicalJson(bare));
}

function addSignature<T extends JsonObject>(
  object: T,
  server: ServerName,
  key: SigningKey,
  bytes: Uint8Array,
): T & { signatures: Signatures } {
  const signatures = (isJsonObject(object.signatures) ? object.signatures : {}) as Signatures;
  const own = Object.hasOwn(signatures, server) ? signatures[server] : {};
  return { ...object, signatures: { ...signatures, [server]: { ...own, [key.keyId]: key.sign(bytes) } } };
}
