import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { channelKey } from '../mapping/room-mappings.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { InboxEntity, PlatformCursorEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { Sequence } from '../persistence/sequence.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { InboundPage, PlatformSink } from '../platform/port.js';

const PAGE = 50;

/** Native messages, from the moment when the platform may forget them until they are carried (design §4). */
@Injectable()
export class Inbox {
  constructor(
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  sinkFor(platform: string, workspace: string): PlatformSink {
    return {
      cursor: async () => {
        const row = await this.database.read.findOneBy(PlatformCursorEntity, { platform, workspace });
        return row?.cursor;
      },
      accept: (page) => this.accept(platform, workspace, page),
    };
  }

  /** Messages and cursor in one transaction: what comes twice is recognised by its id, what is lost comes again. */
  private async accept(platform: string, workspace: string, { messages, cursor }: InboundPage): Promise<void> {
    failpoint('inbox.read');
    await this.database.transaction(async (manager) => {
      const mapped = new Set(
        (await manager.findBy(RoomMappingEntity, { platform, workspace })).map(({ channelId }) => channelId),
      );
      for (const message of messages) {
        const channelId = message.channel.id;
        if (!mapped.has(channelId)) continue;
        await manager
          .createQueryBuilder()
          .insert()
          .into(InboxEntity)
          .values({
            platform,
            workspace,
            nativeEventId: message.nativeEventId,
            channelId,
            sequence: this.sequence.next(),
            payload: JSON.stringify(message),
            state: 'waiting',
            reason: null,
            lpduHash: null,
            receivedAt: this.clock.now(),
          })
          .orIgnore()
          .execute();
        this.wakeups.wake('inbox', channelKey({ platform, workspace, channelId }));
      }
      await manager.upsert(PlatformCursorEntity, { platform, workspace, cursor }, ['platform', 'workspace']);
    });
    failpoint('inbox.committed');
  }

  /** What waits in a channel, oldest first. */
  waiting(channel: { platform: string; workspace: string; channelId: string }): Promise<InboxEntity[]> {
    return this.database.read.find(InboxEntity, {
      where: { ...channel, state: 'waiting' },
      order: { sequence: 'ASC' },
      take: PAGE,
    });
  }

  /** Throws when the row does not wait any more: somebody else has carried it. */
  async settle(manager: EntityManager, row: InboxEntity, change: Partial<InboxEntity>): Promise<void> {
    const { platform, workspace, nativeEventId } = row;
    const where = { platform, workspace, nativeEventId, state: 'waiting' as const };
    const { affected } = await manager.update(InboxEntity, where, change);
    if (affected !== 1) throw new Error(`the native event ${nativeEventId} is carried already`);
  }
}
