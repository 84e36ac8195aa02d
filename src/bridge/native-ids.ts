import { Injectable } from '@nestjs/common';
import { type EntityManager, In, LessThanOrEqual } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import {
  CarriedEventEntity,
  DeliveryEntity,
  type InboxEntity,
  LpduOutEntity,
  MessageMappingEntity,
} from '../persistence/entities/index.js';
import type { EventId } from '../protocol/index.js';
import { execute, inList, selectRows } from '../persistence/statements.js';

const TABLES = ['message_mapping', 'carried_event', 'reaction'];

/** How long a native message may be shown before its delivery says so: beyond it, a message that the room does not have is not ours. */
const SETTLING_MS = 60_000;

/** What is to be done needs the id of something that is still on its way: to the hub, or back from the chat. */
export class OnItsWay extends Error {
  constructor(
    message: string,
    /** After how many ms to look again. */
    readonly waitMs: number,
  ) {
    super(message);
  }
}

/** An echo wakes the lane; a wake-up may be lost. */
const ECHO_PATIENCE_MS = 5_000;
const SETTLING_WAIT_MS = 250;

/** When something came from the chat that is about a native message. */
export type Asked = Pick<InboxEntity, 'receivedAt'>;

/** Which native messages are which events of the room, by the message mapping. */
@Injectable()
export class NativeIds {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** The parts of a native message in their order, also those that have no event (yet). */
  parts(mappingId: string, nativeId: string): Promise<MessageMappingEntity[]> {
    return this.database.read.find(MessageMappingEntity, { where: { mappingId, nativeId }, order: { part: 'ASC' } });
  }

  /**
   * The same of a message that somebody does something with. People are quick: one that we post may be answered before the chat's answer is
   * noted, or when it was lost. Rejects with OnItsWay while that may be so.
   */
  async partsShown(mappingId: string, nativeId: string, asked: Asked): Promise<MessageMappingEntity[]> {
    const settling = await this.isSettling(mappingId, asked); // before the look: what is noted in between is seen by it
    const parts = await this.parts(mappingId, nativeId);
    if (parts.length === 0 && settling) {
      throw new OnItsWay('the message that this is about may be one that is being shown', SETTLING_WAIT_MS);
    }
    return parts;
  }

  private isSettling(mappingId: string, { receivedAt }: Asked): Promise<boolean> {
    if (this.clock.now() - receivedAt > SETTLING_MS) return Promise.resolve(false);
    const open = { mappingId, kind: 'message', state: 'intent', createdAt: LessThanOrEqual(receivedAt) } as const;
    return this.database.read.existsBy(DeliveryEntity, open);
  }

  /** The event of a part; undefined when the hub refused it. Rejects with OnItsWay while that is open. */
  async eventOf({
    eventId,
    lpduHash,
  }: {
    eventId: EventId | null;
    lpduHash: string | null;
  }): Promise<EventId | undefined> {
    if (eventId !== null) return eventId;
    const state = In(['pending', 'sent']);
    const open = lpduHash !== null && (await this.database.read.existsBy(LpduOutEntity, { lpduHash, state }));
    if (open) {
      throw new OnItsWay('the message that this is about has not reached the room yet', ECHO_PATIENCE_MS);
    }
    return undefined;
  }

  /** The first event of a native message; undefined when the room has none. Rejects with OnItsWay. */
  async firstEvent(mappingId: string, nativeId: string, asked: Asked): Promise<EventId | undefined> {
    const [first] = await this.partsShown(mappingId, nativeId, asked);
    return first === undefined ? undefined : this.eventOf(first);
  }

  /** The native messages that an event became, or of which it is a part. */
  ofEvent(mappingId: string, eventId: EventId): Promise<MessageMappingEntity[]> {
    return this.database.read.find(MessageMappingEntity, { where: { mappingId, eventId }, order: { part: 'ASC' } });
  }

  /** Whether an event came out of this channel. */
  async isFrom(mappingId: string, eventId: EventId): Promise<boolean> {
    const { read } = this.database;
    return (
      (await read.existsBy(MessageMappingEntity, { mappingId, eventId, direction: 'in' })) ||
      read.existsBy(CarriedEventEntity, { mappingId, eventId })
    );
  }

  /** Whether a native event that is no message has become its `part`th event. */
  isCarried(mappingId: string, nativeEventId: string, part: number): Promise<boolean> {
    return this.database.read.existsBy(CarriedEventEntity, { mappingId, nativeEventId, part });
  }

  /** Gives what was submitted its event ids: of LPDU hashes whose events are in the log now. */
  async complete(manager: EntityManager, echoes: ReadonlyMap<string, EventId>): Promise<void> {
    const [list, hashes] = inList([...echoes.keys()]);
    for (const table of TABLES) {
      const sql = `SELECT lpdu_hash AS "lpduHash" FROM ${table} WHERE lpdu_hash IN (${list}) AND event_id IS NULL`;
      for (const { lpduHash } of await selectRows<{ lpduHash: string }>(manager, sql, hashes)) {
        const update = `UPDATE ${table} SET event_id = ? WHERE lpdu_hash = ?`;
        await execute(manager, update, [echoes.get(lpduHash) ?? null, lpduHash]);
      }
    }
  }
}
