import { createHash } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RoomMappings, channelKey } from '../../mapping/room-mappings.js';
import { asAsked } from '../../persistence/backoff.js';
import { Clock } from '../../persistence/clock.js';
import { InboxEntity, MessageMappingEntity, RoomMappingEntity } from '../../persistence/entities/index.js';
import { type Lease, Leases } from '../../persistence/leases.js';
import { Loops } from '../../persistence/loops.js';
import { Tasks } from '../../persistence/tasks.js';
import { Wakeups } from '../../persistence/wakeups.js';
import { Platforms } from '../../platform/platforms.js';
import { type InboundMessage, PlatformError } from '../../platform/port.js';

const PAGE = 50;
const FAILED_RETRY_MS = 30_000;

/** By which the inbox knows a message that is told by history. */
export const historyId = (mappingId: string, nativeId: string): string =>
  `history:${createHash('sha256').update(`${mappingId} ${nativeId}`).digest('hex')}`;

/**
 * Fetches what was said in a channel before it was shared, backwards, as slowly as the platform wants it. Each page is kept in the
 * inbox in the transaction that moves the cursor, held until the last is there: then all of it is carried, oldest first.
 */
@Injectable()
export class NativeHistory implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('NativeHistory');
  private readonly loops: Loops<string>;
  /** What fails here is looked for again when something wakes it. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for history to fetch failed');
  });

  constructor(
    leases: Leases,
    private readonly mappings: RoomMappings,
    private readonly platforms: Platforms,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<string>(
      leases,
      'history',
      (id, lease) => this.run(id, lease),
      (mappingId, error) => {
        this.logger.error({ mappingId, err: error }, 'fetching the history of a channel failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  onApplicationBootstrap(): void {
    const look = (): void => {
      if (!this.loops.stopped) this.background.add(this.startAll());
    };
    this.wakeups.on('policy', (mappingId) => {
      this.loops.startUnlessWaiting(mappingId);
    });
    this.wakeups.on('lease', look);
    this.wakeups.onMissed(look);
    look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loops.stop();
    await this.background.settled();
  }

  private async startAll(): Promise<void> {
    for (const { id, historyLeft } of await this.mappings.all()) {
      if (historyLeft > 0) this.loops.startUnlessWaiting(id);
    }
  }

  private async run(id: string, lease: Lease): Promise<number | undefined> {
    while (!this.loops.stopped) {
      const mapping = await this.mappings.find(id);
      if (mapping === null || mapping.historyLeft === 0) return undefined;
      const platform = this.platforms.find(mapping.platform, mapping.workspace);
      if (platform?.ready === false) return FAILED_RETRY_MS;
      try {
        const before = mapping.historyBefore ?? undefined;
        const limit = Math.min(PAGE, mapping.historyLeft);
        const page = await platform?.can.history?.(mapping.channelId, before, limit);
        await lease.transaction((manager) => this.keep(manager, mapping, page ?? { messages: [], more: false }));
      } catch (error) {
        if (!(error instanceof PlatformError) || this.loops.stopped) throw error;
        this.logger.warn({ mappingId: id, code: error.code, reason: error.message }, 'no history for now');
        if (error.retry) {
          const { retryAfterMs } = error.options;
          return retryAfterMs === undefined ? FAILED_RETRY_MS : asAsked(retryAfterMs);
        }
        await lease.transaction((manager) => this.keep(manager, mapping, { messages: [], more: false }));
      }
    }
    return undefined;
  }

  private async keep(
    manager: EntityManager,
    mapping: RoomMappingEntity,
    { messages, more }: { messages: readonly InboundMessage[]; more: boolean },
  ): Promise<void> {
    const { id, platform, workspace, channelId, historyLeft, createdAt } = mapping;
    let sequence = mapping.historySequence ?? 0;
    for (const message of [...messages].reverse()) {
      // What was said since is carried by itself.
      const known = await manager.existsBy(MessageMappingEntity, { mappingId: id, nativeId: message.nativeId });
      if (message.time >= createdAt || known) continue;
      const nativeEventId = historyId(id, message.nativeId);
      const payload = JSON.stringify({ ...message, nativeEventId, history: true } satisfies InboundMessage);
      const row: InboxEntity = {
        platform,
        workspace,
        nativeEventId,
        channelId,
        sequence: sequence--,
        payload,
        state: 'held',
        reason: null,
        attempts: 0,
        failingSince: null,
        lpduHash: null,
        receivedAt: this.clock.now(),
      };
      await manager.createQueryBuilder().insert().into(InboxEntity).values(row).orIgnore().execute();
    }
    const [oldest] = messages;
    const left = more && oldest !== undefined ? Math.max(0, historyLeft - messages.length) : 0;
    const place = { historyLeft: left, historyBefore: oldest?.nativeId ?? null, historySequence: sequence };
    await manager.update(RoomMappingEntity, { id }, place);
    if (left > 0) return;
    await manager.update(InboxEntity, { platform, workspace, channelId, state: 'held' }, { state: 'waiting' });
    this.wakeups.wake('inbox', channelKey(mapping));
  }
}
