import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../../persistence/entities/index.js';
import {
  type JsonValue,
  MatrixError,
  type Pdu,
  type RoomId,
  type ServerName,
  parseEventId,
  parseRoomId,
  redact,
  servedPaths,
} from '../../protocol/index.js';
import { Admission } from '../../rooms/admission.js';
import { RoomReader, type StoredEvent } from '../../rooms/room-reader.js';
import { RoomVisibility, type ServerSight } from '../../rooms/room-visibility.js';
import { type FederationCall, type FederationController, type FederationRoute, parameter } from './call.js';

const MAX_BACKFILL = 100;

/** LM-04 §Event and State APIs. The same answer is given for what does not exist and for what the asker may not know of. */
@Injectable()
export class HistoryController implements FederationController {
  constructor(
    private readonly reader: RoomReader,
    private readonly visibility: RoomVisibility,
    private readonly admission: Admission,
  ) {}

  routes(): FederationRoute[] {
    const get = (endpoint: 'event' | 'backfill' | 'state' | 'state_ids' | 'event_auth', rest: string, handle: Handle) =>
      ({ method: 'GET', endpoint, rateLimited: true, paths: servedPaths(endpoint, rest), handle }) as const;
    return [
      get('event', ':eventId', (call) => this.event(call)),
      get('backfill', ':roomId', (call) => this.backfill(call)),
      get('state', ':roomId', (call) => this.state(call)),
      get('state_ids', ':roomId', (call) => this.stateIds(call)),
      get('event_auth', ':roomId/:eventId', (call) => this.eventAuth(call)),
    ];
  }

  private async event({ origin, params }: FederationCall): Promise<JsonValue> {
    const event = await this.reader.event(parameter('eventId', params.eventId, parseEventId));
    const seen = event && (await this.sightOf(event.roomId, origin)).of(event);
    if (seen === undefined) throw notFound();
    return seen;
  }

  private async backfill({ origin, params, query }: FederationCall): Promise<JsonValue> {
    const room = await this.room(params.roomId);
    const limit = parameter('limit', query.get('limit'), (text) =>
      /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined,
    );
    const { event, sight } = await this.eventOf(room, origin, query.get('v'));
    const events = await this.reader.eventsUpTo(room.roomId, event.position, Math.min(limit, MAX_BACKFILL));
    return { pdus: limit === 0 ? [] : events.flatMap((each) => sight.of(each) ?? []) };
  }

  private async state(call: FederationCall): Promise<JsonValue> {
    const { state, chain } = await this.stateBefore(call);
    return { pdus: state.map(({ pdu }) => pdu), auth_chain: chain.map(({ pdu }) => pdu) };
  }

  private async stateIds(call: FederationCall): Promise<JsonValue> {
    const { state, chain } = await this.stateBefore(call);
    return { pdu_ids: state.map(({ eventId }) => eventId), auth_chain_ids: chain.map(({ eventId }) => eventId) };
  }

  private async eventAuth({ origin, params }: FederationCall): Promise<JsonValue> {
    const room = await this.room(params.roomId);
    const { event } = await this.eventOf(room, origin, params.eventId);
    return { auth_chain: (await this.reader.authChain([event])).map(({ pdu }) => pdu) };
  }

  private async stateBefore({
    origin,
    params,
    query,
  }: FederationCall): Promise<Record<'state' | 'chain', StoredEvent[]>> {
    const room = await this.room(params.roomId);
    const { event, sight } = await this.eventOf(room, origin, query.get('event_id'));
    if (room.role !== 'hub') throw new MatrixError('M_WRONG_SERVER', 400, 'this is not the hub of the room');
    const state = await this.reader.stateAt(room.roomId, event.position - 1);
    const chain = await this.reader.authChain(state);
    // Who may read the event may read the state around it; who may only know of it gets that redacted too.
    if (sight.of(event) === event.pdu) return { state, chain };
    const seen = (each: StoredEvent): StoredEvent => ({ ...each, pdu: sight.of(each) ?? (redact(each.pdu) as Pdu) });
    return { state: state.map(seen), chain: chain.map(seen) };
  }

  /** Throws M_FORBIDDEN to whom the operator keeps out of the room. */
  private async sightOf(roomId: RoomId, origin: ServerName): Promise<ServerSight> {
    const sight = await this.visibility.of(roomId, origin);
    if (sight.everJoined && !(await this.admission.admitsNow(roomId, origin))) {
      throw new MatrixError('M_FORBIDDEN', 403, `${origin} may not take part in this room`);
    }
    return sight;
  }

  private async room(roomId: string | undefined): Promise<RoomEntity> {
    const room = await this.reader.room(parameter('roomId', roomId, parseRoomId));
    if (room === null) throw notFound();
    return room;
  }

  private async eventOf(
    room: RoomEntity,
    origin: ServerName,
    id: string | null | undefined,
  ): Promise<{ event: StoredEvent; sight: ServerSight }> {
    const event = await this.reader.event(parameter('event_id', id, parseEventId));
    if (event?.roomId !== room.roomId) throw notFound();
    const sight = await this.sightOf(room.roomId, origin);
    if (sight.of(event) === undefined) throw notFound();
    return { event, sight };
  }
}

type Handle = (call: FederationCall) => Promise<JsonValue>;

const notFound = (): MatrixError => new MatrixError('M_NOT_FOUND', 404, 'there is no such room or event to be seen');
