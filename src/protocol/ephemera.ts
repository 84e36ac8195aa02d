import { type EventId, type RoomId, type UserId, parseEventId, parseRoomId } from './identifiers.js';
import { type JsonObject, isJsonObject } from './json.js';
import type { Edu } from './transaction.js';

/** What somebody does in a room that is told to the others now or never. */
export type Ephemeral =
  | { type: 'typing'; roomId: RoomId; userId: UserId; typing: boolean }
  /** They have read the room up to this event. */
  | { type: 'read'; roomId: RoomId; userId: UserId; eventId: EventId };

/** One EDU tells of no more rooms than this. */
const MAX_ROOMS = 20;

/**
 * What an EDU tells of its sender: the content of Matrix's `m.typing` and `m.receipt` (`m.read` alone) in the envelope of LM-04 §EDUs.
 * Nothing when it has no meaning here; what it says of others does not count.
 */
export function ephemeraOf({ type, sender, content }: Edu): Ephemeral[] {
  if (type === 'm.typing') return typing(content, sender);
  return type === 'm.receipt' ? receipts(content, sender) : [];
}

/** `now`: ms since the epoch. */
export function eduOf(told: Ephemeral, now: number): Edu & JsonObject {
  const { roomId, userId: sender } = told;
  if (told.type === 'typing') {
    return { type: 'm.typing', sender, content: { room_id: roomId, user_id: sender, typing: told.typing } };
  }
  const receipt = { event_ids: [told.eventId], data: { ts: now } };
  return { type: 'm.receipt', sender, content: { [roomId]: { 'm.read': { [sender]: receipt } } } };
}

function typing({ room_id: room, user_id: user, typing: value }: JsonObject, userId: UserId): Ephemeral[] {
  const roomId = parseRoomId(room);
  if (roomId === undefined || (user !== undefined && user !== userId) || typeof value !== 'boolean') return [];
  return [{ type: 'typing', roomId, userId, typing: value }];
}

function receipts(content: JsonObject, userId: UserId): Ephemeral[] {
  return Object.entries(content)
    .slice(0, MAX_ROOMS)
    .flatMap(([room, kinds]): Ephemeral[] => {
      const read = isJsonObject(kinds) ? kinds['m.read'] : undefined;
      const receipt = isJsonObject(read) && Object.hasOwn(read, userId) ? read[userId] : undefined;
      const ids = isJsonObject(receipt) && Array.isArray(receipt.event_ids) ? receipt.event_ids : [];
      const [roomId, eventId] = [parseRoomId(room), parseEventId(ids.at(-1))];
      return roomId === undefined || eventId === undefined ? [] : [{ type: 'read', roomId, userId, eventId }];
    });
}
