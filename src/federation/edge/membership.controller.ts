import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../../persistence/entities/index.js';
import {
  type EventFault,
  type JsonObject,
  type JsonValue,
  type Lpdu,
  MatrixError,
  type Result,
  type RoomId,
  isJsonObject,
  membershipOf,
  parseRoomId,
  parseUserId,
  roomVersion,
  servedPaths,
  serverOfUser,
  toErrorCode,
} from '../../protocol/index.js';
import { Hub } from '../../rooms/hub.js';
import { type HandshakeMembership, RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import type { Outcome } from '../../rooms/room-log.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { type FederationCall, type FederationController, type FederationRoute, parameter } from './call.js';
import { Invitations } from './invitations.js';
import { Transactions } from './transactions.js';

/** LM-04 §Room Membership: invites, joins, knocks and leaves. */
@Injectable()
export class MembershipController implements FederationController {
  constructor(
    private readonly reader: RoomReader,
    private readonly hub: Hub,
    private readonly invitations: Invitations,
    private readonly transactions: Transactions,
  ) {}

  routes(): FederationRoute[] {
    const make = (membership: HandshakeMembership): FederationRoute => ({
      method: 'GET',
      rateLimited: true,
      endpoint: `make_${membership}`,
      paths: servedPaths(`make_${membership}`, ':roomId/:userId'),
      handle: (call) => this.make(membership, call),
    });
    const post = (endpoint: 'invite' | 'send_join' | 'send_leave' | 'send_knock', work: Work): FederationRoute => ({
      method: 'POST',
      rateLimited: true,
      endpoint,
      paths: servedPaths(endpoint, ':txnId'),
      handle: (call) => this.transactions.once(endpoint, call, () => work(call)),
    });
    return [
      make('join'),
      make('leave'),
      make('knock'),
      post('send_join', (call) => this.join(call)),
      post('send_leave', (call) => this.leave(call)),
      post('send_knock', (call) => this.knock(call)),
      post('invite', (call) => this.invite(call)),
    ];
  }

  private async make(membership: HandshakeMembership, { origin, params, query }: FederationCall): Promise<JsonValue> {
    const room = await this.hubRoom(parameter('roomId', params.roomId, parseRoomId));
    const userId = parameter('userId', params.userId, parseUserId);
    if (serverOfUser(userId) !== origin) throw forbidden(`${userId} is not a user of ${origin}`);
    if (membership !== 'leave' && !query.getAll('ver').includes(room.version)) {
      throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 400, `the room has the version ${room.version}`);
    }
    const made = await this.hub.makeTemplate(room, userId, membership);
    if (isOutcome(made)) throw refused(made);
    return { ...made, event: made, room_version: room.version };
  }

  private async join(call: FederationCall): Promise<JsonValue> {
    const { room, lpdu } = await this.memberLpdu(call, 'join');
    const answer = await this.hub.receiveJoin(room, call.origin, lpdu);
    if (isOutcome(answer)) throw refused(answer);
    return { ...answer };
  }

  private async leave(call: FederationCall): Promise<JsonValue> {
    const { room, lpdu } = await this.memberLpdu(call, 'leave');
    const outcome = await this.hub.receiveLpdu(room, call.origin, lpdu);
    if (outcome.kind === 'refused') throw refused(outcome);
    return {};
  }

  private async knock(call: FederationCall): Promise<JsonValue> {
    const { room, lpdu } = await this.memberLpdu(call, 'knock');
    const outcome = await this.hub.receiveLpdu(room, call.origin, lpdu);
    if (outcome.kind === 'refused') throw refused(outcome);
    return { stripped_state: await this.hub.strippedState(room.roomId) };
  }

  private async invite(call: FederationCall): Promise<JsonValue> {
    const body = isJsonObject(call.body) ? call.body : {};
    const event = isJsonObject(body.event) ? body.event : undefined;
    if (event === undefined) throw new MatrixError('M_BAD_JSON', 400, 'event is missing');
    const roomId = parseRoomId(event.room_id);
    const room = roomId && (await this.reader.room(roomId));
    if (room?.role === 'hub') return this.proxyInvite(room, call, event);
    const algorithms = roomVersion(body.room_version);
    if (algorithms === undefined) {
      throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 400, 'the room version is not known here');
    }
    const pdu = accepted(algorithms.parsePdu(event, call.defects));
    const signed = await this.invitations.take(call.origin, pdu, body.invite_room_state);
    return { pdu: signed, event: signed };
  }

  /** An invite that a participant asks its hub, us, to make. */
  private async proxyInvite(room: RoomEntity, call: FederationCall, event: JsonObject): Promise<JsonValue> {
    const lpdu = this.lpduOf(room, call, event);
    if (lpdu.type !== 'm.room.member' || membershipOf(lpdu) !== 'invite') {
      throw new MatrixError('M_BAD_JSON', 400, 'the event is no invite');
    }
    try {
      const outcome = await this.hub.receiveInvite(room, call.origin, lpdu);
      if (outcome.kind !== 'appended' && outcome.kind !== 'known') throw refused(outcome);
      const position = outcome.kind === 'appended' ? outcome.event.position : outcome.position;
      const [appended] = await this.reader.eventsUpTo(room.roomId, position, 1);
      const pdu = appended?.pdu ?? null;
      return { pdu, event: pdu };
    } catch (error) {
      if (error instanceof RemoteRefusal) {
        const status = error.status >= 400 && error.status < 500 ? error.status : 400;
        const extra = error.retryAfterMs === undefined ? {} : { retry_after_ms: error.retryAfterMs };
        throw new MatrixError(toErrorCode(error.errcode), status, error.message, extra);
      }
      if (error instanceof RemoteUnavailable) throw new MatrixError('M_NOT_FOUND', 404, error.message);
      throw error;
    }
  }

  private async memberLpdu(
    call: FederationCall,
    membership: HandshakeMembership,
  ): Promise<{ room: RoomEntity; lpdu: Lpdu }> {
    const body = isJsonObject(call.body) ? call.body : undefined;
    if (body === undefined) throw new MatrixError('M_BAD_JSON', 400, 'the body is no event');
    const roomId = parseRoomId(body.room_id);
    if (roomId === undefined) throw new MatrixError('M_BAD_JSON', 400, 'room_id is no room id');
    const room = await this.hubRoom(roomId);
    const lpdu = this.lpduOf(room, call, body);
    if (lpdu.type !== 'm.room.member' || membershipOf(lpdu) !== membership || lpdu.state_key !== lpdu.sender) {
      throw new MatrixError('M_BAD_JSON', 400, `the event is no ${membership} of its sender`);
    }
    return { room, lpdu };
  }

  private lpduOf(room: RoomEntity, { defects }: FederationCall, event: JsonObject): Lpdu {
    const algorithms = roomVersion(room.version);
    if (algorithms === undefined) throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 400, 'unknown room version');
    return accepted(algorithms.parseLpdu(event, defects));
  }

  private async hubRoom(roomId: RoomId): Promise<RoomEntity> {
    const room = await this.reader.room(roomId);
    if (room === null) throw new MatrixError('M_NOT_FOUND', 404, 'the room is not known here');
    if (room.role !== 'hub') throw new MatrixError('M_WRONG_SERVER', 400, 'this is not the hub of the room');
    return room;
  }
}

type Work = (call: FederationCall) => Promise<JsonValue>;

const forbidden = (reason: string): MatrixError => new MatrixError('M_FORBIDDEN', 403, reason);

const isOutcome = (value: object): value is Outcome => 'kind' in value;

const refused = (outcome: Outcome): MatrixError =>
  forbidden(outcome.kind === 'refused' ? outcome.refusal.reason : 'the room does not take the event');

function accepted<T>(parsed: Result<T, EventFault>): T {
  if (parsed.ok) return parsed.value;
  throw parsed.error.code === 'too_large'
    ? new MatrixError('M_TOO_LARGE', 413, parsed.error.reason)
    : new MatrixError('M_BAD_JSON', 400, parsed.error.reason);
}
