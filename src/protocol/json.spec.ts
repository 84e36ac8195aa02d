import { describe, expect, it } from 'vitest';
import { type JsonValue, MAX_JSON_DEPTH, type ParsedJson, isJsonObject, parseJson } from './json.js';

function parse(text: string | Uint8Array): ParsedJson {
  const parsed = parseJson(Buffer.from(text));
  if (!parsed.ok) throw new Error(parsed.error.reason);
  return parsed.value;
}

const fault = (bytes: string | Uint8Array): string | undefined => {
  const parsed = parseJson(Buffer.from(bytes));
  if (parsed.ok) return undefined;
  expect(parsed.error.kind).toBe('not_json');
  return parsed.error.reason;
};

/** The defect that is remembered of a document, which is an object or array. */
function defect(text: string): string | undefined {
  const { value, defects } = parse(text);
  return defects.defectIn(value);
}

describe('JSON from bytes', () => {
  it.each([
    'null',
    'true',
    'false',
    '0',
    '-12',
    '1.25e-2',
    '1E+2',
    '""',
    '" "',
    '"a\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00z"',
    '[]',
    '{}',
    '[ ]',
    '{ }',
    '[1,[2,{"a":[]}],"x"]',
    ' \t\r\n{ "a" : 1 , "b" : [ 1 , 2 ] } \n',
    '{"":0}',
  ])('is what JSON.parse makes of it: %s', (text) => {
    expect(parse(text).value).toEqual(JSON.parse(text));
  });

  it.each([
    ['', 'ends too early'],
    [' ', 'ends too early'],
    ['{', 'ends too early'],
    ['[', 'ends too early'],
    ['[1', 'ends too early'],
    ['[1,', 'ends too early'],
    ['{"a"', 'ends too early'],
    ['{"a":', 'ends too early'],
    ['{"a":1', 'ends too early'],
    ['{"a":1,', 'ends too early'],
    ['"abc', 'ends too early'],
    ['"\\', 'unexpected character at 1'],
    ['tru', 'unexpected character at 0'],
    ['nul1', 'unexpected character at 0'],
    ['falsy', 'unexpected character at 0'],
    ['True', 'unexpected character at 0'],
    ['undefined', 'unexpected character at 0'],
    ['NaN', 'unexpected character at 0'],
    ['[1,]', 'unexpected character at 3'],
    ['[,1]', 'unexpected character at 1'],
    ['[1 2]', 'unexpected character at 3'],
    ['[1}', 'unexpected character at 2'],
    ['{"a":1]', 'unexpected character at 6'],
    ['{"a":1,}', 'unexpected character at 7'],
    ['{,}', 'unexpected character at 1'],
    ['{a:1}', 'unexpected character at 1'],
    ["{'a':1}", 'unexpected character at 1'],
    ['{"a" 1}', 'unexpected character at 5'],
    ['{"a":1 "b":2}', 'unexpected character at 7'],
    ['{1:2}', 'unexpected character at 1'],
    ['01', 'unexpected character at 1'],
    ['-', 'unexpected character at 0'],
    ['+1', 'unexpected character at 0'],
    ['.5', 'unexpected character at 0'],
    ['1.', 'unexpected character at 1'],
    ['1e', 'unexpected character at 1'],
    ['0x10', 'unexpected character at 1'],
    ['1 2', 'unexpected character at 2'],
    ['{}x', 'unexpected character at 2'],
    ['"a\nb"', 'unexpected character at 2'],
    ['"\u0000"', 'unexpected character at 1'],
    ['"\\x"', 'unexpected character at 1'],
    ['"\\u12"', 'unexpected character at 1'],
    ['"\\u12g4"', 'unexpected character at 1'],
    ['"\\u123 "', 'unexpected character at 1'],
    ['"\\u 123"', 'unexpected character at 1'],
    ['"\\toString"x', 'unexpected character at 11'],
    ['[1]\f', 'unexpected character at 3'],
    ['\u000b1', 'unexpected character at 0'],
    ['\u00a01', 'unexpected character at 0'],
    ['\ufeff{}', 'unexpected character at 0'],
    ['/**/1', 'unexpected character at 0'],
  ])('is refused where it is none: %j', (text, reason) => {
    expect(() => JSON.parse(text) as unknown).toThrow();
    expect(fault(text)).toBe(reason);
  });

  // proves LM-04/transport-requests-responses/3
  it.each([
    ['a lone continuation byte', '2280 22'],
    ['an overlong form', '22c0af22'],
    ['an encoded surrogate', '22eda08022'],
    ['a cut-off sequence', '22e282'],
    ['a code point above U+10FFFF', '22f490808022'],
  ])('is refused where it is not UTF-8: %s', (_what, hex) => {
    expect(fault(Buffer.from(hex.replace(' ', ''), 'hex'))).toBe('not UTF-8');
  });

  it('is at most 100 deep', () => {
    const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    const objects = (depth: number): string => '{"a":'.repeat(depth) + '0' + '}'.repeat(depth);
    expect(MAX_JSON_DEPTH).toBe(100);
    expect(fault(arrays(101))).toBeUndefined();
    expect(fault(objects(100))).toBeUndefined();
    expect(fault(arrays(102))).toBe('nested deeper than 100');
    expect(fault(objects(101))).toBe('nested deeper than 100');
    expect(fault(`{"pdus":[${arrays(99)}]}`)).toBeUndefined();
    expect(fault(`{"pdus":[${arrays(100)}]}`)).toBe('nested deeper than 100');
    expect(fault(`{"pdus":${objects(99)}}`)).toBeUndefined();
    expect(fault(`{"pdus":${objects(100)}}`)).toBe('nested deeper than 100');
  });

  it('keeps __proto__ as a member like any other', () => {
    const { value } = parse('{"__proto__":{"polluted":1},"constructor":2}');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":1},"constructor":2}');
    expect(Object.getOwnPropertyDescriptors(value)).toEqual({
      ['__proto__']: { value: { polluted: 1 }, enumerable: true, configurable: true, writable: true },
      constructor: { value: 2, enumerable: true, configurable: true, writable: true },
    });
    expect(parse('{"__proto__":1,"__proto__":2}').value).toEqual(JSON.parse('{"__proto__":2}'));
    Object.assign(value as object, { constructor: 3 });
    expect(JSON.stringify({ ...(value as object) })).toContain('"__proto__"');
  });
});

