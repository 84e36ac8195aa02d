import {
  type UserId,
  parseEventId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
} from '../../protocol/index.js';

const MATRIX_TO = 'https://matrix.to/#/';
const MXC = /^mxc:\/\/([^/]{1,255})\/[A-Za-z0-9_-]{1,255}$/;
const MAX_URI = 2_000;

/** A Matrix Content URI (client-server API, Content repository). */
export function parseMxcUri(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  return parseServerName(MXC.exec(value)?.[1]) === undefined ? undefined : value;
}

/** `https://matrix.to/#/@ada:globex.example` (appendices, matrix.to navigation). */
export const userUri = (userId: UserId): string => MATRIX_TO + encode(userId);

/** Of a room id or an alias. */
export const roomUri = (room: string): string => MATRIX_TO + encode(room);

// Not those that clients leave as they are for legibility, and which mean nothing in a fragment.
const encode = (id: string): string => encodeURIComponent(id).replaceAll('%40', '@').replaceAll('%3A', ':');

/** What a link leads to inside of Matrix. */
export type MatrixTarget = { kind: 'user'; userId: UserId } | { kind: 'room'; room: string } | { kind: 'other' };

const SIGILS = new Map([
  ['u', '@'],
  ['user', '@'],
  ['r', '#'],
  ['room', '#'],
  ['roomid', '!'],
]);

/** Of a matrix.to link or a `matrix:` URI; undefined for any other link. Messages and what cannot be read are `other`. */
export function matrixTarget(url: string): MatrixTarget | undefined {
  if (url.length > MAX_URI) return undefined;
  const ids = url.startsWith(MATRIX_TO) ? afterHash(url) : inScheme(url);
  if (ids === undefined) return undefined;
  const [id, event] = ids;
  if (event !== undefined && event !== '') return { kind: 'other' };
  const userId = parseUserId(id);
  if (userId !== undefined) return { kind: 'user', userId };
  const room = parseRoomId(id) ?? parseRoomAlias(id);
  return room === undefined ? { kind: 'other' } : { kind: 'room', room };
}

/** Whether it is a permalink to a message, which stays a link. */
export function isEventLink(url: string): boolean {
  return url.startsWith(MATRIX_TO) && parseEventId(afterHash(url)[1]) !== undefined;
}

function afterHash(url: string): [id: string, event: string | undefined] {
  const [path = ''] = url.slice(MATRIX_TO.length).split('?', 1);
  const [id = '', event] = path.split('/');
  return [decode(id), event === undefined ? undefined : decode(event)];
}

function inScheme(url: string): [id: string, event: string | undefined] | undefined {
  if (!/^matrix:/i.test(url)) return undefined;
  const path = url.slice('matrix:'.length).split(/[?#]/, 1)[0] ?? '';
  const [type = '', id = '', , event] = path.replace(/^\/\/[^/]*\//, '').split('/');
  return [(SIGILS.get(type) ?? '') + decode(id), event];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not encoded, as old clients write them
  }
}
