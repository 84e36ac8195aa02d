import { type EventTemplate, type JsonObject, type RoomId, type UserId, authEventKeys } from '../protocol/index.js';
import type { StateKey } from './room-state.js';

/** An event of one of our users, before it is signed. */
export interface NewEvent {
  roomId: RoomId;
  sender: UserId;
  type: string;
  stateKey?: string;
  content: JsonObject;
  /** ms since the epoch; now when absent. */
  originServerTs?: number;
}

export function templateOf(event: NewEvent, now: number): EventTemplate {
  return {
    room_id: event.roomId,
    type: event.type,
    sender: event.sender,
    origin_server_ts: event.originServerTs ?? now,
    content: event.content,
    ...(event.stateKey === undefined ? {} : { state_key: event.stateKey }),
  };
}

/** The state on which the authorization of an event depends (LM-04 §Auth Rules). */
export function stateNeededBy(event: EventTemplate): StateKey[] {
  return [...authEventKeys(event), ['m.room.join_rules', ''], ['m.room.create', '']];
}
