import type { EventId } from './identifiers.js';
import { type JsonObject, type JsonValue, isJsonObject } from './json.js';

/** A state event as the authorization rules look at it. */
export interface StateEntry {
  eventId: EventId;
  event: JsonObject;
}

/** Current state, before the event that is judged. */
export interface StateView {
  get(type: string, stateKey: string): StateEntry | undefined;
}

interface JudgedEvent {
  type?: JsonValue;
  sender?: JsonValue;
  state_key?: JsonValue;
  content?: JsonValue;
}

/** Which state an event's `auth_events` name (LM-04 §Auth Events Selection). */
export function authEventKeys(event: JudgedEvent): [type: string, stateKey: string][] {
  if (event.type === 'm.room.create') return [];
  const keys: [string, string][] = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
  ];
  if (typeof event.sender === 'string') keys.push(['m.room.member', event.sender]);
  if (event.type === 'm.room.member') {
    if (typeof event.state_key === 'string' && event.state_key !== event.sender)
      keys.push(['m.room.member', event.state_key]);
    const membership = isJsonObject(event.content) ? event.content.membership : undefined;
    if (membership === 'join' || membership === 'invite') keys.push(['m.room.join_rules', '']);
  }
  return keys;
}

/** The ids for `auth_events` (LM-04 §Auth Events Selection). */
export function selectAuthEvents(event: JudgedEvent, state: StateView): EventId[] {
  return authEventKeys(event).flatMap(([type, stateKey]) => {
    const entry = state.get(type, stateKey);
    return entry === undefined ? [] : [entry.eventId];
  });
}
