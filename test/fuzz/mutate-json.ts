import { type JsonObject, type JsonValue, isJsonObject } from '../../src/protocol/index.js';
import type { Random } from './random.js';

const NESTING = [3, 50, 98, 99, 100, 101, 102, 500, 20_000] as const;

/** Keys that mean something to a runtime rather than to the protocol. */
const RUNTIME_KEYS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON'] as const;

/** A value that parsers, limits and runtimes stumble over. */
export function oddValue(random: Random): JsonValue {
  return random.weighted<() => JsonValue>([
    [4, () => random.pick<JsonValue>([null, true, false, {}, [], '', ' ', 0, -1, 1])],
    [3, () => oddNumber(random)],
    [5, () => oddText(random)],
    [1, () => nested(random.pick(NESTING), random)],
    [
      1,
      () =>
        Array.from({ length: random.pick([2, 51, 101, 1_000, 20_000]) }, () => random.pick<JsonValue>([0, 'x', {}])),
    ],
    [
      1,
      () => Object.fromEntries(Array.from({ length: random.pick([3, 300, 10_000]) }, (_, n) => [`k${String(n)}`, n])),
    ],
    [2, () => withRuntimeKey({}, random)],
    [2, () => ({ [random.word()]: oddValue(random) })],
    [1, () => [oddValue(random)]],
  ])();
}

export function oddNumber(random: Random): number {
  return random.pick([
    2 ** 31,
    -(2 ** 31),
    2 ** 53 - 1,
    2 ** 53,
    -(2 ** 53),
    1e20,
    1e308,
    0.1,
    -0.5,
    1e-300,
    100,
    101,
    -100,
    253_402_300_800_000,
  ]);
}

export function oddText(random: Random): string {
  return random.weighted<() => string>([
    [2, () => 'x'.repeat(random.pick([1, 254, 255, 256, 1_024, 65_000, 66_000]))],
    [1, () => '💥'.repeat(random.pick([63, 64, 16_000]))], // 4 bytes each: 252 and 256
    [
      2,
      () =>
        random.pick([
          '\u0000',
          'a\u0000b',
          '\ud800',
          '\udc00\ud800',
          '\ufeff',
          '\u202e',
          '\u2028',
          '\ufffe',
          'é',
          'e\u0301',
        ]),
    ],
    [2, () => random.pick([...RUNTIME_KEYS])],
    [1, () => random.pick(["' OR 1=1 --", '%', '_', '${7*7}', '../../etc/passwd', '\r\nX: y', '<!--', '@%:%', '%00'])],
    [1, () => random.word(random.between(1, 40))],
    [1, () => random.bytes(8).toString('latin1')],
  ])();
}

/** Changes one place of a value, as deep as it happens to be. */
export function mutateValue(value: JsonValue, random: Random): JsonValue {
  if (random.chance(0.3) || typeof value !== 'object' || value === null) return oddValue(random);
  if (Array.isArray(value)) return mutateArray(value, random);
  return mutateObject(value, random);
}

function mutateArray(list: readonly JsonValue[], random: Random): JsonValue[] {
  const at = random.below(list.length);
  const here = list[at];
  return random.weighted<() => JsonValue[]>([
    [6, () => list.map((each, index) => (index === at ? mutateValue(each, random) : each))],
    [1, () => list.filter((_each, index) => index !== at)],
    [1, () => (here === undefined ? [] : [...list, here])],
    [1, () => [...list, oddValue(random)]],
    [1, () => [...list].reverse()],
    [1, () => (here === undefined ? [] : Array.from({ length: random.pick([50, 51, 100, 101, 400]) }, () => here))],
  ])();
}

function mutateObject(object: JsonObject, random: Random): JsonObject {
  const key = random.pick(Object.keys(object)) ?? 'x';
  const entries = Object.entries(object);
  const at = object[key] ?? null;
  return random.weighted<() => JsonObject>([
    [
      10,
      () => Object.fromEntries(entries.map(([name, value]) => [name, name === key ? mutateValue(at, random) : value])),
    ],
    [2, () => Object.fromEntries(entries.filter(([name]) => name !== key))],
    [1, () => Object.fromEntries([...entries, [oddText(random), oddValue(random)]])],
    [1, () => withRuntimeKey(object, random)],
    [1, () => Object.fromEntries([...entries.filter(([name]) => name !== key), [oddText(random), at]])],
  ])();
}

/** A literal would set the prototype instead. */
function withRuntimeKey(object: JsonObject, random: Random): JsonObject {
  const value = random.pick<JsonValue>([null, 1, 'x', {}, { admin: true }, { toString: null }, []]);
  return Object.fromEntries([...Object.entries(object), [random.pick(RUNTIME_KEYS), value]]);
}

