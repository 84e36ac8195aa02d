import { Injectable } from '@nestjs/common';
import { MappingConflict, RoomMappings } from '../../mapping/room-mappings.js';
import { UserMappings } from '../../mapping/user-mappings.js';
import { displayName } from '../../message/index.js';
import type { MappingKind, RoomMappingEntity } from '../../persistence/entities/index.js';
import type { Lease } from '../../persistence/leases.js';
import type { NativeChannel, NativeUser, Platform } from '../../platform/port.js';
import { type RoomId, type UserId, localpartOf, serverOfUser } from '../../protocol/index.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { CannotDo, whyNot } from './asked.js';
import { subjectOf } from './personal-notices.js';
import { strangerOf } from './room-names.js';

/** Where a room is to be shown. */
export interface Shown {
  mapping: RoomMappingEntity;
  /** It was before. */
  already: boolean;
}

/** Rooms of few people, and the native conversations that are opened for them. */
@Injectable()
export class Conversations {
  constructor(
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
  ) {}

  /**
   * Shows a room of which somebody has become a member: in the channel that it has in this chat, otherwise in a conversation that is
   * opened for it. Undefined where the chat opens none. Whatever was said since they came is shown.
   */
  async show(
    { platform, person, user, lease }: { platform: Platform; person: NativeUser; user: UserId; lease: Lease },
    roomId: RoomId,
    { name, kind, others }: { name: string; kind: MappingKind; others: readonly UserId[] },
  ): Promise<Shown | undefined> {
    const known = await this.shownIn(platform, roomId);
    if (known !== undefined) return { mapping: known, already: true };
    if (platform.can.openConversation === undefined) return undefined;
    const remote = others.map(strangerOf);
    const key = subjectOf('room', platform.kind, platform.workspace, roomId);
    const channel = await platform.can.openConversation({ name, users: [person.id], remote }, { key, repeated: true });
    const member = await this.reader.stateEvent(roomId, 'm.room.member', user);
    const place = member?.pdu.content.membership === 'join' ? { kind, after: member.position } : { kind };
    const mapping = await lease.transaction(() => this.map(platform, channel, roomId, place));
    return { mapping, already: false };
  }

  /** The mapping of a room in a chat. */
  async shownIn({ kind, workspace }: Platform, roomId: RoomId): Promise<RoomMappingEntity | undefined> {
    const mappings = await this.mappings.ofRoom(roomId);
    return mappings.find((each) => each.platform === kind && each.workspace === workspace);
  }

  /** A conversation of somebody with exactly these others, if there is one in this chat. */
  async between(platform: Platform, user: UserId, others: readonly UserId[]): Promise<RoomMappingEntity | undefined> {
    const wanted = new Set([user, ...others]);
    for (const mapping of await this.mappings.conversations(platform.kind, platform.workspace)) {
      if ((await this.reader.membership(mapping.roomId, user)) !== 'join') continue;
      const members = (await this.reader.members(mapping.roomId)).filter(
        ({ userId, membership }) => userId !== this.rooms.bot && ['join', 'invite'].includes(membership),
      );
      if (members.length === wanted.size && members.every(({ userId }) => wanted.has(userId))) return mapping;
    }
    return undefined;
  }

  /** Throws CannotDo when somebody's server may not take part at all. */
  async refuseUnwanted(users: readonly UserId[]): Promise<void> {
    for (const server of new Set(users.map(serverOfUser))) {
      if (!(await this.rooms.allows(server))) throw new CannotDo(`We do not talk with ${server}.`);
    }
  }

  /** The room of a native conversation that somebody began: made with its mapping, all or nothing, when there is none yet. */
  async begin(
    platform: Platform,
    channel: NativeChannel,
    { user, person }: { user: UserId; person: NativeUser },
    { kind, lease }: { kind: MappingKind; lease: Lease },
  ): Promise<RoomMappingEntity> {
    const place = { platform: platform.kind, workspace: platform.workspace, channelId: channel.id };
    const known = await this.mappings.ofChannel(place);
    if (known !== null) return known;
    return lease.transaction(async () => {
      const roomId = await this.rooms.create({ creator: user, displayName: person.displayName });
      return this.map(platform, channel, roomId, { kind });
    });
  }

  /** Brings people into a room, each once. In words what did not work. */
  async bring(
    roomId: RoomId,
    sender: UserId,
    others: readonly UserId[],
    options: { isDirect: boolean },
  ): Promise<string[]> {
    const problems: string[] = [];
    for (const other of others) {
      try {
        await this.bringOne(roomId, sender, other, options);
      } catch (error) {
        const why = whyNot(error);
        if (why === undefined) throw error;
        problems.push(`${other}: ${why}`);
      }
    }
    return problems;
  }

  private async bringOne(roomId: RoomId, sender: UserId, other: UserId, options: { isDirect: boolean }): Promise<void> {
    if (['join', 'invite'].includes(await this.reader.membership(roomId, other))) return;
    const ours = await this.users.find(other);
    if (ours === null) await this.rooms.invite(roomId, other, sender, options);
    else await this.rooms.ensureJoined(roomId, other, ours.displayName);
  }

  private async map(
    platform: Platform,
    { id, name }: NativeChannel,
    roomId: RoomId,
    options: { kind: MappingKind; after?: number },
  ): Promise<RoomMappingEntity> {
    const channel = { platform: platform.kind, workspace: platform.workspace, channelId: id, channelName: name };
    const known = await this.mappings.ofChannel(channel);
    if (known === null) return this.mappings.create(channel, roomId, undefined, options);
    if (known.roomId !== roomId) throw new MappingConflict(`the channel ${name} is shared with another room`);
    return known;
  }
}

/** What a conversation with these people is called. */
export function conversationName(others: readonly UserId[]): string {
  const names = others.slice(0, 4).map((user) => `${displayName(localpartOf(user)) ?? 'user'} · ${serverOfUser(user)}`);
  return others.length > names.length ? `${names.join(', ')} …` : names.join(', ');
}
