import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Configuration } from '../config/index.js';
import { channelKey } from '../mapping/room-mappings.js';
import { CarriedEventEntity, InboxEntity, MessageMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { inList, selectRows } from '../persistence/statements.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { InboundEvent } from '../platform/port.js';
import { type EventId, serverOfUser } from '../protocol/index.js';
import type { NewEvent } from '../rooms/new-event.js';
import { type AppendedEvent, RoomLog } from '../rooms/room-log.js';
import { Rooms, type Sent } from '../rooms/rooms.js';
import type { Arrival } from './inbound-handlers.js';
import { Inbox } from './inbox.js';
import { NativeIds } from './native-ids.js';
import { Notices } from './notices.js';

/** What an event of ours has become: in the log, or with the hub. */
export type Reference = { eventId: EventId; lpduHash: null } | { eventId: null; lpduHash: string };

/** One of the events that a native event becomes. */
export interface Part {
  event: NewEvent;
  /** Of the native message that it is a part of; absent: it changes something, and is no message. */
  message?: { nativeId: string; part: number };
  /** Written with it. */
  settle?(manager: EntityManager, reference: Reference): Promise<void>;
}

/** A native event that becomes events of a room, whatever its type. */
type Carried = Pick<Arrival, 'event' | 'row' | 'lease'>;

/** Sends what native events become into their room, each part once, and follows it until the hub has said yes or no. */
@Injectable()
export class Submissions implements OnModuleInit {
  constructor(
    private readonly configuration: Configuration,
    private readonly inbox: Inbox,
    private readonly rooms: Rooms,
    private readonly log: RoomLog,
    private readonly nativeIds: NativeIds,
    private readonly notices: Notices,
    private readonly wakeups: Wakeups,
  ) {}

  onModuleInit(): void {
    this.log.onAppend((manager, events) => this.completeSubmitted(manager, events));
    this.rooms.onRefused((manager, { lpduHash, reason }) => this.refuseSubmitted(manager, lpduHash, reason));
  }

  /**
   * The row is settled with the last part. After a crash in between, the parts that are sent are known by their records; a part
   * that is refused is the last.
   */
  async send(arrival: Carried, mappingId: string, parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return this.ignore(arrival, 'there is nothing to carry');
    for (const [n, part] of parts.entries()) {
      const last = n === parts.length - 1;
      if (!last && (await this.isSent(arrival, mappingId, part, n))) continue;
      const sent = await this.rooms.send(part.event, async (manager, outcome) => {
        await arrival.lease.confirm(manager);
        await this.settle(manager, arrival, { mappingId, part, n, last }, outcome);
      });
      failpoint('inbound.sent');
      if (sent.kind === 'refused') return;
    }
  }

  /** It became nothing, and nobody is told. */
  ignore({ row, lease }: Pick<Arrival, 'row' | 'lease'>, reason: string): Promise<void> {
    return lease.transaction((manager) => this.inbox.settle(manager, row, { state: 'ignored', reason }));
  }

  /** It cannot be carried, and its author is told. */
  refuse({ row, lease }: Pick<Arrival, 'row' | 'lease'>, reason: string): Promise<void> {
    return lease.transaction((manager) => this.refuseRow(manager, row, reason));
  }

  private async isSent({ event }: Carried, mappingId: string, { message }: Part, n: number): Promise<boolean> {
    if (message !== undefined) {
      const parts = await this.nativeIds.parts(mappingId, message.nativeId);
      return parts.some(({ part }) => part === message.part);
    }
    return this.nativeIds.isCarried(mappingId, event.nativeEventId, n);
  }

  private async settle(
    manager: EntityManager,
    { row, event }: Carried,
    { mappingId, part, n, last }: { mappingId: string; part: Part; n: number; last: boolean },
    sent: Sent,
  ): Promise<void> {
    if (sent.kind === 'refused') return this.refuseRow(manager, row, sent.refusal.reason);
    const reference: Reference =
      sent.kind === 'appended' ? { eventId: sent.eventId, lpduHash: null } : { eventId: null, lpduHash: sent.lpduHash };
    if (part.message !== undefined) {
      const record = { mappingId, ...part.message, ...reference, direction: 'in' } as const;
      await manager.insert(MessageMappingEntity, record);
    } else {
      const { nativeEventId } = event;
      await manager.insert(CarriedEventEntity, { mappingId, nativeEventId, part: n, ...reference });
    }
    await part.settle?.(manager, reference);
    if (!last) return;
    const state = reference.eventId === null ? 'submitted' : 'carried';
    await this.inbox.settle(manager, row, { state, lpduHash: reference.lpduHash });
  }

  private async refuseRow(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    await this.inbox.settle(manager, row, { state: 'refused', reason });
    await this.notices.refused(manager, row, reason);
  }

  /** The hub has appended what we submitted (profile §5: an LPDU is delivered when its PDU comes back). */
  private async completeSubmitted(manager: EntityManager, events: readonly AppendedEvent[]): Promise<void> {
    const { serverName } = this.configuration;
    const echoes = new Map<string, EventId>();
    for (const { lpduHash, eventId, pdu } of events) {
      if (lpduHash !== null && serverOfUser(pdu.sender) === serverName) echoes.set(lpduHash, eventId);
    }
    if (echoes.size === 0) return;
    await this.nativeIds.complete(manager, echoes);
    const [list, lpduHashes] = inList([...echoes.keys()]);
    const columns = 'lpdu_hash AS "lpduHash", platform, workspace, channel_id AS "channelId"';
    const sql = `SELECT ${columns} FROM inbox WHERE lpdu_hash IN (${list}) AND state IN ('submitted', 'refused')`;
    type Row = Pick<InboxEntity, 'platform' | 'workspace' | 'channelId'> & { lpduHash: string };
    for (const row of await selectRows<Row>(manager, sql, lpduHashes)) {
      await manager.update(InboxEntity, { lpduHash: row.lpduHash }, { state: 'carried' });
      this.wakeups.wake('inbox', channelKey(row)); // an edit of it may wait for its event id
    }
  }

  /** The mapping of the message stays: should the hub append it after all, it is known as ours. */
  private async refuseSubmitted(manager: EntityManager, lpduHash: string, reason: string): Promise<void> {
    const row =
      (await manager.findOneBy(InboxEntity, { lpduHash, state: 'submitted' })) ??
      (await this.rowOfPart(manager, lpduHash));
    if (row === undefined) return;
    const { platform, workspace, nativeEventId } = row;
    await manager.update(InboxEntity, { platform, workspace, nativeEventId }, { state: 'refused', reason });
    await this.notices.refused(manager, row, reason);
    this.wakeups.wake('inbox', channelKey(row));
  }

  /** Of a message whose later parts are with the hub, or not sent yet. */
  private async rowOfPart(manager: EntityManager, lpduHash: string): Promise<InboxEntity | undefined> {
    const part = await manager.findOneBy(MessageMappingEntity, { lpduHash });
    if (part === null) return undefined;
    const rows = await this.inbox.unsettled(manager, part.mappingId);
    return rows.find(({ payload }) => {
      const event = JSON.parse(payload) as InboundEvent;
      return event.type === 'message' && event.nativeId === part.nativeId;
    });
  }
}
