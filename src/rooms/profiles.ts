import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { Database } from '../persistence/database.js';
import { RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import type { RoomId, UserId } from '../protocol/index.js';
import { Lpdus } from './lpdus.js';
import type { NewEvent } from './new-event.js';
import { RoomReader } from './room-reader.js';

export interface Profile {
  displayName: string;
  /** `mxc:` URI; absent: the picture stays as it is. */
  avatar?: string;
}

/** Under which name one of our users is in rooms: a part of their membership (Matrix: m.room.member). */
@Injectable()
export class Profiles {
  constructor(
    private readonly database: Database,
    private readonly reader: RoomReader,
    private readonly lpdus: Lpdus,
  ) {}

  /** Rooms in which a user is a member. */
  async roomsOf(userId: UserId): Promise<RoomId[]> {
    const where = { type: 'm.room.member', stateKey: userId, membership: 'join' } as const;
    const rows = await this.database.read.findBy(RoomStateEntity, where);
    const roomIds = rows.map(({ roomId }) => roomId);
    const rooms = await this.database.read.findBy(RoomEntity, { roomId: In(roomIds), standing: 'joined' });
    return rooms.map(({ roomId }) => roomId);
  }

  /**
   * The event that gives a user this profile in a room; undefined when they have it, or are no members. `pending`: an earlier
   * change is on its way to the hub, and has to be waited for.
   */
  async change(roomId: RoomId, userId: UserId, profile: Profile): Promise<NewEvent | 'pending' | undefined> {
    const member = await this.reader.stateEvent(roomId, 'm.room.member', userId);
    if (member?.pdu.content.membership !== 'join') return undefined;
    const { displayname, avatar_url: picture } = member.pdu.content;
    const avatar = profile.avatar ?? picture;
    if (displayname === profile.displayName && avatar === picture) return undefined;
    if (await this.lpdus.hasPendingMembership(roomId, userId)) return 'pending';
    const content = {
      membership: 'join',
      displayname: profile.displayName,
      ...(avatar === undefined ? {} : { avatar_url: avatar }),
    };
    return { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content };
  }
}
