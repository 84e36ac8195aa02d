import { decodeBase64 } from './base64.js';
import { CanonicalJsonError, canonicalJson } from './canonical-json.js';
import {
  type EventId,
  MAX_IDENTIFIER_BYTES,
  type RoomId,
  type ServerName,
  type UserId,
  parseEventId,
  parseRoomId,
  parseServerName,
  parseUserId,
} from './identifiers.js';
import { type JsonDefects, type JsonObject, type JsonValue, isJsonObject } from './json.js';
import { omit } from './redaction.js';
import { type Result, err, ok } from './result.js';

export const MAX_PDU_BYTES = 65_536; // LM-04 §Events, canonical, signatures included
export const MAX_PDUS_PER_TRANSACTION = 50; // LM-04 §send
export const MAX_EDUS_PER_TRANSACTION = 100; // LM-04 §send
const SHA256_BYTES = 32;
const MAX_AUTH_EVENTS = 10; // LM-04 §Auth Events Selection names at most 5
const MAX_PREV_EVENTS = 20; // servers outside of a hub may name several

export type Signatures = Record<string, Record<string, string>>;

/** What an event says, before hashes and signatures. */
export interface EventTemplate extends JsonObject {
  type: string;
  room_id: RoomId;
  sender: UserId;
  state_key?: string;
  origin_server_ts: number;
  content: JsonObject;
}

export interface EventFields {
  auth_events: EventId[];
  prev_events: EventId[];
}

/** An event of a room (LM-04 §Events). Unknown top-level keys are kept for the content hash (profile §2). */
export interface Pdu extends EventTemplate, EventFields, JsonObject {
  hub_server?: ServerName;
  hashes: { sha256: string; lpdu?: { sha256: string } };
  signatures: Signatures;
}

/** A participant's event on its way to the hub (LM-04 §Linearized PDU). */
export interface Lpdu extends EventTemplate, JsonObject {
  hub_server: ServerName;
  hashes: { lpdu: { sha256: string } };
  signatures: Signatures;
}

export interface EventFault {
  code: 'bad_json' | 'too_large';
  reason: string;
}

/** A PDU as received, checked against the schema of LM-04 §Events and profile §2; `unsigned` and `event_id` are gone from it. */
export function parsePdu(value: JsonValue, defects?: JsonDefects): Result<Pdu, EventFault> {
  const event = parseEvent(value, defects);
  if (!event.ok) return event;
  const pdu = event.value;
  const hashes = isJsonObject(pdu.hashes) ? pdu.hashes : {};
  if (!isSha256(hashes.sha256)) return bad('hashes.sha256 is missing');
  const lpduHash = lpduHashOf(hashes);
  if (pdu.hub_server !== undefined && lpduHash === undefined) return bad('hashes.lpdu is missing');
  if (pdu.hub_server === undefined && hashes.lpdu !== undefined) return bad('hashes.lpdu without hub_server');
  if (!isEventIds(pdu.auth_events, MAX_AUTH_EVENTS)) return bad('auth_events is no list of event ids');
  if (!isEventIds(pdu.prev_events, MAX_PREV_EVENTS)) return bad('prev_events is no list of event ids');
  if (pdu.hub_server !== undefined && pdu.prev_events.length !== 1) return bad('prev_events is not exactly one event');
  return ok(pdu as Pdu);
}

/** An LPDU as received (LM-04 §Linearized PDU; `hub_server` is the participant's to set, profile §2). */
export function parseLpdu(value: JsonValue, defects?: JsonDefects): Result<Lpdu, EventFault> {
  const event = parseEvent(value, defects);
  if (!event.ok) return event;
  const lpdu = event.value;
  if (lpdu.hub_server === undefined) return bad('hub_server is missing');
  if ('auth_events' in lpdu || 'prev_events' in lpdu) return bad('an LPDU has no auth_events or prev_events');
  const hashes = isJsonObject(lpdu.hashes) ? lpdu.hashes : {};
  if (lpduHashOf(hashes) === undefined) return bad('hashes.lpdu is missing');
  if (Object.keys(hashes).length !== 1) return bad('an LPDU has no hash but hashes.lpdu');
  return ok(lpdu as Lpdu);
}

