import { type JsonObject, type JsonValue, MAX_JSON_DEPTH } from './json.js';

/** A value has no canonical form. */
export class CanonicalJsonError extends Error {}

// An event is carried by bodies and answers that nest it: what came alone and at full depth could be passed on to nobody.
const MAX_EVENT_DEPTH = MAX_JSON_DEPTH - 10;
// The object over which a request is signed nests its body once more.
const MAX_REQUEST_DEPTH = MAX_JSON_DEPTH + 1;

/** RFC 8785 without the numbers and strings that canonical forms disagree about (profile §2). Throws CanonicalJsonError. */
export const canonicalJson = (value: JsonValue): string => write(value, strictNumber, MAX_EVENT_DEPTH);

/** Plain RFC 8785, floats and all: over which a request's body is signed (profile §2). Throws CanonicalJsonError. */
export const canonicalJsonLoose = (value: JsonValue): string => write(value, looseNumber, MAX_REQUEST_DEPTH);

// eslint-disable-next-line no-control-regex -- what JSON.stringify would escape
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;

function write(value: JsonValue | undefined, number: (value: number) => string, depthLeft: number): string {
  if (depthLeft < 0) throw new CanonicalJsonError('nested too deep');
  switch (typeof value) {
    case 'string':
      return text(value);
    case 'number':
      return number(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value)
        ? `[${value.map((each) => write(each, number, depthLeft - 1)).join(',')}]`
        : writeObject(value, number, depthLeft);
    default:
      throw new CanonicalJsonError(`${typeof value} is not JSON`);
  }
}

function writeObject(object: JsonObject, number: (value: number) => string, depthLeft: number): string {
  let out = '{';
  for (const key of Object.keys(object).sort()) {
    if (out.length > 1) out += ',';
    out += `${text(key)}:${write(object[key], number, depthLeft - 1)}`;
  }
  return out + '}';
}

function text(value: string): string {
  if (!NEEDS_ESCAPE.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new CanonicalJsonError('lone surrogate');
  return JSON.stringify(value);
}

function strictNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new CanonicalJsonError(`${String(value)} is no integer within ±(2^53−1)`);
  if (Object.is(value, -0)) throw new CanonicalJsonError('negative zero');
  return String(value);
}

function looseNumber(value: number): string {
  if (!Number.isFinite(value)) throw new CanonicalJsonError(`${String(value)} is not JSON`);
  return JSON.stringify(value);
}
