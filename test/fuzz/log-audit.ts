import Sqlite from 'better-sqlite3';
import type { JsonObject } from '../../src/protocol/index.js';
import { type PublicKeys, algorithms } from './algorithms.js';

const { checkPdu, eventId, redact } = algorithms;

export interface StoredRow {
  roomId: string;
  position: number;
  eventId: string;
  snapshot: boolean;
  rejected: boolean;
  event: JsonObject;
}

/** What may be in the rooms, by those who made it. */
export interface Known {
  /** The gateway's server, whose users speak only when their admin says so. */
  ours: string;
  keysOf: (server: string) => PublicKeys;
  /** Whether a request with this LPDU came from this server. */
  delivered: (lpduHash: string, server: string) => boolean;
  /** Whether the admin made this event of one of our users. */
  made: (event: JsonObject, eventId: string) => boolean;
}

/** The logs of all rooms, from the gateway's database, after it has stopped. */
export function readLogs(path: string): { rows: StoredRow[]; hubs: Map<string, string> } {
  const database = new Sqlite(path, { readonly: true });
  try {
    const select = 'SELECT room_id, position, event_id, snapshot, rejected, json FROM event ORDER BY room_id, position';
    const rows = (database.prepare(select).all() as Record<string, string | number>[]).map((row) => ({
      roomId: String(row.room_id),
      position: Number(row.position),
      eventId: String(row.event_id),
      snapshot: Number(row.snapshot) === 1,
      rejected: Number(row.rejected) === 1,
      event: JSON.parse(String(row.json)) as JsonObject,
    }));
    const rooms = database.prepare('SELECT room_id, hub_server FROM room').all() as Record<string, string>[];
    return { rows, hubs: new Map(rooms.map((room) => [room.room_id ?? '', room.hub_server ?? ''])) };
  } finally {
    database.close();
  }
}

