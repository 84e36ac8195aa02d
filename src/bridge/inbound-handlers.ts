import { Injectable } from '@nestjs/common';
import type { InboxEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import type { Lease } from '../persistence/leases.js';
import type { InboundEvent } from '../platform/port.js';

export type InboundType = InboundEvent['type'];
export type EventOf<T extends InboundType> = Extract<InboundEvent, { type: T }>;

/** A native event whose turn has come, and the right to carry it: `lease` is confirmed in every transaction that settles it. */
export interface Arrival<T extends InboundType = InboundType> {
  event: EventOf<T>;
  row: InboxEntity;
  /** Of the channel of the event; null where the event needs none. */
  mapping: RoomMappingEntity | null;
  lease: Lease;
}

/**
 * Carries one event: settles its row (`Inbox.settle`) in the transaction of what it becomes, so that a crash repeats it without doubling.
 * Rejects when that is not possible yet: then it comes again, and what is behind it in its lane waits. The ms after which to come
 * again, when it waits for something that is on its way.
 */
export type Carry<T extends InboundType> = (arrival: Arrival<T>) => Promise<number | undefined>;

/** In whose order an event is carried. What concerns one person alone holds up nobody else, and waits for no channel. */
export type LaneOf = 'channel' | 'person';

interface Handler<T extends InboundType> {
  carry: Carry<T>;
  lane: LaneOf | ((event: EventOf<T>) => LaneOf);
  /** It is kept and carried only while its channel has a room. */
  needsMapping: boolean;
}

interface AnyHandler {
  carry: Carry<InboundType>;
  needsMapping: boolean;
  laneOf(event: InboundEvent): LaneOf;
}

/** What becomes of native events, by their type. A type that nobody registered is not kept. */
@Injectable()
export class InboundHandlers {
  private readonly handlers = new Map<InboundType, AnyHandler>();

  register<T extends InboundType>(type: T, handler: Handler<T>): void {
    const { carry, lane, needsMapping } = handler;
    // Found by its type below: what it is given is of it.
    this.handlers.set(type, {
      carry: (arrival) => carry(arrival as unknown as Arrival<T>),
      laneOf: typeof lane === 'function' ? (event) => lane(event as EventOf<T>) : () => lane,
      needsMapping,
    });
  }

  of(event: InboundEvent): AnyHandler | undefined {
    return this.handlers.get(event.type);
  }
}

/** The lane of an event: `inbox.channel_id`. */
export function laneOf(event: InboundEvent, lane: LaneOf): string {
  if (lane === 'channel' && 'channel' in event) return event.channel.id;
  return `person:${personOf(event)}`;
}

function personOf(event: InboundEvent): string {
  if ('actor' in event && event.actor !== undefined) return event.actor.id;
  if ('author' in event) return event.author.id;
  return 'user' in event ? event.user.id : '';
}
