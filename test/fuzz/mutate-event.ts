import { type JsonObject, type JsonValue, isJsonObject } from '../../src/protocol/index.js';
import { algorithms } from './algorithms.js';
import { type Attacker } from './attacker.js';
import { mutateValue, oddNumber, oddText, oddValue } from './mutate-json.js';
import type { Random } from './random.js';

const { SigningKey, canonical, lpduHash, pduHash } = algorithms;

/** What events of the rooms under attack can name. */
export interface Names {
  rooms: readonly string[];
  /** Of all servers. */
  users: readonly string[];
  servers: readonly string[];
  eventIds: readonly string[];
  attackers: readonly Attacker[];
}

const TYPES = [
  'm.room.message',
  'm.room.member',
  'm.room.power_levels',
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.create',
  'm.room.name',
  'm.room.topic',
  'm.room.redaction',
  'm.room.encrypted',
  'm.room.server_acl',
  'm.room.canonical_alias',
  'm.mls.commit',
] as const;
const MEMBERSHIPS = ['join', 'invite', 'leave', 'ban', 'knock', 'restricted', ''] as const;
const LEVEL_FIELDS = [
  'ban',
  'kick',
  'invite',
  'redact',
  'users_default',
  'events_default',
  'state_default',
  'notifications',
] as const;
const MAX_PDU_BYTES = 65_536;

/** Changes what an event says, before it is hashed and signed. Tells what it did. */
export function mutateEvent(event: JsonObject, names: Names, random: Random): { event: JsonObject; what: string } {
  const set = (fields: JsonObject): JsonObject => ({ ...event, ...fields });
  const unset = (key: string): JsonObject => Object.fromEntries(Object.entries(event).filter(([name]) => name !== key));
  const user = (): JsonValue => random.pick(names.users) ?? '';
  const [what, mutate] = random.weighted<[string, () => JsonObject]>([
    [4, ['type', () => set({ type: random.chance(0.8) ? random.pick(TYPES) : oddValue(random) })]],
    [
      4,
      [
        'state_key',
        () =>
          set({
            state_key: random.weighted([
              [2, ''],
              [4, user()],
              [2, oddValue(random)],
            ]),
          }),
      ],
    ],
    [1, ['no state_key', () => unset('state_key')]],
    [4, ['sender', () => set({ sender: random.chance(0.7) ? user() : oddUser(names, random) })]],
    [3, ['room_id', () => set({ room_id: random.chance(0.7) ? (random.pick(names.rooms) ?? '') : oddValue(random) })]],
    [6, ['content', () => set({ content: mutateValue(event.content ?? null, random) })]],
    [5, ['membership', () => set({ ...member(names, random) })]],
    [
      5,
      [
        'power levels',
        () => set({ type: 'm.room.power_levels', state_key: '', content: powerLevels(event, names, random) }),
      ],
    ],
    [
      2,
      [
        'join rule',
        () =>
          set({
            type: 'm.room.join_rules',
            state_key: '',
            content: { join_rule: random.pick(['public', 'invite', 'knock', 'restricted', 5, null]) },
          }),
      ],
    ],
    [
      2,
      [
        'visibility',
        () =>
          set({
            type: 'm.room.history_visibility',
            state_key: '',
            content: { history_visibility: random.pick(['shared', 'joined', 'invited', 'world_readable', {}, 'x']) },
          }),
      ],
    ],
    [
      1,
      ['origin_server_ts', () => set({ origin_server_ts: random.chance(0.6) ? oddNumber(random) : oddValue(random) })],
    ],
    [
      3,
      [
        'hub_server',
        () => set({ hub_server: random.chance(0.6) ? (random.pick(names.servers) ?? '') : oddValue(random) }),
      ],
    ],
    [1, ['no hub_server', () => unset('hub_server')]],
    [3, ['prev_events', () => set({ prev_events: eventIds(names, random) })]],
    [3, ['auth_events', () => set({ auth_events: eventIds(names, random) })]],
    [1, ['depth', () => set({ depth: oddNumber(random) })]],
    [1, ['unsigned', () => set({ unsigned: oddValue(random) })]],
    [1, ['event_id', () => set({ event_id: random.pick(names.eventIds) ?? oddText(random) })]],
    [2, ['unknown key', () => Object.fromEntries([...Object.entries(event), [oddText(random), oddValue(random)]])]],
    [2, ['size', () => padded(event, random)]],
    [1, ['no field', () => unset(random.pick(Object.keys(event)) ?? '')]],
    [
      2,
      [
        'anything',
        () => {
          const changed = mutateValue(event, random);
          return isJsonObject(changed) ? changed : { ...event, content: changed };
        },
      ],
    ],
  ]);
  return { event: mutate(), what };
}

