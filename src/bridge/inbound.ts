import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RoomMappings, channelOfKey } from '../mapping/room-mappings.js';
import { UserMappings } from '../mapping/user-mappings.js';
import { backoff } from '../persistence/backoff.js';
import { InboxEntity, MessageMappingEntity, type RoomMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { type Lease, LeaseLost, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { inList, selectRows } from '../persistence/statements.js';
import { plainText } from '../message/index.js';
import type { InboundMessage } from '../platform/port.js';
import { type AppendedEvent, RoomLog } from '../rooms/room-log.js';
import { RoomRefusal, Rooms, type Sent } from '../rooms/rooms.js';
import { Inbox } from './inbox.js';
import { Notices } from './notices.js';

const RETRY = { firstMs: 500, longestMs: 60_000 };
const FAILED_RETRY_MS = 5_000;

/** From native channels into rooms: one worker per channel, in the order in which people saw the messages. */
@Injectable()
export class Inbound implements OnModuleInit {
  private readonly logger = new Logger('Inbound');
  readonly loops: Loops<string>;

  constructor(
    leases: Leases,
    private readonly inbox: Inbox,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
    private readonly log: RoomLog,
    private readonly notices: Notices,
  ) {
    this.loops = new Loops<string>(
      leases,
      'inbound',
      (key, lease) => this.run(key, lease),
      (channel, error) => {
        this.logger.error({ channel, err: error }, 'carrying from the channel failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  onModuleInit(): void {
    this.log.onAppend((manager, events) => this.completeSubmitted(manager, events));
    this.rooms.onRefused((manager, { lpduHash, reason }) => this.refuseSubmitted(manager, lpduHash, reason));
  }

  private async run(key: string, lease: Lease): Promise<number | undefined> {
    const channel = channelOfKey(key);
    while (!this.loops.stopped) {
      const mapping = await this.mappings.ofChannel(channel);
      if (mapping?.state !== 'active') return undefined;
      const rows = await this.inbox.waiting(channel);
      if (rows.length === 0) return undefined;
      for (const row of rows) {
        if (this.loops.stopped) return undefined;
        try {
          await this.carry(mapping, row, lease);
        } catch (error) {
          if (error instanceof LeaseLost) throw error;
          return this.failed(row, lease, error);
        }
      }
    }
    return undefined;
  }

  /** What comes after it waits: its channel keeps its order. The admin sees it, and may discard it. */
  private async failed(row: InboxEntity, lease: Lease, error: unknown): Promise<number> {
    const { platform, workspace, channelId, nativeEventId } = row;
    const attempts = row.attempts + 1;
    this.logger.warn(
      { platform, workspace, channelId, nativeEventId, attempts, err: error },
      'a native message could not be carried yet',
    );
    const reason = error instanceof Error ? error.message : String(error);
    await lease.transaction((manager) => this.inbox.noteFailure(manager, row, reason));
    return backoff(RETRY, attempts);
  }

  private async carry(mapping: RoomMappingEntity, row: InboxEntity, lease: Lease): Promise<void> {
    const { author, body, time, nativeId } = JSON.parse(row.payload) as InboundMessage;
    const { roomId } = mapping;
    const sender = await this.users.ensure(mapping, author);
    try {
      await this.rooms.ensureJoined(roomId, sender, author.displayName);
    } catch (error) {
      if (!(error instanceof RoomRefusal)) throw error;
      await lease.transaction((manager) => this.refuse(manager, row, error.message));
      return;
    }
    failpoint('inbound.joined');
    const content = { msgtype: 'm.text', body: plainText(body) };
    const event = { roomId, sender, type: 'm.room.message', content, originServerTs: time };
    await this.rooms.send(event, async (manager, sent) => {
      await lease.confirm(manager);
      await this.settle(manager, mapping, row, nativeId, sent);
    });
    failpoint('inbound.sent');
  }

  /** With the event or not at all: what the native message has become. */
  private async settle(
    manager: EntityManager,
    mapping: RoomMappingEntity,
    row: InboxEntity,
    nativeId: string,
    sent: Sent,
  ): Promise<void> {
    if (sent.kind === 'refused') {
      await this.refuse(manager, row, sent.refusal.reason);
      return;
    }
    const eventId = sent.kind === 'appended' ? sent.eventId : null;
    const lpduHash = sent.kind === 'submitted' ? sent.lpduHash : null;
    await this.inbox.settle(manager, row, { state: eventId === null ? 'submitted' : 'carried', lpduHash });
    await manager.insert(MessageMappingEntity, {
      mappingId: mapping.id,
      nativeId,
      part: 0,
      eventId,
      lpduHash,
      direction: 'in',
    });
  }

  private async refuse(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    await this.inbox.settle(manager, row, { state: 'refused', reason });
    await this.notices.refused(manager, row, reason);
  }

  /** The hub has appended what we submitted (profile §5: an LPDU is delivered when its PDU comes back). */
  private async completeSubmitted(manager: EntityManager, events: readonly AppendedEvent[]): Promise<void> {
    const echoes = new Map(events.flatMap((event) => (event.lpduHash === null ? [] : [[event.lpduHash, event]])));
    if (echoes.size === 0) return;
    const [list, lpduHashes] = inList([...echoes.keys()]);
    const sql = `SELECT lpdu_hash AS "lpduHash" FROM inbox WHERE lpdu_hash IN (${list}) AND state IN ('submitted', 'refused')`;
    for (const { lpduHash } of await selectRows<{ lpduHash: string }>(manager, sql, lpduHashes)) {
      const echo = echoes.get(lpduHash);
      if (echo === undefined) continue;
      await manager.update(MessageMappingEntity, { lpduHash }, { eventId: echo.eventId });
      await manager.update(InboxEntity, { lpduHash }, { state: 'carried' });
    }
  }

  /** The mapping of the message stays: should the hub append it after all, it is known as ours. */
  private async refuseSubmitted(manager: EntityManager, lpduHash: string, reason: string): Promise<void> {
    const row = await manager.findOneBy(InboxEntity, { lpduHash, state: 'submitted' });
    if (row === null) return;
    await manager.update(InboxEntity, { lpduHash }, { state: 'refused', reason });
    await this.notices.refused(manager, row, reason);
  }
}
