import { decodeBase64 } from './base64.js';
import { CanonicalJsonError, canonicalJsonLoose } from './canonical-json.js';
import { type KeyId, type ServerName, parseKeyId, parseServerName } from './identifiers.js';
import type { JsonObject, JsonValue } from './json.js';
import { type Result, err, ok } from './result.js';
import { type SigningKey, type VerifyKey, verifySignature } from './signing.js';

const SCHEME = /^X-Matrix /i; // further spaces are those around the first parameter
const MAX_HEADER = 4_096;
// One `name=value`, the value a token or a quoted string (RFC 9110 §5.6), and what may stand behind it.
const PARAMETER = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))[ \t]*(,|$)/y;
const KNOWN: ReadonlySet<string> = new Set(['origin', 'destination', 'key', 'sig', 'signature']);
const EMPTY = /[ \t]*(,|$)/y;

export interface XMatrix {
  origin: ServerName;
  destination: ServerName;
  key: KeyId;
  /** Unpadded base64. */
  sig: string;
}

export interface SignedRequest {
  method: string;
  /** Path and query as sent. */
  uri: string;
  origin: ServerName;
  destination: ServerName;
}

/**
 * LM-04 §Request Authentication. Names are case-insensitive, unknown ones ignored; `sig` or `signature`; without a
 * destination the request is refused (profile §3).
 */
export function parseXMatrix(header: string): Result<XMatrix, string> {
  if (header.length > MAX_HEADER) return err('the header is too long');
  const scheme = SCHEME.exec(header);
  if (scheme === null) return err('not of the scheme X-Matrix');
  const parameters = parseParameters(header, scheme[0].length);
  if (!parameters.ok) return parameters;
  const get = (name: string): string | undefined => parameters.value.get(name);
  const origin = parseServerName(get('origin'));
  if (origin === undefined) return err('origin is no server name');
  const destination = parseServerName(get('destination'));
  if (destination === undefined) return err('destination is no server name');
  const key = parseKeyId(get('key'));
  if (key === undefined) return err('key is no key id');
  const sig = get('sig') ?? get('signature');
  if (sig === undefined || decodeBase64(sig) === undefined) return err('sig is no base64');
  return ok({ origin, destination, key, sig });
}

/** Values quoted, no space after commas (profile §3). */
export function formatXMatrix({ origin, destination, key, sig }: XMatrix): string {
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key}",sig="${sig}"`;
}

/** The object that is signed (LM-04 §Request Authentication). */
export function requestObject({ method, uri, origin, destination }: SignedRequest, content?: JsonValue): JsonObject {
  return { method, uri, origin, destination, ...(content === undefined ? {} : { content }) };
}

/** The Authorization header of a request of ours. A request without a body is signed without `content` (profile §3). */
export function signRequest(request: SignedRequest, content: JsonValue | undefined, key: SigningKey): string {
  return signCanonicalRequest(request, content === undefined ? undefined : canonicalJsonLoose(content), key);
}

/** The same, where the canonical form of the content (`canonicalJsonLoose`) is known already. */
export function signCanonicalRequest(request: SignedRequest, content: string | undefined, key: SigningKey): string {
  const rest = canonicalJsonLoose(requestObject(request));
  const sig = key.sign(Buffer.from(content === undefined ? rest : `{"content":${content},${rest.slice(1)}`));
  return formatXMatrix({ origin: request.origin, destination: request.destination, key: key.keyId, sig });
}

/** Whether the signature is good. A request without a body may be signed without `content` or with `{}` (profile §3). */
export function verifyRequest(
  request: SignedRequest,
  body: JsonValue | undefined,
  sig: string,
  key: VerifyKey,
): boolean {
  const forms = body === undefined ? [undefined, {}] : [body];
  try {
    return forms.some((content) => verifySignature(bytesOf(requestObject(request, content)), sig, key));
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false;
    throw error;
  }
}

function parseParameters(header: string, from: number): Result<Map<string, string>, string> {
  const out = new Map<string, string>();
  let at = from;
  while (at < header.length) {
    EMPTY.lastIndex = at;
    const empty = EMPTY.exec(header);
    if (empty !== null) {
      at = EMPTY.lastIndex;
      continue;
    }
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(header);
    if (match === null) return err('not a list of name=value');
    const [, name = '', quoted, token = ''] = match;
    at = PARAMETER.lastIndex;
    const lower = name.toLowerCase();
    if (!KNOWN.has(lower)) continue;
    if (out.has(lower)) return err(`${lower} is given twice`);
    out.set(lower, quoted === undefined ? token : quoted.replace(/\\(.)/g, '$1'));
  }
  return ok(out);
}

const bytesOf = (object: JsonObject): Uint8Array => Buffer.from(canonicalJsonLoose(object));