/** How a mutated event gets its hashes and signatures. */
export function seal(
  event: JsonObject,
  signer: Attacker,
  names: Names,
  random: Random,
  fields?: { auth_events: string[]; prev_events: string[] },
): { event: JsonObject; what: string } {
  const whole: JsonObject = fields === undefined ? event : { ...fields, ...event };
  const as = (key: { signEvent(event: JsonObject): JsonObject }, sign = true): JsonObject => {
    const hashed = { ...whole, hashes: hashesOf(whole, fields !== undefined) };
    return sign ? key.signEvent(hashed) : hashed;
  };
  const senderServer = serverOf(event.sender);
  const owner = names.attackers.find(({ name }) => name === senderServer);
  const forger = (name: string) => new SigningKey(name, Buffer.alloc(32, 7), signer.key.keyId);
  const [what, make] = random.weighted<[string, () => JsonObject]>([
    [14, ['signed by its sender’s server', () => as(owner?.key ?? signer.key)]],
    [3, ['signed by another server', () => as(signer.key)]],
    [3, ['signed in the sender’s name by a wrong key', () => as(forger(senderServer))]],
    [1, ['signed by both', () => signer.key.signEvent(as(forger(senderServer)))]],
    [2, ['hashed, not signed', () => ({ ...as(signer.key, false), signatures: {} })]],
    [3, ['signed, then changed', () => ({ ...as(owner?.key ?? signer.key), content: { body: random.word() } })]],
    [3, ['signatures changed', () => tampered(as(owner?.key ?? signer.key), 'signatures', random)]],
    [2, ['hashes changed', () => tampered(as(owner?.key ?? signer.key), 'hashes', random)]],
    [
      1,
      [
        'hashes changed and signed',
        () => (owner ?? signer).key.signEvent({ ...tampered(as(signer.key), 'hashes', random), signatures: {} }),
      ],
    ],
  ]);
  return { event: orBare(make, whole), what };
}

/** What `make` makes; an event of such a shape that it has no redacted form, or none that ends, goes out without signatures. */
function orBare(make: () => JsonObject, event: JsonObject): JsonObject {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    return { ...event, hashes: { sha256: 'x', lpdu: { sha256: 'x' } }, signatures: {} };
  }
}

function hashesOf(event: JsonObject, isPdu: boolean): JsonObject {
  if (!isPdu) return { lpdu: { sha256: lpduHash(event) } };
  const lpdu = event.hub_server === undefined ? {} : { lpdu: { sha256: lpduHash(event) } };
  return { ...lpdu, sha256: pduHash({ ...event, hashes: lpdu }) };
}

function tampered(event: JsonObject, field: 'signatures' | 'hashes', random: Random): JsonObject {
  return { ...event, [field]: mutateValue(event[field] ?? null, random) };
}

function member(names: Names, random: Random): JsonObject {
  const target = random.pick(names.users) ?? '';
  return {
    type: 'm.room.member',
    state_key: target,
    content: {
      membership: random.chance(0.9) ? random.pick(MEMBERSHIPS) : oddValue(random),
      ...(random.chance(0.2) ? { displayname: oddValue(random) } : {}),
    },
  };
}

function powerLevels(event: JsonObject, names: Names, random: Random): JsonObject {
  const level = (): JsonValue => (random.chance(0.7) ? random.between(-1, 101) : oddValue(random));
  const users = Array.from({ length: random.below(4) }, () => [
    random.chance(0.8) ? (random.pick(names.users) ?? '') : oddText(random),
    level(),
  ]);
  if (random.chance(0.6)) users.push([textOf(event.sender), random.pick([75, 76, 100, 50])]);
  const before: JsonObject = { users: Object.fromEntries(users) as JsonObject };
  const fields = Object.fromEntries(LEVEL_FIELDS.filter(() => random.chance(0.3)).map((field) => [field, level()]));
  const events = random.chance(0.3)
    ? { events: { [random.chance(0.7) ? random.pick(TYPES) : oddText(random)]: level() } }
    : {};
  return { ...before, ...fields, ...events };
}

function eventIds(names: Names, random: Random): JsonValue {
  const id = (): JsonValue =>
    random.weighted([
      [6, random.pick(names.eventIds) ?? '$x'],
      [1, `$${random.word(43)}`],
      [1, oddValue(random)],
    ]);
  return random.weighted<() => JsonValue>([
    [6, () => [id()]],
    [1, () => []],
    [2, () => [id(), id()]],
    [1, () => Array.from({ length: random.pick([10, 11, 20, 21, 2_000]) }, id)],
    [1, () => oddValue(random)],
  ])();
}

function oddUser(names: Names, random: Random): JsonValue {
  const server = random.pick(names.servers) ?? '';
  return random.pick<JsonValue>([
    oddValue(random),
    `@:${server}`,
    `@A:${server}`,
    `@a:${server}:1`,
    `@${'a'.repeat(300)}:${server}`,
    server,
    `@a@b:${server}`,
    `@a:`,
    `@causeway:${server} `,
    `@causeway:${server}\u0000`,
    `@causeway:${server.toUpperCase()}`,
    `@a:127.0.0.1`,
    `@__proto__:${server}`,
    `@a:[::1]`,
  ]);
}

/** To the byte around the largest event, as far as hashes and signatures let it be known. */
function padded(event: JsonObject, random: Random): JsonObject {
  const bare = canonical({ ...event, content: { body: '' } }).length;
  const around = MAX_PDU_BYTES - bare - random.pick([0, 150, 280, 290, 300, 400, 600]) + random.between(-4, 4);
  return { ...event, content: { body: random.pick(['x', '\u0001', 'é'] as const).repeat(Math.max(1, around)) } };
}

const textOf = (value: JsonValue | undefined): string => (typeof value === 'string' ? value : '');

const serverOf = (user: JsonValue | undefined): string => textOf(user).slice(textOf(user).indexOf(':') + 1);
