import { type JsonObject, isJsonObject } from './json.js';

const TOP_LEVEL = [
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'origin_server_ts',
  'hashes',
  'signatures',
  'prev_events',
  'auth_events',
  'hub_server',
] as const;

const CONTENT: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['m.room.member', ['membership']],
  ['m.room.join_rules', ['join_rule']],
  [
    'm.room.power_levels',
    ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default', 'invite'],
  ],
  ['m.room.history_visibility', ['history_visibility']],
]);

/** The fields that redaction keeps (LM-04 §Event Redactions). A fresh object; the event is not changed. */
export function redact(event: JsonObject): JsonObject {
  const out = pick(event, TOP_LEVEL);
  if (event.type !== 'm.room.create' && isJsonObject(event.content)) {
    out.content = pick(event.content, CONTENT.get(event.type) ?? []);
  }
  return out;
}

/** The own properties of these names. */
export function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  const out: JsonObject = {};
  for (const key of keys) {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (value !== undefined) out[key] = value;
  }
  return out;
}

/** The own properties but those of these names. Keeps an own `__proto__` what it is. */
export function omit(object: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
