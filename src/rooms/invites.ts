import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { InviteEntity } from '../persistence/entities/index.js';
import type { RoomId, UserId } from '../protocol/index.js';

/** `made`: it is new; `withdrawn`: the room took it back. What our users do with it themselves is no news. */
export type InviteChange = 'made' | 'withdrawn';

/** Called in the transaction of the change. */
export type InviteListener = (manager: EntityManager, invite: InviteEntity, change: InviteChange) => Promise<void>;

/** Invites of our users to rooms that we are not in, and their knocks that wait for an answer. */
@Injectable()
export class Invites {
  private readonly listeners: InviteListener[] = [];

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  onChange(listener: InviteListener): void {
    this.listeners.push(listener);
  }

  all(): Promise<InviteEntity[]> {
    return this.database.read.find(InviteEntity, { order: { receivedAt: 'ASC' } });
  }

  ofRoom(roomId: RoomId): Promise<InviteEntity[]> {
    return this.database.read.findBy(InviteEntity, { roomId });
  }

  ofUser(userId: UserId): Promise<InviteEntity[]> {
    return this.database.read.find(InviteEntity, { where: { userId }, order: { receivedAt: 'ASC' } });
  }

  find(roomId: RoomId, userId: UserId): Promise<InviteEntity | null> {
    return this.database.read.findOneBy(InviteEntity, { roomId, userId });
  }

  /** Keeps an invite that another server made (its event is verified by the caller), or a knock of ours. One that comes again is no news. */
  async keep(invite: Omit<InviteEntity, 'receivedAt'>): Promise<void> {
    const row: InviteEntity = { ...invite, receivedAt: this.clock.now() };
    const { roomId, userId, membership } = row;
    await this.database.transaction(async (manager) => {
      const before = await manager.findOneBy(InviteEntity, { roomId, userId });
      await manager.upsert(InviteEntity, row, ['roomId', 'userId']);
      if (before?.membership !== membership) await this.announce(manager, row, 'made');
    });
  }

  /** One is settled by our user: accepted, rejected, or taken back. */
  async forget(roomId: RoomId, userId: UserId): Promise<void> {
    await this.database.transaction((manager) => manager.delete(InviteEntity, { roomId, userId }));
  }

  /** The room takes an invite back, or says no to a knock. */
  async withdraw(invite: InviteEntity): Promise<void> {
    const { roomId, userId } = invite;
    await this.database.transaction(async (manager) => {
      const { affected } = await manager.delete(InviteEntity, { roomId, userId });
      if (affected === 1) await this.announce(manager, invite, 'withdrawn');
    });
  }

  private async announce(manager: EntityManager, invite: InviteEntity, change: InviteChange): Promise<void> {
    for (const listener of this.listeners) await listener(manager, invite, change);
  }
}
