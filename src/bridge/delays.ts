import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import { Chore } from '../persistence/chore.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { InboxEntity } from '../persistence/entities/index.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Wakeups } from '../persistence/wakeups.js';
import { RoomReader } from '../rooms/room-reader.js';
import { Notices } from './notices.js';

const LOOK_EVERY_MS = 30_000;
/** Nobody wants to be told of what is over before it is read. */
const DELAY_MS = 5 * 60_000;

/**
 * Tells people that what they wrote is still on its way to a hub: the author of the oldest such message of a channel, once. What
 * comes after it waits for the same.
 */
@Injectable()
export class Delays implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly chore: Chore;

  constructor(
    leases: Leases,
    wakeups: Wakeups,
    private readonly database: Database,
    private readonly mappings: RoomMappings,
    private readonly reader: RoomReader,
    private readonly notices: Notices,
    private readonly clock: Clock,
  ) {
    const work = (lease: Lease): Promise<void> => this.tell(lease);
    this.chore = new Chore(leases, wakeups, { name: 'delays', everyMs: LOOK_EVERY_MS, work });
  }

  onApplicationBootstrap(): void {
    this.chore.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.chore.stop();
  }

  private async tell(lease: Lease): Promise<void> {
    const state = 'submitted';
    const oldest = await this.database.read
      .createQueryBuilder(InboxEntity, 'row')
      .select('MIN(row.sequence)', 'sequence')
      .where('row.state = :state AND row.receivedAt < :before', { state, before: this.clock.now() - DELAY_MS })
      .groupBy('row.platform')
      .addGroupBy('row.workspace')
      .addGroupBy('row.channelId')
      .getRawMany<{ sequence: string | number }>();
    for (const { sequence } of oldest) {
      const row = await this.database.read.findOneBy(InboxEntity, { state, sequence: Number(sequence) });
      const mapping = row === null ? null : await this.mappings.ofChannel(row);
      const room = mapping === null ? null : await this.reader.room(mapping.roomId);
      if (row === null || room === null) continue;
      const reason = `${room.hubServer}, which keeps the order of this channel, has not confirmed it`;
      await lease.transaction((manager) => this.notices.delayed(manager, row, reason));
    }
  }
}
