import type { NativeChannel, NativeUser } from '../port.js';

/** Readers of what the chat answers (docs/platforms/http.openapi.yaml). They throw MalformedAnswer. */
export class MalformedAnswer extends Error {}

const MAX_ID_BYTES = 255;
const MAX_URL = 1_024;
const MAX_MEMBERS = 10_000;
const MAX_TOPIC = 4_000;
const KINDS = ['channel', 'direct', 'group'] as const;

export type Fields = Record<string, unknown>;

export function fields(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new MalformedAnswer(`${what} is no object`);
}

export function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new MalformedAnswer(`${what} is no text`);
}

export function id(value: unknown, what: string): string {
  const out = text(value, what);
  if (out !== '' && Buffer.byteLength(out) <= MAX_ID_BYTES) return out;
  throw new MalformedAnswer(`${what} is not an id of 1 to ${String(MAX_ID_BYTES)} bytes`);
}

export function channel(value: unknown): NativeChannel {
  const { id: channelId, name, kind, topic, private: hidden, archived } = fields(value, 'channel');
  return {
    id: id(channelId, 'channel.id'),
    name: text(name, 'channel.name').slice(0, MAX_ID_BYTES),
    ...optional('kind', kind, (word) => oneOf(word, KINDS, 'channel.kind')),
    ...optional('topic', topic, (said) => text(said, 'channel.topic').slice(0, MAX_TOPIC)),
    ...(hidden === true ? { private: true } : {}),
    ...(archived === true ? { archived: true } : {}),
  };
}

export function user(value: unknown): NativeUser {
  const { id: userId, username, display_name: displayName, avatar_url: avatar, bot } = fields(value, 'user');
  const avatarUrl = httpsUrl(avatar);
  return {
    id: id(userId, 'user.id'),
    username: text(username, 'user.username'),
    displayName: text(displayName, 'user.display_name').slice(0, MAX_ID_BYTES / 4),
    ...(avatarUrl === undefined ? {} : { avatarUrl }),
    ...(bot === true ? { bot } : {}),
  };
}

/** A picture that other companies cannot load is none; a name is shown all the same. */
function httpsUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_URL || !URL.canParse(value)) return undefined;
  const { protocol, href } = new URL(value);
  return protocol === 'https:' ? href : undefined;
}

/** The word, when it is one of these. */
export function oneOf<T extends string>(value: unknown, words: readonly T[], what: string): T {
  const word = words.find((each) => each === value);
  if (word !== undefined) return word;
  throw new MalformedAnswer(`${what} is none of ${words.join(', ')}`);
}

/** A member that may be absent. */
export function optional<K extends string, T>(
  key: K,
  value: unknown,
  read: (value: unknown) => T,
): Partial<Record<K, T>> {
  return value === undefined || value === null ? {} : ({ [key]: read(value) } as Record<K, T>);
}

export function users(value: unknown): NativeUser[] {
  const { members } = fields(value, 'the answer');
  if (!Array.isArray(members)) throw new MalformedAnswer('members is no list');
  return members.slice(0, MAX_MEMBERS).map(user);
}
