import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '../../persistence/database.js';
import { RoomStateEntity } from '../../persistence/entities/index.js';
import { type RoomId, type ServerName, type UserId, parseUserId, serverOfUser } from '../../protocol/index.js';
import { Invites } from '../../rooms/invites.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { RoomNames, invitedName } from './room-names.js';

/** An invite that waits for its answer. */
export interface OpenInvite {
  roomId: RoomId;
  number: number;
  /** In quotation marks; undefined: the room has none. */
  room: string | undefined;
  sender: UserId;
  isDirect: boolean;
  /** Of a room that none of us is in; undefined: of one that we are in. */
  hub: ServerName | undefined;
}

export interface OpenKnock {
  roomId: RoomId;
  hub: ServerName;
}

/** By which somebody names an invite: the same whenever it is asked for, and for nobody else. */
export function inviteNumber(roomId: RoomId, userId: UserId): number {
  const digest = createHash('sha256').update(`${roomId} ${userId}`).digest();
  return 1_000 + (digest.readUInt32BE(0) % 9_000);
}

/** Invites of one of our users that are open, wherever they came from. */
@Injectable()
export class InviteList {
  constructor(
    private readonly database: Database,
    private readonly invites: Invites,
    private readonly reader: RoomReader,
    private readonly names: RoomNames,
  ) {}

  async of(userId: UserId): Promise<OpenInvite[]> {
    const open = new Map<RoomId, OpenInvite>();
    for (const invite of await this.invites.ofUser(userId)) {
      if (invite.membership !== 'invite') continue;
      const { roomId, sender, isDirect, hubServer: hub } = invite;
      const number = inviteNumber(roomId, userId);
      open.set(roomId, { roomId, number, room: invitedName(invite), sender, isDirect, hub });
    }
    for (const { roomId } of await this.invitedInside(userId)) {
      const room = await this.reader.room(roomId);
      const event = await this.reader.stateEvent(roomId, 'm.room.member', userId);
      const sender = parseUserId(event?.pdu.sender);
      if (room?.standing !== 'joined' || event === undefined || sender === undefined) continue;
      const isDirect = event.pdu.content.is_direct === true;
      const name = await this.names.of(roomId);
      open.set(roomId, { roomId, number: inviteNumber(roomId, userId), room: name, sender, isDirect, hub: undefined });
    }
    return [...open.values()];
  }

  async knocks(userId: UserId): Promise<OpenKnock[]> {
    const rows = await this.invites.ofUser(userId);
    return rows
      .filter(({ membership }) => membership === 'knock')
      .map(({ roomId, hubServer }) => ({ roomId, hub: hubServer }));
  }

  private invitedInside(userId: UserId): Promise<RoomStateEntity[]> {
    const where = { type: 'm.room.member', stateKey: userId, membership: 'invite' } as const;
    return this.database.read.findBy(RoomStateEntity, where);
  }
}

/** `@grace:globex.example invites you to “Fair”`. */
export function inviteText({ sender, room, isDirect, roomId }: Omit<OpenInvite, 'number' | 'hub'>): string {
  if (isDirect) return `${sender} (${serverOfUser(sender)}) wants to talk with you.`;
  return `${sender} invites you to ${room ?? `the room ${roomId}`}.`;
}
