import { type StateView, selectAuthEvents } from './auth-events.js';
import { type AuthContext, type AuthVerdict, type JudgedEvent, checkAuthRules } from './auth-rules.js';
import { canonicalJson } from './canonical-json.js';
import { type EventFault, type Lpdu, type Pdu, parseLpdu, parsePdu } from './events.js';
import { eventIdOf, lpduContentHash, pduContentHash } from './hashes.js';
import { type EventId, type ServerName, parseUserId, serverOfUser } from './identifiers.js';
import type { JsonDefects, JsonObject, JsonValue } from './json.js';
import { redact } from './redaction.js';
import type { Result } from './result.js';

/** What every server in the wild speaks (profile §1). */
export const DEFAULT_ROOM_VERSION = 'org.matrix.i-d.ralston-mimi-linearized-matrix.02';

/** The algorithms that a room was made with (LM-04 §Room Versions). They never change for a version. */
export interface RoomVersion {
  readonly id: string;
  readonly stable: boolean;
  parsePdu(value: JsonValue, defects?: JsonDefects): Result<Pdu, EventFault>;
  parseLpdu(value: JsonValue, defects?: JsonDefects): Result<Lpdu, EventFault>;
  canonicalJson(value: JsonValue): string;
  redact(event: JsonObject): JsonObject;
  lpduContentHash(event: JsonObject): string;
  pduContentHash(event: JsonObject): string;
  eventIdOf(event: JsonObject): EventId;
  selectAuthEvents(event: JudgedEvent, state: StateView): EventId[];
  checkAuthRules(event: JudgedEvent, context: Omit<AuthContext, 'roomVersion'>): AuthVerdict;
  /** LM-04 §Hub Selection: the server of the sender of m.room.create. */
  hubOf(create: { sender?: JsonValue }): ServerName | undefined;
}

const linearized = (id: string, stable: boolean): RoomVersion => ({
  id,
  stable,
  parsePdu,
  parseLpdu,
  canonicalJson,
  redact,
  lpduContentHash,
  pduContentHash,
  eventIdOf,
  selectAuthEvents,
  checkAuthRules: (event, context) => checkAuthRules(event, { ...context, roomVersion: id }),
  hubOf: ({ sender }) => {
    const creator = parseUserId(sender);
    return creator && serverOfUser(creator);
  },
});

const VERSIONS: ReadonlyMap<unknown, RoomVersion> = new Map(
  [linearized(DEFAULT_ROOM_VERSION, false), linearized('I.1', true)].map((version) => [version.id, version]),
);

/** The ids that we know, for `ver` of make_join. */
export const ROOM_VERSIONS: readonly string[] = [...VERSIONS.values()].map(({ id }) => id);

export const roomVersion = (id: unknown): RoomVersion | undefined => VERSIONS.get(id);
