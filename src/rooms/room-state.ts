import { In, type EntityManager } from 'typeorm';
import { EventEntity, RoomStateEntity } from '../persistence/entities/index.js';
import type { EventId, Pdu, RoomId, StateView } from '../protocol/index.js';

export type StateKey = readonly [type: string, stateKey: string];

export interface StateEvent {
  eventId: EventId;
  position: number;
  event: Pdu;
}

const join = ([type, stateKey]: StateKey): string => `${type}\u0000${stateKey}`;

/** Current state of a room as far as it was asked for, valid for one head of its log. */
export class RoomState implements StateView {
  private constructor(
    readonly roomId: RoomId,
    readonly headEventId: EventId | null,
    private readonly loaded: Map<string, StateEvent | undefined>,
  ) {}

  static empty(roomId: RoomId, headEventId: EventId | null): RoomState {
    return new RoomState(roomId, headEventId, new Map());
  }

  /** A copy to work on; the original stays what it was if the work is rolled back. */
  draft(): RoomState {
    return new RoomState(this.roomId, this.headEventId, new Map(this.loaded));
  }

  at(headEventId: EventId | null): RoomState {
    return new RoomState(this.roomId, headEventId, this.loaded);
  }

  get size(): number {
    return this.loaded.size;
  }

  get(type: string, stateKey: string): StateEvent | undefined {
    const key = join([type, stateKey]);
    if (!this.loaded.has(key)) throw new Error(`state (${type}, ${stateKey}) was not loaded`);
    return this.loaded.get(key);
  }

  set(type: string, stateKey: string, entry: StateEvent): void {
    this.loaded.set(join([type, stateKey]), entry);
  }

  async load(manager: EntityManager, keys: readonly StateKey[]): Promise<void> {
    const missing = new Map(keys.map((key) => [join(key), key] as const).filter(([text]) => !this.loaded.has(text)));
    if (missing.size === 0) return;
    const rows = await manager.find(RoomStateEntity, {
      where: [...missing.values()].map(([type, stateKey]) => ({ roomId: this.roomId, type, stateKey })),
    });
    const events = await manager.findBy(EventEntity, {
      roomId: this.roomId,
      position: In(rows.map((row) => row.position)),
    });
    for (const key of missing.keys()) this.loaded.set(key, undefined);
    for (const { type, stateKey, eventId, position, json } of events) {
      if (stateKey !== null) this.set(type, stateKey, { eventId, position, event: JSON.parse(json) as Pdu });
    }
  }
}
