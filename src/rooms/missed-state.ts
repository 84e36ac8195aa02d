import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { EventEntity, RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import type { EventId, Pdu } from '../protocol/index.js';
import { algorithmsOf } from './bad-hub-answer.js';
import type { FollowedRoom } from './hub-events.js';
import { HubHistory } from './hub-history.js';
import { Incidents } from './incidents.js';
import { RemoteRefusal, RemoteUnavailable } from './remote-servers.js';
import { insertEvents, writeState } from './room-rows.js';

/** The state that a room got by events which its hub does not give (LM-04 §state). */
@Injectable()
export class MissedState {
  private readonly logger = new Logger('MissedState');

  constructor(
    private readonly database: Database,
    private readonly history: HubHistory,
    private readonly incidents: Incidents,
    private readonly clock: Clock,
  ) {}

  /**
   * Takes over what of the state before an event is new to us. It never goes back to what was replaced: a hub that says so
   * contradicts what it sent before. A hub that gives no state leaves us with what we have.
   */
  async fetch(room: FollowedRoom, eventId: EventId): Promise<void> {
    const state = await this.ask(room, eventId);
    const algorithms = algorithmsOf(room.version);
    const { roomId } = room;
    await this.database.transaction(async (manager) => {
      const { headPosition } = await manager.findOneByOrFail(RoomEntity, { roomId });
      const fresh: Pdu[] = [];
      for (const pdu of state) {
        const known = await manager.findOneBy(EventEntity, { eventId: algorithms.eventIdOf(pdu) });
        if (known === null) fresh.push(pdu);
        else if (!known.rejected) await this.compare(room, pdu, known);
      }
      const rows = fresh.map((pdu, index) => ({
        roomId,
        pdu,
        eventId: algorithms.eventIdOf(pdu),
        position: headPosition + 1 + index,
        lpduHash: pdu.hashes.lpdu?.sha256 ?? null,
        rejected: false,
      }));
      const last = rows.at(-1);
      if (last === undefined) return;
      const head = { headPosition: last.position, headEventId: last.eventId };
      const swapped = await manager.update(RoomEntity, { roomId, headPosition }, head);
      if (swapped.affected !== 1) throw new Error('another process appended to the room; it is tried again');
      await insertEvents(manager, rows, this.clock.now(), true);
      await writeState(manager, rows);
    });
  }

  private async ask(room: FollowedRoom, eventId: EventId): Promise<Pdu[]> {
    try {
      return await this.history.stateBefore(room, eventId);
    } catch (error) {
      if (!(error instanceof RemoteRefusal || error instanceof RemoteUnavailable)) throw error;
      this.logger.warn({ roomId: room.roomId, reason: error.message }, 'the hub gives no state');
      return [];
    }
  }

  /** A later state can not hold an event that was replaced before. */
  private async compare(room: FollowedRoom, pdu: Pdu, known: EventEntity): Promise<void> {
    const { roomId, hubServer: server } = room;
    const { type, stateKey } = known;
    if (stateKey === null) return;
    const current = await this.database.read.findOneBy(RoomStateEntity, { roomId, type, stateKey });
    if (current === null || current.position <= known.position) return;
    const newer = await this.database.read.findOneByOrFail(EventEntity, { roomId, position: current.position });
    await this.incidents.record({
      kind: 'equivocation',
      server,
      roomId,
      eventId: known.eventId,
      detail: `its state of (${type}, ${stateKey}) is ${known.eventId}, which ${newer.eventId} had replaced before`,
      evidence: { received: [pdu], known: [JSON.parse(newer.json) as Pdu] },
    });
  }
}