/** How many rows each table has: what a stranger can make us keep. */
export function countRows(path: string): Record<string, number> {
  const database = new Sqlite(path, { readonly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
    const count = (table: string) => Number(database.prepare(`SELECT count(*) FROM "${table}"`).pluck().get());
    return Object.fromEntries(tables.map((table) => [table, count(table)]));
  } finally {
    database.close();
  }
}

/** Every forgery, repetition, fork or trespass in the logs, judged by the scripted peer's algorithms and a second set of rules. */
export function audit(rows: readonly StoredRow[], hubs: ReadonlyMap<string, string>, known: Known): string[] {
  const faults: string[] = [];
  const rooms = new Map<string, StoredRow[]>();
  for (const row of rows) {
    const log = rooms.get(row.roomId) ?? [];
    log.push(row);
    rooms.set(row.roomId, log);
  }
  for (const [roomId, log] of rooms) {
    const hub = hubs.get(roomId) ?? '';
    const tell = (row: StoredRow, what: string): void => {
      faults.push(
        `${roomId} ${String(row.position)} ${row.eventId}: ${what}: ${JSON.stringify(row.event).slice(0, 500)}`,
      );
    };
    checkOrder(log, hub === known.ours, tell);
    checkAuthors(log, hub, known, tell);
    checkRules(log, hub === known.ours, tell);
  }
  return faults;
}

type Tell = (row: StoredRow, what: string) => void;

/** One event once, under its own id; one chain where we are the hub. */
function checkOrder(log: readonly StoredRow[], hubIsOurs: boolean, tell: Tell): void {
  const lpdus = new Set<string>();
  let before: string | undefined;
  for (const [index, row] of log.entries()) {
    if (row.event.room_id !== row.roomId) tell(row, 'it is of another room');
    if (row.position !== index) tell(row, `its position should be ${String(index)}`);
    if (eventId(row.event) !== row.eventId) tell(row, 'its id is not that of the event');
    const hash = lpduHashIn(row.event);
    if (hash !== undefined && !row.rejected && lpdus.has(hash)) tell(row, 'the same LPDU is in the log twice');
    if (hash !== undefined && !row.rejected) lpdus.add(hash);
    const prev = JSON.stringify(before === undefined ? [] : [before]);
    if (hubIsOurs && JSON.stringify(row.event.prev_events) !== prev) tell(row, `prev_events should be ${prev}`);
    before = row.eventId;
  }
}

/** Signed by whoever says it, sent by whoever says it, and our users' by our admin alone. */
function checkAuthors(log: readonly StoredRow[], hub: string, known: Known, tell: Tell): void {
  for (const row of log) {
    const { event } = row;
    const sender = serverOf(event.sender);
    // What does not match its hash is kept redacted (LM-04 §Receiving Events): then its signatures alone count. And a server
    // that is hub and sender has but one signature for both forms (profile §2).
    const redacted = hub !== known.ours && isRedacted(event);
    const forBoth = hub === sender && event.hub_server === hub;
    const problems = checkPdu(event, known.keysOf).filter(
      (problem) => !(redacted && problem.includes('hash')) && !(forBoth && problem === 'bad sender signature'),
    );
    if (problems.length > 0) tell(row, problems.join(', '));
    // Elsewhere it may be of a server that takes no part in linearization, which its hub may well relay (mx-differences).
    const unlinearized = event.hub_server === undefined && sender !== hub;
    if (unlinearized && hub === known.ours) tell(row, 'it did not pass the hub');
    if (event.hub_server !== undefined && event.hub_server !== hub) tell(row, 'it passed another hub');
    const hash = lpduHashIn(event);
    if (hub === known.ours && hash !== undefined && !known.delivered(hash, sender))
      tell(row, `${sender} never sent it`);
    if (sender === known.ours && !known.made(event, row.eventId)) tell(row, 'nobody here made it');
  }
}

const isRedacted = (event: JsonObject): boolean => JSON.stringify(redact(event)) === JSON.stringify(event);

/** Membership and power, by the draft's words and not by our code. */
function checkRules(log: readonly StoredRow[], hubIsOurs: boolean, tell: Tell): void {
  const members = new Map<string, string>();
  let levels: JsonObject | undefined;
  // A room without a join rule is by invite where we are the hub; of others' rooms servers differ (profile §2).
  const noJoinRule = hubIsOurs ? 'invite' : null;
  let joinRule: unknown = noJoinRule;
  let creator: unknown;
  const levelOf = (user: string): number => {
    if (levels === undefined) return user === creator ? 100 : 0;
    const users = (levels.users ?? {}) as JsonObject;
    return numberOr(Object.hasOwn(users, user) ? users[user] : undefined, numberOr(levels.users_default, 0));
  };
  const needed = (action: 'ban' | 'kick' | 'invite'): number =>
    numberOr(levels?.[action], action === 'invite' ? 0 : 50);
  for (const [index, row] of log.entries()) {
    if (row.rejected) continue;
    // Of the state at a join, and of the join itself, a hub tells what it likes: the rules are kept from there on.
    const told = row.snapshot || log[index - 1]?.snapshot === true;
    const { type, sender: by, state_key: key, content: what } = row.event;
    const [sender, target] = [textOf(by), typeof key === 'string' ? key : undefined];
    const content = what as JsonObject;
    const own = levelOf(sender);
    if (type === 'm.room.create') creator = sender;
    else if (type === 'm.room.member' && target !== undefined) {
      const fault = told
        ? undefined
        : memberFault({ sender, target, content, members, joinRule, creator, own, other: levelOf(target), needed });
      if (fault !== undefined) tell(row, fault);
      members.set(target, textOf(content.membership));
    } else if (!told) {
      const events = (levels?.events ?? {}) as JsonObject;
      const least = numberOr(
        Object.hasOwn(events, textOf(type)) ? events[textOf(type)] : undefined,
        target === undefined ? numberOr(levels?.events_default, 0) : numberOr(levels?.state_default, 50),
      );
      if (members.get(sender) !== 'join') tell(row, `${sender} is not in the room`);
      if (own < least) tell(row, `${sender} has ${String(own)} of ${String(least)}`);
      if (target?.startsWith('@') && target !== sender) tell(row, 'the state of another user');
      if (type === 'm.room.power_levels' && levels !== undefined) {
        for (const [user, level] of Object.entries((content.users ?? {}) as JsonObject)) {
          if (numberOr(level, 0) > own && levelOf(user) !== level) tell(row, `${user} is raised above ${sender}`);
        }
      }
    }
    if (type === 'm.room.power_levels' && target === '') levels = content;
    if (type === 'm.room.join_rules' && target === '') joinRule = content.join_rule ?? noJoinRule; // elsewhere it rules nothing
  }
}

interface MemberChange {
  sender: string;
  target: string;
  content: JsonObject;
  members: ReadonlyMap<string, string>;
  joinRule: unknown;
  creator: unknown;
  own: number;
  other: number;
  needed: (action: 'ban' | 'kick' | 'invite') => number;
}

function memberFault({
  sender,
  target,
  content,
  members,
  joinRule,
  creator,
  own,
  other,
  needed,
}: MemberChange): string | undefined {
  const [mine, theirs] = [members.get(sender) ?? 'leave', members.get(target) ?? 'leave'];
  switch (content.membership) {
    case 'join':
      if (sender !== target) return 'somebody joins another';
      if (mine === 'ban') return 'a banned user joins';
      if (members.size === 0 && sender === creator) return undefined;
      if (typeof joinRule !== 'string') return undefined; // servers differ on what that means
      return joinRule === 'public' || mine === 'invite' || mine === 'join' ? undefined : 'joined without an invite';
    case 'invite':
      if (mine !== 'join') return 'invited by somebody who is not in the room';
      if (theirs === 'join' || theirs === 'ban') return `invited while ${theirs}`;
      return own >= needed('invite') ? undefined : 'invited without power';
    case 'leave':
      if (sender === target) return ['join', 'invite', 'knock'].includes(mine) ? undefined : 'left without being there';
      if (mine !== 'join') return 'removed by somebody who is not in the room';
      if (theirs === 'ban' && own < needed('ban')) return 'unbanned without power';
      return own >= needed('kick') && other < own ? undefined : 'kicked without power';
    case 'ban':
      if (mine !== 'join') return 'banned by somebody who is not in the room';
      return own >= needed('ban') && other < own ? undefined : 'banned without power';
    case 'knock':
      return sender === target && joinRule === 'knock' && mine !== 'ban' && mine !== 'join'
        ? undefined
        : 'a wrong knock';
    default:
      return 'an unknown membership';
  }
}

const numberOr = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export const serverOf = (user: unknown): string => textOf(user).slice(textOf(user).indexOf(':') + 1);

function lpduHashIn({ hashes }: JsonObject): string | undefined {
  const lpdu = (hashes as JsonObject).lpdu as JsonObject | undefined;
  return typeof lpdu?.sha256 === 'string' ? lpdu.sha256 : undefined;
}

/** By what an event that the admin asked for is recognised: its text is said once, its kicks and bans are not told apart. */
export function wordsOf({ type, content, state_key: target }: JsonObject): string {
  const { body, membership } = content as JsonObject;
  return type === 'm.room.member' ? `${textOf(membership)} ${textOf(target)}` : textOf(body);
}

/** The bot joins the rooms of others when it is told to. */
export const isOurJoin = ({ type, state_key: target, content, hub_server: hub }: JsonObject): boolean =>
  type === 'm.room.member' &&
  hub !== undefined &&
  target === '@causeway:acme.example' &&
  (content as JsonObject).membership === 'join';
