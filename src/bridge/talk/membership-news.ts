import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { UserMappings } from '../../mapping/user-mappings.js';
import { cleanLine } from '../../message/index.js';
import { InviteEntity, type UserMappingEntity } from '../../persistence/entities/index.js';
import { type RoomId, type UserId, membershipOf, parseUserId, serverOfUser } from '../../protocol/index.js';
import { type InviteChange, Invites } from '../../rooms/invites.js';
import { type AppendedEvent, RoomLog } from '../../rooms/room-log.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { inviteNumber, inviteText } from './invite-list.js';
import { type PersonalText, PersonalNotices, subjectOf } from './personal-notices.js';
import { RoomNames, invitedName } from './room-names.js';

/** Of more open invites somebody is not told: they are counted in `status`. */
const MAX_TOLD = 20;
const MAX_REASON = 200;

/** Tells people of this company what others did with their membership: invited them, took that back, removed them. */
@Injectable()
export class MembershipNews implements OnModuleInit {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly invites: Invites,
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly rooms: Rooms,
    private readonly users: UserMappings,
    private readonly names: RoomNames,
    private readonly notices: PersonalNotices,
  ) {}

  onModuleInit(): void {
    this.invites.onChange((manager, invite, change) => this.fromOutside(manager, invite, change));
    this.log.onAppend(async (manager, events) => {
      for (const event of events) await this.inside(manager, event);
    });
  }

  /** Of rooms in which none of us is. */
  private async fromOutside(manager: EntityManager, invite: InviteEntity, change: InviteChange): Promise<void> {
    const { roomId, userId, membership, sender, receivedAt, isDirect } = invite;
    const person = await this.users.find(userId);
    if (person === null || (change === 'made' && membership === 'knock')) return;
    const subject = subjectOf(change, roomId, userId, String(receivedAt));
    const room = invitedName(invite);
    if (change === 'made') {
      if ((await manager.countBy(InviteEntity, { userId, membership: 'invite' })) > MAX_TOLD) return;
      await this.tell(manager, person, subject, invited(userId, { roomId, sender, room, isDirect }));
    } else {
      const place = room ?? `the room ${roomId}`;
      const text = membership === 'knock' ? `You are not let into ${place}.` : `The invite to ${place} was taken back.`;
      await this.tell(manager, person, subject, { text });
    }
  }

  /** Of rooms in which we are: what somebody of another company did. */
  private async inside(
    manager: EntityManager,
    { roomId, pdu, eventId, position, rejected }: AppendedEvent,
  ): Promise<void> {
    const ours = this.identity.serverName;
    if (rejected || pdu.type !== 'm.room.member' || serverOfUser(pdu.sender) === ours) return;
    const userId = parseUserId(pdu.state_key);
    if (userId === undefined || serverOfUser(userId) !== ours) return;
    const person = await this.users.find(userId);
    if (person === null || !(await this.rooms.admits(roomId, pdu.sender))) return;
    const before = await this.reader.stateEventBefore(roomId, 'm.room.member', userId, position);
    const earlier = before === undefined ? undefined : membershipOf(before.pdu);
    const membership = membershipOf(pdu);
    if (membership === earlier) return;
    const room = await this.names.of(roomId);
    const told =
      membership === 'invite'
        ? invited(userId, { roomId, sender: pdu.sender, room, isDirect: pdu.content.is_direct === true })
        : removal(pdu, { room, membership, earlier });
    if (told !== undefined) await this.tell(manager, person, subjectOf('member', eventId), told);
  }

  private tell(
    manager: EntityManager,
    { platform, workspace, nativeUserId }: UserMappingEntity,
    subject: string,
    text: PersonalText,
  ): Promise<void> {
    return this.notices.tell(manager, { platform, workspace, nativeUserId, channelId: null, subject }, text);
  }
}

function invited(
  userId: UserId,
  invite: { roomId: RoomId; sender: UserId; room: string | undefined; isDirect: boolean },
): PersonalText {
  const number = String(inviteNumber(invite.roomId, userId));
  return {
    text: inviteText(invite),
    actions: [
      { id: `accept ${number}`, label: 'Accept', style: 'primary' },
      { id: `decline ${number}`, label: 'Decline', style: 'danger' },
    ],
  };
}

function removal(
  { sender, content }: AppendedEvent['pdu'],
  { room, membership, earlier }: { room: string; membership: string | undefined; earlier: string | undefined },
): PersonalText | undefined {
  const reason = typeof content.reason === 'string' ? cleanLine(content.reason, MAX_REASON) : '';
  const why = reason === '' ? '.' : `: ${reason}`;
  if (membership === 'ban') return { text: `${sender} has banned you from ${room}${why}` };
  if (membership !== 'leave') return undefined;
  switch (earlier) {
    case 'join':
      return { text: `${sender} has removed you from ${room}${why}` };
    case 'invite':
      return { text: `${sender} has taken the invite to ${room} back${why}` };
    case 'knock':
      return { text: `${sender} does not let you into ${room}${why}` };
    default:
      return undefined;
  }
}