describe('what canonical forms disagree about', () => {
  // proves profile/events/7
  it.each([
    ['[1.0]', 'float'],
    ['[1e2]', 'float'],
    ['[1E2]', 'float'],
    ['[0.5]', 'float'],
    ['[-0.0]', 'float'],
    ['[1e400]', 'float'],
    ['[-0]', 'negative zero'],
    ['[9007199254740992]', 'integer outside ±(2^53−1)'],
    ['[9007199254740993]', 'integer outside ±(2^53−1)'],
    ['[-9007199254740992]', 'integer outside ±(2^53−1)'],
    ['["\\ud800"]', 'lone surrogate'],
    ['["\\udc00\\ud800"]', 'lone surrogate'],
    ['{"\\ud800":1}', 'lone surrogate'],
    ['{"a":1,"a":1}', 'duplicate key'],
    ['{"a":1,"\\u0061":2}', 'duplicate key'],
    ['{"__proto__":1,"__proto__":2}', 'duplicate key'],
    ['{"a":{"b":[{"c":1.5}]}}', 'float'],
    ['[[[["\\udfff"]]]]', 'lone surrogate'],
  ])('is remembered of %s: %s', (text, reason) => {
    expect(defect(text)).toBe(reason);
  });

  it.each([
    '[0,1,-1,9007199254740991,-9007199254740991]',
    '["\\ud83d\\ude00"]',
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    '{"toString":1}',
    '[]',
    '{}',
    '[[],{}]',
  ])('is nothing in %s', (text) => {
    expect(defect(text)).toBeUndefined();
  });

  it('is told of the first there was', () => {
    expect(defect('[1.5,-0,{"a":1,"a":2}]')).toBe('float');
    expect(defect('{"a":-0,"b":1.5}')).toBe('negative zero');
    expect(defect('{"\\ud800":1.5}')).toBe('lone surrogate');
    expect(defect('{"a":1.5,"a":2}')).toBe('float');
    expect(defect('{"a":1,"a":2.5}')).toBe('float');
  });

  // proves profile/events/18
  it('is known of the containers around it, and not of those beside it', () => {
    const { value, defects } = parse('{"pdus":[{"n":1.5,"in":{}},{"n":1,"in":[2.5]},{"n":1,"in":{}},[],7]}');
    const pdus = (value as { pdus: JsonValue[] }).pdus;
    expect(pdus.map((pdu) => defects.defectIn(pdu))).toEqual(['float', 'float', undefined, undefined, undefined]);
    expect(defects.defectIn((pdus[0] as { in: JsonValue }).in)).toBeUndefined();
    expect(defects.defectIn((pdus[1] as { in: JsonValue }).in)).toBe('float');
    expect(defects.defectIn(pdus)).toBe('float');
    expect(defects.defectIn(value)).toBe('float');
  });

  it('does not stick to what comes after an empty container or a good value', () => {
    const { value, defects } = parse('[[1.5],[],{},"x",[1],true]');
    expect((value as JsonValue[]).map((each) => defects.defectIn(each))).toEqual(['float', ...Array<undefined>(5)]);
    expect(defect('{"pdus":[],"a":[1]}')).toBeUndefined();
    expect(defect('{"n":[1.5],"pdus":[]}')).toBe('float');
    const after = parse('{"n":1.5,"pdus":[{"a":1}]}');
    expect(after.defects.defectIn((after.value as { pdus: JsonValue }).pdus)).toBeUndefined();
    expect(after.defects.defectIn(null)).toBeUndefined();
  });
});

