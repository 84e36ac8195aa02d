import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../../persistence/entities/index.js';
import {
  CanonicalJsonError,
  DEFAULT_ROOM_VERSION,
  type EventFault,
  type JsonDefects,
  type JsonValue,
  type Lpdu,
  MatrixError,
  type Pdu,
  type Result,
  type RoomId,
  type ServerName,
  ephemeraOf,
  err,
  eventIdOf,
  isJsonObject,
  omit,
  parseEdu,
  parseRoomId,
  parseTransaction,
  roomVersion,
  serverOfUser,
  servedPaths,
} from '../../protocol/index.js';
import { Metrics } from '../../observability/metrics.js';
import { Ephemera } from '../../rooms/ephemera.js';
import { Hub } from '../../rooms/hub.js';
import { Participant } from '../../rooms/participant.js';
import { RoomReader } from '../../rooms/room-reader.js';
import type { FederationCall, FederationController, FederationRoute } from './call.js';
import { Invitations } from './invitations.js';
import { Transactions } from './transactions.js';

/** 50 PDUs of 64 KiB and 100 EDUs. */
const MAX_TRANSACTION_BYTES = 8 * 1024 * 1024;

/** What is wrong with each event of a list, in its order; undefined for what was taken or dropped. */
type Faults = readonly (string | undefined)[];

/** PUT send (LM-04 §send): the events of each room in their order, one bad event never failing its neighbours. */
@Injectable()
export class SendController implements FederationController {
  constructor(
    private readonly reader: RoomReader,
    private readonly hub: Hub,
    private readonly participant: Participant,
    private readonly invitations: Invitations,
    private readonly transactions: Transactions,
    private readonly ephemera: Ephemera,
    private readonly metrics: Metrics,
  ) {}

  routes(): FederationRoute[] {
    return [
      {
        method: 'PUT',
        endpoint: 'send',
        bodyLimit: MAX_TRANSACTION_BYTES,
        paths: servedPaths('send', ':txnId'),
        handle: (call) => this.transactions.once('send', call, () => this.receive(call)),
      },
    ];
  }

  private async receive({ origin, body, defects }: FederationCall): Promise<JsonValue> {
    const transaction = parseTransaction(body ?? null);
    if (!transaction.ok) throw new MatrixError('M_BAD_JSON', 400, transaction.error);
    const { pdus, edus } = transaction.value;
    for (const edu of edus) this.receiveEdu(origin, edu);
    const byRoom = new Map<RoomId | undefined, number[]>();
    for (const [index, value] of pdus.entries()) {
      const roomId = isJsonObject(value) ? parseRoomId(value.room_id) : undefined;
      byRoom.set(roomId, [...(byRoom.get(roomId) ?? []), index]);
    }
    const failed: Record<string, { error: string }> = {};
    await Promise.all(
      [...byRoom].map(async ([roomId, indices]) => {
        const values = indices.map((index) => pdus[index] ?? null);
        const faults = await this.receiveInRoom(origin, roomId, values, defects);
        for (const [at, error] of faults.entries()) {
          if (error !== undefined) failed[receivedId(values[at] ?? null, indices[at] ?? 0)] = { error };
        }
      }),
    );
    return { failed_pdus: failed };
  }

  /** One counts only when its sender belongs to the origin (profile §5). */
  private receiveEdu(origin: ServerName, value: JsonValue): void {
    const edu = parseEdu(value);
    if (edu === undefined || serverOfUser(edu.sender) !== origin) {
      this.metrics.edus.inc({ outcome: edu === undefined ? 'malformed' : 'foreign' });
      return;
    }
    const told = ephemeraOf(edu);
    this.metrics.edus.inc({ outcome: told.length === 0 ? 'ignored' : 'taken' });
    for (const each of told) this.ephemera.heard(each);
  }

  private async receiveInRoom(
    origin: ServerName,
    roomId: RoomId | undefined,
    values: readonly JsonValue[],
    defects: JsonDefects | undefined,
  ): Promise<Faults> {
    if (roomId === undefined) return values.map(() => 'room_id is no room id');
    const room = await this.reader.room(roomId);
    if (room === null && !(await this.invitations.concerns(origin, roomId))) {
      return values.map(() => 'the room is not known here');
    }
    const algorithms = roomVersion(room?.version ?? DEFAULT_ROOM_VERSION); // of an invite: the format is that of all versions
    if (room?.role === 'hub') {
      const parsed = values.map((value) => algorithms?.parseLpdu(value, defects) ?? UNKNOWN_VERSION);
      return this.each(parsed, (lpdus: Lpdu[]) => this.toHub(room, origin, lpdus));
    }
    const parsed = values.map((value) => algorithms?.parsePdu(value, defects) ?? UNKNOWN_VERSION);
    for (const [index, pdu] of parsed.entries()) {
      if (room === null || pdu.ok) continue;
      await this.participant.noteMalformed(room, origin, values[index] ?? null, pdu.error.reason);
    }
    return this.each(parsed, (pdus: Pdu[]) => this.toParticipant(room, origin, pdus));
  }

  private async toHub(room: RoomEntity, origin: ServerName, lpdus: readonly Lpdu[]): Promise<Faults> {
    const outcomes = await this.hub.receiveLpdus(room, origin, lpdus);
    return outcomes.map((outcome) => (outcome.kind === 'refused' ? outcome.refusal.reason : undefined));
  }

  /** What a room that we are not in sends is dropped, but for what our invites and knocks are (LM-04 §send, step 1.2). */
  private async toParticipant(room: RoomEntity | null, origin: ServerName, pdus: readonly Pdu[]): Promise<Faults> {
    if (room !== null && room.standing !== 'left') return this.participant.receive(room, origin, pdus);
    for (const pdu of pdus) await this.invitations.takeOutside(room, origin, pdu);
    return pdus.map(() => undefined);
  }

  /** Gives those that parsed to `take`, and puts the faults of all into the order of the list. */
  private async each<T>(
    parsed: readonly Result<T, EventFault>[],
    take: (events: T[]) => Promise<Faults>,
  ): Promise<Faults> {
    const taken = await take(parsed.flatMap((each) => (each.ok ? [each.value] : [])));
    const faults = taken.values();
    return parsed.map((each) => (each.ok ? faults.next().value : each.error.reason));
  }
}

const UNKNOWN_VERSION = err<EventFault>({ code: 'bad_json', reason: 'the room has an unknown version' });

/** The id of the received object (profile §4); what is no event has none, and is told by its place. */
function receivedId(value: JsonValue, index: number): string {
  try {
    if (isJsonObject(value)) return eventIdOf(omit(value, 'unsigned', 'event_id'));
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error;
  }
  return `$invalid_${String(index)}`;
}
