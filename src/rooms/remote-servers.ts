import type {
  EventId,
  JsonValue,
  Lpdu,
  ParsedJson,
  Pdu,
  RoomAlias,
  RoomId,
  ServerName,
  UserId,
  VerifyKeys,
} from '../protocol/index.js';

/** The other server answered with an error. */
export class RemoteRefusal extends Error {
  constructor(
    readonly server: ServerName,
    readonly status: number,
    readonly errcode: string,
    message: string,
    /** How long it asks us to wait (429), in ms. */
    readonly retryAfterMs?: number,
  ) {
    super(`${server} answered ${status} ${errcode}: ${message}`);
  }

  /** Whether this is how a server answers at a path that it does not have: with no error of Matrix, or M_UNRECOGNIZED. */
  get lacksEndpoint(): boolean {
    return [404, 405].includes(this.status) && ['M_UNKNOWN', 'M_UNRECOGNIZED'].includes(this.errcode);
  }
}

/** The other server gave no usable answer; what it did with the request is unknown. */
export class RemoteUnavailable extends Error {
  constructor(
    readonly server: ServerName,
    reason: string,
  ) {
    super(`${server} is not reachable: ${reason}`);
  }
}

/** Changes of membership that need the make and send handshake (LM-04 §Make and Send Handshake). */
export type HandshakeMembership = 'join' | 'leave' | 'knock';

/** What of a make answer matters here: both are undefined when it does not name them. */
export interface MemberTemplate {
  roomVersion: string | undefined;
  /** The newest event of the room: the draft's templates have no `prev_events`, those of servers in the wild have. */
  headEventId: EventId | undefined;
}

/** What an invited server learns (LM-04 §POST invite). */
export interface InviteRequest {
  event: Pdu | Lpdu;
  strippedState: JsonValue[];
  roomVersion: string;
}

/**
 * How rooms reach other servers. Implemented by `federation`. Every method rejects with RemoteRefusal or RemoteUnavailable,
 * except `keysOf`. Answers are unverified.
 */
export abstract class RemoteServers {
  /** The keys needed to verify these events' signatures. Servers whose keys cannot be had have none; never rejects. */
  abstract keysFor(events: readonly (Pdu | Lpdu)[]): Promise<(server: ServerName) => VerifyKeys>;

  abstract makeMember(
    membership: HandshakeMembership,
    hub: ServerName,
    roomId: RoomId,
    userId: UserId,
  ): Promise<MemberTemplate>;

  abstract sendMember(
    membership: HandshakeMembership,
    hub: ServerName,
    lpdu: Lpdu,
    txnId: EventId,
  ): Promise<ParsedJson>;

  /** The invite as the other server signed it. */
  abstract sendInvite(server: ServerName, invite: InviteRequest, txnId: EventId): Promise<ParsedJson>;

  /** An event of ours for a hub, outside of what is queued for it. Why the hub refused it; undefined when it did not. */
  abstract sendLpdu(hub: ServerName, lpdu: Lpdu): Promise<string | undefined>;

  /** At most `limit` events up to and including `from`: oldest first by the draft, newest first from some hubs. */
  abstract backfill(hub: ServerName, roomId: RoomId, from: EventId, limit: number): Promise<ParsedJson>;

  abstract event(hub: ServerName, eventId: EventId): Promise<ParsedJson>;

  /** The state before an event. */
  abstract state(hub: ServerName, roomId: RoomId, eventId: EventId): Promise<ParsedJson>;

  /** Where a room is by a name of its server; undefined when the answer makes no sense. */
  abstract resolveAlias(alias: RoomAlias): Promise<{ roomId: RoomId; servers: ServerName[] } | undefined>;

  /** One PDU outside of any room cursor (an invite of a former member's server, profile §5). */
  abstract sendPdu(server: ServerName, pdu: Pdu): Promise<void>;
}