function nested(depth: number, random: Random): JsonValue {
  let value: JsonValue = 'deep';
  const key = random.word(1);
  for (let at = 0; at < depth; at++) value = random.chance(0.5) ? [value] : { [key]: value };
  return value;
}

/** A text that says the value, written as few servers write it: some spellings are the same JSON, some are none. */
export function oddSpelling(value: JsonValue, random: Random): string {
  let text = plainText(value);
  for (let changes = random.between(1, 3); changes > 0; changes--) text = spelledOddly(text, random);
  return text;
}

function spelledOddly(text: string, random: Random): string {
  return random.weighted<() => string>([
    [3, () => replaceSomewhere(text, /-?[0-9]+/g, () => random.pick(NUMBER_TOKENS), random)],
    [
      3,
      () =>
        replaceSomewhere(
          text,
          /"([A-Za-z_]+)":/g,
          (member) => `${member}${random.pick(['0', '"x"', '{}'])},${member}`,
          random,
        ),
    ],
    [2, () => replaceSomewhere(text, /[A-Za-z]/g, (letter) => unicodeEscape(letter), random)],
    [
      2,
      () =>
        replaceSomewhere(
          text,
          /[,:{}[\]]/g,
          (mark) => `${mark}${random.pick([' ', '\t\n', '\r', '\u00a0', '\f', '/**/'])}`,
          random,
        ),
    ],
    [
      2,
      () => replaceSomewhere(text, /"/g, () => random.pick(['', "'", '"\\ud800', '"\\u00', '"\\x', '"\u0001']), random),
    ],
    [
      1,
      () =>
        replaceSomewhere(text, /[}\]]/g, (mark) => random.pick([`,${mark}`, `${mark}${mark}`, ''] as const), random),
    ],
    [1, () => random.pick(['\ufeff', ' ', '//x\n']) + text],
    [1, () => text + random.pick(['\u0000', ' ', '{}', ',', '\n\n'])],
    [1, () => replaceSomewhere(text, /\{/g, () => '{"__proto__":{"x":1},', random)],
    [1, () => ''.padEnd(random.pick([1, 200, 60_000]), random.pick(['[', '{"a":', ' ']))],
  ])();
}

const NUMBER_TOKENS = [
  '1.0',
  '1e2',
  '-0',
  '9007199254740993',
  '-9007199254740993',
  '1e400',
  '01',
  '+1',
  '0x10',
  '1.',
  '.5',
  'NaN',
  'Infinity',
  '1E+2',
  '123456789012345678901234567890',
  `1${'0'.repeat(400)}`,
  '-',
  '1e',
  '0.10000000000000000555',
] as const;

function replaceSomewhere(text: string, pattern: RegExp, by: (found: string) => string, random: Random): string {
  const found = [...text.matchAll(pattern)];
  const one = random.pick(found);
  if (one === undefined) return text;
  return text.slice(0, one.index) + by(one[0]) + text.slice(one.index + one[0].length);
}

const unicodeEscape = (letter: string): string => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** JSON.stringify, for values that are nested deeper than it goes as well. */
export function plainText(value: JsonValue): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return '['.repeat(20_000) + ']'.repeat(20_000);
  }
}

/** Changes bytes, whatever they mean. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let out: Buffer = Buffer.from(bytes);
  for (let changes = random.between(1, 4); changes > 0; changes--) {
    const at = random.below(out.length + 1);
    out = random.weighted<() => Buffer>([
      [4, () => flipped(out, at, 1 << random.below(8))],
      [2, () => Buffer.concat([out.subarray(0, at), random.bytes(random.between(1, 8)), out.subarray(at)])],
      [2, () => out.subarray(0, at)],
      [1, () => Buffer.concat([out.subarray(0, at), Buffer.from(random.pick(BAD_UTF8), 'hex'), out.subarray(at)])],
      [1, () => Buffer.concat([out.subarray(0, at), out.subarray(Math.max(0, at - 40))])],
      [1, () => Buffer.concat([out.subarray(0, at), out.subarray(at + random.between(1, 16))])],
    ])();
  }
  return out;
}

const BAD_UTF8 = ['c0af', 'ff', 'fe', 'eda080', 'f4908080', 'c3', 'e282', '80', 'f8888080'] as const;

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const out: Buffer = Buffer.from(bytes);
  if (at < out.length) out[at] = (out[at] ?? 0) ^ mask;
  return out;
}

/** Every event in a body, wherever it stands. */
export function eventsIn(value: JsonValue | undefined, depth = 0): JsonObject[] {
  if (depth > 6 || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.slice(0, 200).flatMap((each) => eventsIn(each, depth + 1));
  const own = isJsonObject(value.hashes) ? [value] : [];
  return [...own, ...Object.values(value).flatMap((each) => eventsIn(each, depth + 1))];
}
