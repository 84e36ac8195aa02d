import fc from 'fast-check';
import type {
  EventId,
  EventTemplate,
  JsonObject,
  JsonValue,
  KeyId,
  RoomId,
  ServerName,
  UserId,
} from '../../src/protocol/index.js';
import { parseServerName } from '../../src/protocol/index.js';

/** Text that JSON can carry: any code points but lone surrogates. */
export const text = fc.string({ unit: 'binary', maxLength: 12 });

/** Keys that meet, and those that JavaScript treats in ways of its own. */
const key = fc.oneof(
  text,
  fc.constantFrom('a', 'b', '__proto__', 'constructor', 'toString', '1', '01', '\u{10000}', '\uffff'),
);

export const integer = fc.maxSafeInteger().map((value) => value + 0);

/** Own members alone, `__proto__` too. */
const objectOf = (value: fc.Arbitrary<JsonValue>): fc.Arbitrary<JsonObject> =>
  fc
    .uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, maxLength: 5 })
    .map((entries) => Object.fromEntries(entries));

/** JSON about which canonical forms agree. */
export const { value: json, object: jsonObject } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    integer,
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: objectOf(tie('value')),
}));

/** The same value with the members of every object in another order. */
export function reordered(value: JsonValue, order: (length: number) => number): JsonValue {
  if (Array.isArray(value)) return value.map((each) => reordered(each, order));
  if (typeof value !== 'object' || value === null) return value;
  const left = Object.entries(value);
  const out: [string, JsonValue][] = [];
  while (left.length > 0) {
    const [[name, member] = ['', null]] = left.splice(order(left.length), 1);
    if (member !== undefined) out.push([name, reordered(member, order)]);
  }
  return Object.fromEntries(out);
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z])?$/).filter((each) => /[g-z]$/.test(each));
export const serverName = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 3 }), fc.option(fc.integer({ min: 0, max: 65_535 })))
  .map(([labels, port]) => `${labels.join('.')}${port === null ? '' : `:${String(port)}`}`)
  .filter((name): name is ServerName => parseServerName(name) !== undefined); // `0x` is an address
export const userId = fc
  .tuple(fc.stringMatching(/^[a-z0-9._=/+-]{1,10}$/), serverName)
  .map(([localpart, server]) => `@${localpart}:${server}` as UserId);
export const roomId = fc
  .tuple(fc.stringMatching(/^[A-Za-z0-9._~-]{1,10}$/), serverName)
  .map(([localpart, server]) => `!${localpart}:${server}` as RoomId);
export const keyId = fc.stringMatching(/^ed25519:[A-Za-z0-9_]{1,10}$/) as fc.Arbitrary<KeyId>;
export const eventId = fc.stringMatching(/^\$[A-Za-z0-9_-]{43}$/) as fc.Arbitrary<EventId>;

const shortText = text.filter((each) => !each.includes('\u0000'));
const TYPES = ['m.room.message', 'm.room.topic', 'm.room.join_rules', 'm.room.history_visibility', 'm.mls.commit'];

/** An event of any kind, with members that nobody knows. */
export const template: fc.Arbitrary<EventTemplate> = fc
  .record({
    room_id: roomId,
    sender: userId,
    type: fc.oneof(fc.constantFrom(...TYPES), shortText),
    origin_server_ts: integer,
    content: fc.oneof(
      jsonObject,
      fc.record({ membership: text, join_rule: text, ban: integer, users: jsonObject, body: json }),
    ),
    state_key: fc.option(shortText, { nil: undefined }),
    unknown: fc.option(fc.tuple(text, json), { nil: undefined }),
  })
  .map(({ state_key: stateKey, unknown, ...fields }) => ({
    ...(unknown === undefined ? {} : { [`org.example.${unknown[0]}`]: unknown[1] }),
    ...fields,
    ...(stateKey === undefined ? {} : { state_key: stateKey }),
  }))
  .filter(({ type }) => !['m.room.create', 'm.room.member', 'm.room.power_levels'].includes(type));
