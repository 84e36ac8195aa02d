import { type EntityManager, LessThan } from 'typeorm';
import { DestinationRoomEntity, EventEntity, type RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import { execute, inList, insertRows, selectRows } from '../persistence/statements.js';
import {
  type EventId,
  type Pdu,
  type RoomId,
  type UserId,
  membershipOf,
  parseUserId,
  serverOfUser,
} from '../protocol/index.js';

export interface AppendedEvent {
  roomId: RoomId;
  position: number;
  eventId: EventId;
  lpduHash: string | null;
  pdu: Pdu;
  rejected: boolean;
}

export type EventRow = Pick<AppendedEvent, 'eventId' | 'position' | 'lpduHash'>;

/** As the drivers give it: PostgreSQL has its 64-bit numbers as text. */
type Stored<T> = { [K in keyof T]: T[K] extends number ? number | string : T[K] };

const SELECT_ROOM = `SELECT room_id AS "roomId", version, role, hub_server AS "hubServer", standing,
  head_position AS "headPosition", head_event_id AS "headEventId", created_at AS "createdAt" FROM room WHERE room_id = ?`;
const EVENT_COLUMNS = [
  'room_id',
  'position',
  'event_id',
  'type',
  'state_key',
  'sender',
  'lpdu_hash',
  'snapshot',
  'rejected',
  'json',
  'received_at',
];
const STATE_COLUMNS = ['room_id', 'type', 'state_key', 'position', 'server', 'membership'];
const MOVE_STATE = `ON CONFLICT (room_id, type, state_key) DO UPDATE
  SET position = excluded.position, server = excluded.server, membership = excluded.membership`;

export async function readRoom(
  manager: EntityManager,
  roomId: RoomId,
  lock: '' | 'FOR UPDATE' = '',
): Promise<RoomEntity | null> {
  const [row] = await selectRows<Stored<RoomEntity>>(manager, `${SELECT_ROOM} ${lock}`, [roomId]);
  if (row === undefined) return null;
  const { headPosition, createdAt, ...rest } = row;
  return { ...rest, headPosition: Number(headPosition), createdAt: Number(createdAt) };
}

/** Those of these events that the log holds: by the hash of their LPDU, or by their id. */
export async function knownEvents(
  manager: EntityManager,
  roomId: RoomId,
  { lpduHashes, eventIds }: { lpduHashes: readonly string[]; eventIds: readonly EventId[] },
): Promise<EventRow[]> {
  const by = async (column: 'lpdu_hash' | 'event_id', values: readonly string[]): Promise<Stored<EventRow>[]> => {
    if (values.length === 0) return [];
    const [list, parameters] = inList(values);
    const sql = `SELECT event_id AS "eventId", position, lpdu_hash AS "lpduHash" FROM event
      WHERE room_id = ? AND ${column} IN (${list})`;
    return selectRows<Stored<EventRow>>(manager, sql, [roomId, ...parameters]);
  };
  const rows = [...(await by('lpdu_hash', lpduHashes)), ...(await by('event_id', eventIds))];
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}

/** Compares and swaps the room's head; false: somebody else appended first. */
export async function swapHead(manager: EntityManager, room: RoomEntity, head: EventRow): Promise<boolean> {
  const sql = 'UPDATE room SET head_position = ?, head_event_id = ? WHERE room_id = ? AND head_position = ?';
  const parameters = [head.position, head.eventId, room.roomId, room.headPosition];
  return (await execute(manager, sql, parameters)) === 1;
}

/** Rows of events, as the chain brought them or (`snapshot`) as a send_join answer did. */
export function insertEvents(
  manager: EntityManager,
  events: readonly AppendedEvent[],
  now: number,
  snapshot = false,
): Promise<void> {
  const rows = events.map(({ roomId, position, eventId, lpduHash, pdu, rejected }) => [
    roomId,
    position,
    eventId,
    pdu.type,
    pdu.state_key ?? null,
    pdu.sender,
    lpduHash,
    snapshot,
    rejected,
    JSON.stringify(pdu),
    now,
  ]);
  return insertRows(manager, 'event', EVENT_COLUMNS, rows);
}

/** Moves current state to these events; the last of each (type, state_key) counts. */
export function writeState(manager: EntityManager, events: readonly AppendedEvent[]): Promise<void> {
  const rows = new Map<string, (string | number | null)[]>();
  for (const { roomId, position, pdu, rejected } of events) {
    if (pdu.state_key === undefined || rejected) continue;
    const member = pdu.type === 'm.room.member' ? parseUserId(pdu.state_key) : undefined;
    rows.set(`${pdu.type}\u0000${pdu.state_key}`, [
      roomId,
      pdu.type,
      pdu.state_key,
      position,
      member === undefined ? null : serverOfUser(member),
      member === undefined ? null : (membershipOf(pdu) ?? null),
    ]);
  }
  return insertRows(manager, 'room_state', STATE_COLUMNS, [...rows.values()], MOVE_STATE);
}

/** A server's cursor on the room starts with its first join and ends with its last leave (LM-04 §Sending Events). */
export async function moveDestinations(
  manager: EntityManager,
  room: RoomEntity,
  appended: readonly AppendedEvent[],
): Promise<void> {
  const changes = new Map<string, AppendedEvent>();
  for (const event of appended) {
    const member = event.pdu.type === 'm.room.member' ? parseUserId(event.pdu.state_key) : undefined;
    if (member !== undefined) changes.set(serverOfUser(member), event);
  }
  changes.delete(room.hubServer);
  for (const [name, { position, pdu }] of changes) {
    const member = parseUserId(pdu.state_key);
    if (member === undefined) continue;
    const server = serverOfUser(member);
    const { roomId } = room;
    const joined = await manager.existsBy(RoomStateEntity, { roomId, server, membership: 'join' });
    const cursor = await manager.findOneBy(DestinationRoomEntity, { server, roomId });
    const follows = cursor !== null && cursor.untilPosition === null;
    if (joined && !follows) {
      const joinedAt = appended.find((event) => isJoinOf(event, name))?.position ?? position;
      await manager.upsert(DestinationRoomEntity, { server, roomId, cursor: joinedAt - 1, untilPosition: null }, [
        'server',
        'roomId',
      ]);
    } else if (!joined && follows) {
      await manager.update(DestinationRoomEntity, { server, roomId }, { untilPosition: position });
    } else if (!joined && pdu.sender !== member && (await isTold(manager, cursor !== null, roomId, member, position))) {
      // An invite, a knock or a ban is taken back: this event, and nothing else of the room, goes to a server that is not in it.
      const settled = cursor === null || cursor.cursor >= (cursor.untilPosition ?? position);
      const only = { server, roomId, cursor: position - 1, untilPosition: position };
      if (settled) await manager.upsert(DestinationRoomEntity, only, ['server', 'roomId']);
    }
  }
}

/** Whether a user's server, which is not in the room, knows what the event at a position takes back. */
async function isTold(
  manager: EntityManager,
  followed: boolean,
  roomId: RoomId,
  userId: UserId,
  position: number,
): Promise<boolean> {
  const before = await manager.findOne(EventEntity, {
    where: { roomId, type: 'm.room.member', stateKey: userId, position: LessThan(position), rejected: false },
    order: { position: 'DESC' },
  });
  const membership = before === null ? undefined : membershipOf(JSON.parse(before.json) as Pdu);
  return membership === 'invite' || membership === 'knock' || (membership === 'ban' && followed);
}

function isJoinOf({ pdu }: AppendedEvent, server: string): boolean {
  const member = pdu.type === 'm.room.member' ? parseUserId(pdu.state_key) : undefined;
  return member !== undefined && serverOfUser(member) === server && membershipOf(pdu) === 'join';
}
