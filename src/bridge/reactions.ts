import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from '../persistence/database.js';
import { ReactionEntity } from '../persistence/entities/index.js';
import type { EventId } from '../protocol/index.js';

/** A reaction of somebody of another company that comes to a native message, or goes. */
export interface ReactionChange {
  change: 'add' | 'remove';
  reaction: Pick<ReactionEntity, 'mappingId' | 'nativeId' | 'sender' | 'key'>;
  eventId: EventId;
}

/** Who of other companies reacts to native messages with what: noted when the event that says so is behind the cursor. */
@Injectable()
export class Reactions {
  constructor(private readonly database: Database) {}

  async note(manager: EntityManager, { change, reaction, eventId }: ReactionChange): Promise<void> {
    if (change === 'remove') await manager.delete(ReactionEntity, { ...reaction, eventId });
    else {
      const row = { ...reaction, eventId, lpduHash: null, direction: 'out' } as const;
      await manager.createQueryBuilder().insert().into(ReactionEntity).values(row).orIgnore().execute();
    }
  }

  /** The reaction that an event made, while it stands. */
  of(mappingId: string, eventId: EventId): Promise<ReactionEntity | null> {
    return this.database.read.findOneBy(ReactionEntity, { mappingId, eventId, direction: 'out' });
  }

  /** `same`: this person has reacted so already. `any`: other people of other companies have. */
  async others({ sender, ...where }: ReactionChange['reaction']): Promise<{ same: boolean; any: boolean }> {
    const rows = await this.database.read.findBy(ReactionEntity, { ...where, direction: 'out' });
    return { same: rows.some((row) => row.sender === sender), any: rows.some((row) => row.sender !== sender) };
  }
}
