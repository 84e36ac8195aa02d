import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { type ChannelName, channelKey } from '../mapping/room-mappings.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import {
  InboxEntity,
  type InboxState,
  PlatformCursorEntity,
  RoomMappingEntity,
} from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Sequence } from '../persistence/sequence.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { InboundEvent, InboundPage, PlatformHost } from '../platform/port.js';
import { InboundHandlers, laneOf } from './inbound-handlers.js';
import { Notices } from './notices.js';

export const INBOX_STATES: readonly InboxState[] = [
  'held',
  'waiting',
  'submitted',
  'carried',
  'ignored',
  'refused',
  'discarded',
];
const PAGE = 50;
const LEASES = 'stream/';
const MAX_REASON = 500;

/** Native events, from the moment when the platform may forget them until they are carried (design §4). */
@Injectable()
export class Inbox {
  private readonly stopping = new AbortController();

  constructor(
    private readonly database: Database,
    private readonly leases: Leases,
    private readonly handlers: InboundHandlers,
    private readonly notices: Notices,
    private readonly wakeups: Wakeups,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  /** One process at a time reads a platform's stream. */
  sinkFor(platform: string, workspace: string): Pick<PlatformHost, 'cursor' | 'accept'> {
    const turn = (): Promise<Lease> =>
      this.leases.acquired(`${LEASES}${platform}/${encodeURIComponent(workspace)}`, this.stopping.signal);
    let lease: Lease | undefined;
    return {
      cursor: async () => {
        lease = await turn();
        const row = await this.database.read.findOneBy(PlatformCursorEntity, { platform, workspace });
        return row?.cursor;
      },
      // What moves no cursor needs no turn: a platform that pushes does so to any process.
      accept: async (page) =>
        this.accept(page.cursor === undefined ? this.database : (lease ?? (await turn())), platform, workspace, page),
    };
  }

  /** Who waits for its turn to read a stream waits no more. */
  stopWaiting(): void {
    this.stopping.abort();
  }

  /** Other processes may read on. */
  release(): Promise<void> {
    return this.leases.releaseAll(LEASES);
  }

  /** Messages and cursor in one transaction: what comes twice is recognised by its id, what is lost comes again. */
  private async accept(
    writer: Pick<Lease, 'transaction'>,
    platform: string,
    workspace: string,
    { events, cursor }: InboundPage,
  ): Promise<void> {
    failpoint('inbox.read');
    await writer.transaction(async (manager) => {
      const carried = await this.carried(manager, { platform, workspace }, events);
      const numbers = await this.sequence.take(carried.length);
      const rows = carried.map(({ event, lane }, n): InboxEntity => ({
        platform,
        workspace,
        nativeEventId: event.nativeEventId,
        channelId: lane,
        sequence: numbers[n] ?? 0,
        payload: JSON.stringify(event),
        state: 'waiting',
        reason: null,
        attempts: 0,
        failingSince: null,
        lpduHash: null,
        receivedAt: this.clock.now(),
      }));
      if (rows.length > 0)
        await manager.createQueryBuilder().insert().into(InboxEntity).values(rows).orIgnore().execute();
      for (const channelId of new Set(rows.map((row) => row.channelId))) {
        this.wakeups.wake('inbox', channelKey({ platform, workspace, channelId }));
      }
      if (cursor !== undefined)
        await manager.upsert(PlatformCursorEntity, { platform, workspace, cursor }, ['platform', 'workspace']);
    });
    failpoint('inbox.committed');
  }

  /** Those that somebody carries, with their lanes: of channels that have a room, or are about to get one. */
  private async carried(
    manager: EntityManager,
    { platform, workspace }: { platform: string; workspace: string },
    events: readonly InboundEvent[],
  ): Promise<{ event: InboundEvent; lane: string }[]> {
    const mappings = await manager.findBy(RoomMappingEntity, { platform, workspace });
    const mapped = new Set(mappings.map(({ channelId }) => channelId));
    const out: { event: InboundEvent; lane: string }[] = [];
    for (const event of events) {
      const handler = this.handlers.of(event);
      if (handler === undefined) continue;
      const lane = laneOf(event, handler.laneOf(event));
      const waits = async (): Promise<boolean> =>
        out.some((earlier) => earlier.lane === lane) ||
        (await manager.existsBy(InboxEntity, { platform, workspace, channelId: lane, state: 'waiting' }));
      if (!handler.needsMapping || mapped.has(lane) || (await waits())) out.push({ event, lane });
    }
    return out;
  }

  /** What waits in a lane, oldest first. */
  waiting(channel: { platform: string; workspace: string; channelId: string }): Promise<InboxEntity[]> {
    return this.database.read.find(InboxEntity, {
      where: { ...channel, state: 'waiting' },
      order: { sequence: 'ASC' },
      take: PAGE,
    });
  }

  /** What waits in the channel of a mapping, or is with the hub. */
  async unsettled(manager: EntityManager, mappingId: string): Promise<InboxEntity[]> {
    const mapping = await manager.findOneBy(RoomMappingEntity, { id: mappingId });
    if (mapping === null) return [];
    const { platform, workspace, channelId } = mapping;
    return manager.findBy(InboxEntity, { platform, workspace, channelId, state: In(['waiting', 'submitted']) });
  }

  /** It could not be carried: for the admin, who sees what stops the channel. */
  async noteFailure(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    const { platform, workspace, nativeEventId } = row;
    const change = {
      attempts: row.attempts + 1,
      failingSince: row.failingSince ?? this.clock.now(),
      reason: reason.slice(0, MAX_REASON),
    };
    await manager.update(InboxEntity, { platform, workspace, nativeEventId, state: 'waiting' }, change);
  }

  /** Native events as the admin sees them, newest first. */
  list(state: InboxState, limit: number): Promise<InboxEntity[]> {
    return this.database.read.find(InboxEntity, { where: { state }, order: { sequence: 'DESC' }, take: limit });
  }

  /** Takes out what could not be carried, so that its channel goes on, and tells its author. False: it does not wait. */
  async discard({
    platform,
    workspace,
    nativeEventId,
  }: Pick<InboxEntity, 'platform' | 'workspace' | 'nativeEventId'>): Promise<boolean> {
    return this.database.transaction(async (manager) => {
      const row = await manager.findOneBy(InboxEntity, { platform, workspace, nativeEventId, state: 'waiting' });
      if (row === null) return false;
      await this.settle(manager, row, { state: 'discarded', reason: row.reason });
      await this.notices.refused(manager, row, 'whoever looks after Causeway took it out');
      this.wakeups.wake('inbox', channelKey(row));
      return true;
    });
  }

  /** Lanes in which something waits, but channels whose mapping is not active. */
  async waitingLanes(): Promise<ChannelName[]> {
    return this.database.read
      .createQueryBuilder(InboxEntity, 'row')
      .select(['row.platform AS "platform"', 'row.workspace AS "workspace"', 'row.channelId AS "channelId"'])
      .distinct(true)
      .where({ state: 'waiting' })
      .andWhere((query) => {
        const mapping = query
          .subQuery()
          .select('1')
          .from(RoomMappingEntity, 'mapping')
          .where('mapping.platform = row.platform AND mapping.workspace = row.workspace')
          .andWhere('mapping.channelId = row.channelId AND mapping.state <> :active', { active: 'active' });
        return `NOT EXISTS ${mapping.getQuery()}`;
      })
      .getRawMany<ChannelName>();
  }

  /** Throws when the row does not wait any more: somebody else has carried it. */
  async settle(manager: EntityManager, row: InboxEntity, change: Partial<InboxEntity>): Promise<void> {
    const { platform, workspace, nativeEventId } = row;
    const where = { platform, workspace, nativeEventId, state: 'waiting' as const };
    const { affected } = await manager.update(InboxEntity, where, { reason: null, failingSince: null, ...change });
    if (affected !== 1) throw new Error(`the native event ${nativeEventId} is carried already`);
  }
}