describe('a body that two parsers read differently', () => {
  const fatal = (text: string): string | undefined => parse(text).defects.fatal;

  it.each([
    ['{"a":1,"a":2}', 'duplicate key'],
    ['{"pdus":[],"pdus":[]}', 'duplicate key'],
    ['{"pdus":{"a":1,"a":2}}', 'duplicate key'],
    ['{"pdus":[{}],"edus":[{"a":1,"a":2}]}', 'duplicate key'],
    ['{"other":[{"a":1,"a":2}]}', 'duplicate key'],
    ['{"in":{"pdus":[{"a":1,"a":2}]}}', 'duplicate key'],
    ['[{"pdus":[{"a":1,"a":2}]}]', 'duplicate key'],
    ['{"a":"\\ud800","b":1,"b":2}', 'lone surrogate'],
    ['{"b":1,"b":2,"a":"\\ud800"}', 'duplicate key'],
    ['["\\ud800"]', 'lone surrogate'],
  ])('is one as a whole: %s', (text, reason) => {
    expect(fatal(text)).toBe(reason);
  });

  it.each([
    '{"pdus":[{"a":1,"a":2},"\\ud800"]}',
    '{ "pdus" : [ {"in":{"a":1,"a":2}} ] }',
    '{"pdus":[{"a":1.5}],"edus":[1.5]}',
    '{"a":1.5,"b":-0}',
  ])('is none where an event alone is at fault, or a number: %s', (text) => {
    expect(fatal(text)).toBeUndefined();
  });
});

describe('an object', () => {
  it.each([
    [{}, true],
    [{ a: 1 }, true],
    [[], false],
    [null, false],
    ['text', false],
    [1, false],
    [undefined, false],
  ])('is told from everything else: %j is one: %j', (value, is) => {
    expect(isJsonObject(value)).toBe(is);
  });
});
