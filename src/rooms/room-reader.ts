import { Injectable } from '@nestjs/common';
import { Between, In, LessThan, MoreThan } from 'typeorm';
import { Database } from '../persistence/database.js';
import { EventEntity, RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import type { EventId, Pdu, RoomId, ServerName, UserId } from '../protocol/index.js';
import { readRoom } from './room-rows.js';

export interface StoredEvent {
  roomId: RoomId;
  position: number;
  eventId: EventId;
  pdu: Pdu;
  rejected: boolean;
}

const toStored = ({ roomId, position, eventId, json, rejected }: EventEntity): StoredEvent => ({
  roomId,
  position,
  eventId,
  pdu: JSON.parse(json) as Pdu,
  rejected,
});

export interface Member {
  userId: UserId;
  membership: string;
  displayName: string | undefined;
}

/** Reads rooms: the log, state now and then, members. */
@Injectable()
export class RoomReader {
  constructor(private readonly database: Database) {}

  room(roomId: RoomId): Promise<RoomEntity | null> {
    return readRoom(this.database.read, roomId);
  }

  rooms(): Promise<RoomEntity[]> {
    return this.database.read.find(RoomEntity, { order: { createdAt: 'ASC' } });
  }

  async event(eventId: EventId): Promise<StoredEvent | undefined> {
    const row = await this.database.read.findOneBy(EventEntity, { eventId });
    return row === null ? undefined : toStored(row);
  }

  /** Events of the chain with a position above `after`, oldest first. */
  async eventsAfter(roomId: RoomId, after: number, limit: number): Promise<StoredEvent[]> {
    const rows = await this.database.read.find(EventEntity, {
      where: { roomId, position: MoreThan(after), snapshot: false },
      order: { position: 'ASC' },
      take: limit,
    });
    return rows.map(toStored);
  }

  /** At most `limit` events of the chain up to and including a position, oldest first. */
  async eventsUpTo(roomId: RoomId, position: number, limit: number): Promise<StoredEvent[]> {
    const rows = await this.database.read.find(EventEntity, {
      where: { roomId, position: Between(Math.max(0, position - limit + 1), position), snapshot: false },
      order: { position: 'ASC' },
    });
    return rows.map(toStored);
  }

  /** State at a position: of each (type, state_key) the newest event at or below it, oldest first (LM-04 §State Events). */
  async stateAt(roomId: RoomId, position: number): Promise<StoredEvent[]> {
    const rows = await this.database.read
      .createQueryBuilder(EventEntity, 'event')
      .where('event.roomId = :roomId', { roomId })
      .andWhere((query) => {
        const newest = query
          .subQuery()
          .select('MAX(past.position)')
          .from(EventEntity, 'past')
          .where(
            'past.roomId = :roomId AND past.stateKey IS NOT NULL AND past.rejected = :no AND past.position <= :position',
            { position, no: false },
          )
          .groupBy('past.type')
          .addGroupBy('past.stateKey');
        return `event.position IN ${newest.getQuery()}`;
      })
      .orderBy('event.position', 'ASC')
      .getMany();
    return rows.map(toStored);
  }

  async currentState(roomId: RoomId): Promise<StoredEvent[]> {
    const rows = await this.database.read
      .createQueryBuilder(EventEntity, 'event')
      .innerJoin(RoomStateEntity, 'state', 'state.roomId = event.roomId AND state.position = event.position')
      .where('event.roomId = :roomId', { roomId })
      .orderBy('event.position', 'ASC')
      .getMany();
    return rows.map(toStored);
  }

  async stateEvent(roomId: RoomId, type: string, stateKey: string): Promise<StoredEvent | undefined> {
    const state = await this.database.read.findOneBy(RoomStateEntity, { roomId, type, stateKey });
    if (state === null) return undefined;
    const row = await this.database.read.findOneBy(EventEntity, { roomId, position: state.position });
    return row === null ? undefined : toStored(row);
  }

  /** The state event that stood at (type, state_key) before a position. */
  async stateEventBefore(
    roomId: RoomId,
    type: string,
    stateKey: string,
    position: number,
  ): Promise<StoredEvent | undefined> {
    const row = await this.database.read.findOne(EventEntity, {
      where: { roomId, type, stateKey, position: LessThan(position), rejected: false },
      order: { position: 'DESC' },
    });
    return row === null ? undefined : toStored(row);
  }

  /** The auth_events of these events, and theirs, and so on up to m.room.create; oldest first. */
  async authChain(events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    const chain = new Map<EventId, StoredEvent>();
    let wanted = new Set(events.flatMap(({ pdu }) => pdu.auth_events));
    while (wanted.size > 0) {
      const found = (await this.database.read.findBy(EventEntity, { eventId: In([...wanted]) })).map(toStored);
      for (const event of found) chain.set(event.eventId, event);
      wanted = new Set(found.flatMap(({ pdu }) => pdu.auth_events).filter((id) => !chain.has(id)));
    }
    return [...chain.values()].sort((a, b) => a.position - b.position);
  }

  async members(roomId: RoomId): Promise<Member[]> {
    const state = (await this.currentState(roomId)).filter(({ pdu }) => pdu.type === 'm.room.member');
    return state.map(({ pdu }) => ({
      userId: pdu.state_key as UserId,
      membership: typeof pdu.content.membership === 'string' ? pdu.content.membership : 'leave',
      displayName: typeof pdu.content.displayname === 'string' ? pdu.content.displayname : undefined,
    }));
  }

  async membership(roomId: RoomId, userId: UserId): Promise<string> {
    const row = await this.database.read.findOneBy(RoomStateEntity, {
      roomId,
      type: 'm.room.member',
      stateKey: userId,
    });
    return row?.membership ?? 'leave';
  }

  /** Joined users of a server. */
  async joinedUsers(roomId: RoomId, server: ServerName): Promise<UserId[]> {
    const rows = await this.database.read.findBy(RoomStateEntity, { roomId, server, membership: 'join' });
    return rows.map((row) => row.stateKey as UserId);
  }

  /** Whether a user is in a room together with somebody of a server. */
  sharesRoom(userId: UserId, server: ServerName): Promise<boolean> {
    return this.database.read
      .createQueryBuilder(RoomStateEntity, 'own')
      .innerJoin(RoomStateEntity, 'other', 'other.roomId = own.roomId')
      .where('own.type = :type AND own.stateKey = :userId AND own.membership = :join', {
        type: 'm.room.member',
        userId,
        join: 'join',
      })
      .andWhere('other.server = :server AND other.membership = :join', { server })
      .getExists();
  }

  hasJoinedUser(roomId: RoomId, server: ServerName): Promise<boolean> {
    return this.database.read.existsBy(RoomStateEntity, { roomId, server, membership: 'join' });
  }
}
