declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type ServerName = Branded<'ServerName'>;
export type RoomId = Branded<'RoomId'>;
export type RoomAlias = Branded<'RoomAlias'>;
export type UserId = Branded<'UserId'>;
export type EventId = Branded<'EventId'>;
export type KeyId = Branded<'KeyId'>;
export type DeviceId = Branded<'DeviceId'>;

export const MAX_IDENTIFIER_BYTES = 255; // LM-04 §Rooms, §Users, §Events
const MAX_HOSTNAME = 255; // LM-04 §Server Names

const PORT = /^(.+?):([0-9]{1,5})$/;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
// What is read as an IPv4 address when connecting, also in its short and hexadecimal forms: the last label is a number.
const IPV4 = /(?:^|\.)0x[0-9a-f]*$|\.[0-9]+$/i;
const ROOM_LOCALPART = /^[A-Za-z0-9._~-]+$/;
// eslint-disable-next-line no-control-regex -- what an alias may not hold
const ALIAS_LOCALPART = /^[^:\s\u0000-\u001f\u007f]+$/;
const USER_LOCALPART = /^[a-z0-9._=/+-]+$/;
const EVENT_ID = /^\$[A-Za-z0-9_-]+$/;
const KEY_ID = /^ed25519:[A-Za-z0-9_]+$/;
const DEVICE_ID = /^[A-Za-z0-9_]+$/;

/** LM-04 §Server Names: an RFC 1123 host name, never an IP literal, with an optional port. */
export function parseServerName(value: unknown): ServerName | undefined {
  if (typeof value !== 'string') return undefined;
  const [, hostname = value, port] = PORT.exec(value) ?? [];
  if (port !== undefined && Number(port) > 65_535) return undefined;
  if (hostname.length > MAX_HOSTNAME || IPV4.test(hostname)) return undefined;
  return hostname.split('.').every((label) => LABEL.test(label)) ? (value as ServerName) : undefined;
}

export function splitServerName(name: ServerName): { hostname: string; port: number | undefined } {
  const [, hostname = name, port] = PORT.exec(name) ?? [];
  return { hostname, port: port === undefined ? undefined : Number(port) };
}

/** LM-04 §Rooms. */
export function parseRoomId(value: unknown): RoomId | undefined {
  return parseSigil(value, '!', ROOM_LOCALPART) as RoomId | undefined;
}

/** A name for a room: `#` and anything without spaces, `:` and control characters, of a server (Matrix: Room Aliases). */
export function parseRoomAlias(value: unknown): RoomAlias | undefined {
  const alias = parseSigil(value, '#', ALIAS_LOCALPART);
  return alias !== undefined && Buffer.byteLength(alias) <= MAX_IDENTIFIER_BYTES ? (alias as RoomAlias) : undefined;
}

/** LM-04 §Users. */
export function parseUserId(value: unknown): UserId | undefined {
  return parseSigil(value, '@', USER_LOCALPART) as UserId | undefined;
}

/** LM-04 §Events. */
export function parseEventId(value: unknown): EventId | undefined {
  return typeof value === 'string' && value.length <= MAX_IDENTIFIER_BYTES && EVENT_ID.test(value)
    ? (value as EventId)
    : undefined;
}

/** LM-04 §Signing: `ed25519:` and a key version. */
export function parseKeyId(value: unknown): KeyId | undefined {
  return typeof value === 'string' && value.length <= MAX_IDENTIFIER_BYTES && KEY_ID.test(value)
    ? (value as KeyId)
    : undefined;
}

/** LM-04 §Devices: it serves as a key version too. */
export function parseDeviceId(value: unknown): DeviceId | undefined {
  return typeof value === 'string' && value.length <= MAX_IDENTIFIER_BYTES && DEVICE_ID.test(value)
    ? (value as DeviceId)
    : undefined;
}

export const serverOfUser = (userId: UserId): ServerName => userId.slice(userId.indexOf(':') + 1) as ServerName;
export const serverOfRoom = (roomId: RoomId): ServerName => roomId.slice(roomId.indexOf(':') + 1) as ServerName;
export const serverOfAlias = (alias: RoomAlias): ServerName => alias.slice(alias.indexOf(':') + 1) as ServerName;
export const localpartOf = (userId: UserId): string => userId.slice(1, userId.indexOf(':'));

function parseSigil(value: unknown, sigil: string, localpart: RegExp): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_IDENTIFIER_BYTES || !value.startsWith(sigil)) return undefined;
  const colon = value.indexOf(':');
  if (colon < 0 || !localpart.test(value.slice(1, colon))) return undefined;
  return parseServerName(value.slice(colon + 1)) === undefined ? undefined : value;
}
