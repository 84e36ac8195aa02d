import { describe, expect, it } from 'vitest';
import { CanonicalJsonError, canonicalJson, canonicalJsonLoose } from './canonical-json.js';
import { type JsonValue, MAX_JSON_DEPTH, parseJson } from './json.js';

const nested = (depth: number): JsonValue => {
  let value: JsonValue = 0;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

function refusal(form: () => string): string {
  try {
    return `none, but ${form()}`;
  } catch (error) {
    expect(error).toBeInstanceOf(CanonicalJsonError);
    return (error as CanonicalJsonError).message;
  }
}

describe('canonical JSON', () => {
  // proves LM-04/canonical-json/1; profile/events/8
  it('is without spaces, and orders keys by their UTF-16 units', () => {
    const value = { b: [1, null, true, false, 'x'], a: {}, '\u{10000}': 1, '\uffff': 2, 2: 0, 10: 0 };
    expect(canonicalJson(value)).toBe('{"10":0,"2":0,"a":{},"b":[1,null,true,false,"x"],"\u{10000}":1,"\uffff":2}');
  });

  it('escapes what JSON must, and nothing else', () => {
    expect(canonicalJson('"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028é😀')).toBe(
      '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\u2028é😀"',
    );
  });

  it.each([
    ['a float', 1.5, '1.5 is no integer within ±(2^53−1)'],
    ['an integer above 2^53−1', 2 ** 53, '9007199254740992 is no integer within ±(2^53−1)'],
    ['negative zero', -0, 'negative zero'],
    ['a lone surrogate', { a: ['\ud800'] }, 'lone surrogate'],
    ['a key that is one', { '\udfff': 1 }, 'lone surrogate'],
  ])('refuses %s', (_what, value: JsonValue, reason) => {
    expect(refusal(() => canonicalJson(value))).toBe(reason);
  });

  it('of a request has floats as ECMAScript writes them, but nothing that JSON cannot say', () => {
    expect(canonicalJsonLoose([1.5, 1e21, -0, 2 ** 53])).toBe('[1.5,1e+21,0,9007199254740992]');
    expect(refusal(() => canonicalJsonLoose([Infinity]))).toBe('Infinity is not JSON');
    expect(refusal(() => canonicalJsonLoose(['\ud800']))).toBe('lone surrogate');
  });

  it('refuses a member that is undefined: it would be lost', () => {
    expect(refusal(() => canonicalJson({ a: undefined }))).toBe('undefined is not JSON');
  });

  it('of an event is at most 90 deep, so that what carries events can be parsed', () => {
    expect(parseJson(Buffer.from(canonicalJson(nested(90)))).ok).toBe(true);
    expect(refusal(() => canonicalJson(nested(91)))).toBe('nested too deep');
    const carried = JSON.stringify({ pdus: [nested(90)] });
    expect(parseJson(Buffer.from(carried)).ok).toBe(true);
  });

  it('of a request takes every body that was parsed, and the object around it', () => {
    const body = nested(MAX_JSON_DEPTH);
    expect(parseJson(Buffer.from(JSON.stringify(body))).ok).toBe(true);
    expect(canonicalJsonLoose({ content: body })).toBe(JSON.stringify({ content: body }));
    expect(refusal(() => canonicalJsonLoose({ content: [body] }))).toBe('nested too deep');
  });
});