export const isState = (event: { state_key?: unknown }): boolean => event.state_key !== undefined;

export function membershipOf(event: { content: JsonObject }): string | undefined {
  return typeof event.content.membership === 'string' ? event.content.membership : undefined;
}

/** What PDU and LPDU have in common. */
function parseEvent(value: JsonValue, defects: JsonDefects | undefined): Result<JsonObject, EventFault> {
  if (!isJsonObject(value)) return bad('not an object');
  const defect = defects?.defectIn(value);
  if (defect !== undefined) return bad(defect);
  const event = omit(value, 'unsigned', 'event_id');
  const fault = eventFault(event);
  if (fault !== undefined) return bad(fault);
  try {
    if (Buffer.byteLength(canonicalJson(event)) > MAX_PDU_BYTES) {
      return err({ code: 'too_large', reason: `larger than ${String(MAX_PDU_BYTES)} bytes` });
    }
  } catch (error) {
    if (error instanceof CanonicalJsonError) return bad(error.message);
    throw error;
  }
  return ok(event);
}

/** What is wrong with the fields that every event has, if anything. */
export function eventFault(event: JsonObject): string | undefined {
  if (parseRoomId(event.room_id) === undefined) return 'room_id is no room id';
  if (parseUserId(event.sender) === undefined) return 'sender is no user id';
  if (!isShortText(event.type)) return 'type is no text of at most 255 bytes';
  if (event.state_key !== undefined && !isShortText(event.state_key))
    return 'state_key is no text of at most 255 bytes';
  if (!Number.isSafeInteger(event.origin_server_ts)) return 'origin_server_ts is no integer';
  if (!isJsonObject(event.content)) return 'content is no object';
  if (event.hub_server !== undefined && parseServerName(event.hub_server) === undefined)
    return 'hub_server is no server name';
  if (!isJsonObject(event.hashes)) return 'hashes is no object';
  if (!isSignatures(event.signatures)) return 'signatures is no object of objects of text';
  return typeFault(event);
}

/** LM-04 §Event Types: what the state key of some types must be. */
export function typeFault(event: { type?: JsonValue; state_key?: JsonValue }): string | undefined {
  if (event.type === 'm.room.create' && event.state_key !== '') return 'the state_key of m.room.create is ""';
  if (event.type === 'm.room.power_levels' && event.state_key !== '')
    return 'the state_key of m.room.power_levels is ""';
  if (event.type === 'm.room.member' && parseUserId(event.state_key) === undefined) {
    return 'the state_key of m.room.member is a user id';
  }
  return undefined;
}

function lpduHashOf(hashes: JsonObject): string | undefined {
  const lpdu = hashes.lpdu;
  return isJsonObject(lpdu) && isSha256(lpdu.sha256) ? lpdu.sha256 : undefined;
}

function isSha256(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && decodeBase64(value)?.length === SHA256_BYTES;
}

/** Without U+0000, which not every server's database can hold. */
function isShortText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && Buffer.byteLength(value) <= MAX_IDENTIFIER_BYTES && !value.includes('\u0000');
}

function isEventIds(value: JsonValue | undefined, most: number): value is string[] {
  return Array.isArray(value) && value.length <= most && value.every((id) => parseEventId(id) !== undefined);
}

function isSignatures(value: JsonValue | undefined): value is Signatures {
  return (
    isJsonObject(value) &&
    Object.values(value).every(
      (keys) => isJsonObject(keys) && Object.values(keys).every((signature) => typeof signature === 'string'),
    )
  );
}

function bad(reason: string): Result<never, EventFault> {
  return err({ code: 'bad_json', reason });
}
