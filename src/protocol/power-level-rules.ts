import { parseUserId } from './identifiers.js';
import { type JsonObject, type JsonValue, isJsonObject } from './json.js';

/** `differing`: refused by us, and by other servers, but not by the draft's words (profile §2). */
export type PowerVerdict = { kind: 'allow' } | { kind: 'reject' | 'differing'; rule: string; reason: string };

const LEVELS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const;

const reject = (rule: string, reason: string): PowerVerdict => ({ kind: 'reject', rule, reason });

/**
 * Rule 9 of LM-04 §Auth Rules Algorithm: who may change which level.
 *
 * @param next content of the new m.room.power_levels
 * @param current content of the one before; undefined when there was none
 * @param own the sender's level now
 */
export function checkPowerLevels(
  next: JsonObject,
  current: JsonObject | undefined,
  sender: string,
  own: number,
): PowerVerdict {
  const malformed = checkShape(next);
  if (malformed !== undefined) return malformed;
  if (current === undefined) return { kind: 'allow' };
  for (const field of LEVELS) {
    const [before, after] = [level(current, field), level(next, field)];
    if (before === after) continue;
    if (before !== undefined && before > own) return reject('9.5.1', `${field} is above ${sender}`);
    if (after !== undefined && after > own) return reject('9.5.2', `${field} would be above ${sender}`);
  }
  for (const [type, before, after] of changes(current.events, next.events)) {
    if (before !== undefined && before > own) return reject('9.6.1', `the level of ${type} is above ${sender}`);
    if (after !== undefined && after > own) return reject('9.7.1', `the level of ${type} would be above ${sender}`);
  }
  let differing: PowerVerdict | undefined;
  for (const [userId, before, after] of changes(current.users, next.users)) {
    if (before !== undefined && userId !== sender) {
      if (before > own) return reject('9.8.1', `${userId} is above ${sender}`);
      if (before === own) {
        differing ??= { kind: 'differing', rule: 'profile: equal level', reason: `${userId} is as high as ${sender}` };
      }
    }
    if (after !== undefined && after > own) return reject('9.9.1', `${userId} would be above ${sender}`);
  }
  return differing ?? { kind: 'allow' };
}

function checkShape(next: JsonObject): PowerVerdict | undefined {
  for (const field of LEVELS) {
    if (next[field] !== undefined && !Number.isSafeInteger(next[field])) return reject('9.1', `${field} is no integer`);
  }
  if (next.events !== undefined && !isLevels(next.events)) return reject('9.2', 'events is no map of integers');
  const { users } = next;
  if (users !== undefined && !(isLevels(users) && Object.keys(users).every((id) => parseUserId(id) !== undefined))) {
    return reject('9.3', 'users is no map of user ids to integers');
  }
  return undefined;
}

/** Entries that differ: [key, level before, level after]. A missing map is an empty one (profile §2). */
function changes(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
): [key: string, before: number | undefined, after: number | undefined][] {
  const [old, fresh] = [isJsonObject(before) ? before : {}, isJsonObject(after) ? after : {}];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .map((key): [string, number | undefined, number | undefined] => [key, level(old, key), level(fresh, key)])
    .filter(([, was, is]) => was !== is);
}

function level(map: JsonObject, key: string): number | undefined {
  const value = Object.hasOwn(map, key) ? map[key] : undefined;
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}

function isLevels(value: JsonValue): value is Record<string, number> {
  return isJsonObject(value) && Object.values(value).every((each) => Number.isSafeInteger(each));
}
