import { Injectable } from '@nestjs/common';
import { RoomMappings } from '../../mapping/room-mappings.js';
import {
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
  parseRoomAlias,
  parseRoomId,
  serverOfRoom,
  serverOfUser,
} from '../../protocol/index.js';
import { Invites } from '../../rooms/invites.js';
import { Profiles } from '../../rooms/profiles.js';
import { RoomAliases } from '../../rooms/room-aliases.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { type Answer, type Asked, CannotDo, NotYet } from './asked.js';
import { Conversations, conversationName } from './conversations.js';
import { InviteList, type OpenInvite, inviteNumber } from './invite-list.js';
import { RoomNames } from './room-names.js';

const MAX_LISTED = 20;

/** What people ask for about rooms in which they are not (yet). */
@Injectable()
export class OutsideCommands {
  constructor(
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
    private readonly aliases: RoomAliases,
    private readonly profiles: Profiles,
    private readonly mappings: RoomMappings,
    private readonly names: RoomNames,
    private readonly invites: InviteList,
    private readonly conversations: Conversations,
    private readonly held: Invites,
  ) {}

  async join(asked: Asked, room: RoomId | RoomAlias): Promise<Answer> {
    const { roomId, via } = await this.find(room);
    await this.enter(asked, roomId, via);
    return this.shown(asked, roomId, { isDirect: false, others: [] });
  }

  async knock(asked: Asked, room: RoomId | RoomAlias, reason: string | undefined): Promise<Answer> {
    const { roomId, via } = await this.find(room);
    const membership = await this.reader.membership(roomId, asked.user);
    if (membership === 'join') throw new CannotDo('You are in that room already.');
    const knocked = (await this.invites.knocks(asked.user)).some((each) => each.roomId === roomId);
    if (!knocked && membership !== 'knock') {
      await this.rooms.knock(roomId, {
        userId: asked.user,
        ...(via === undefined ? {} : { via }),
        ...(reason === undefined ? {} : { reason }),
      });
    }
    return { text: `You have asked to be let into ${roomId}. You will be told when somebody answers.` };
  }

  async search(asked: Asked, target: RoomAlias | ServerName): Promise<Answer> {
    const alias = parseRoomAlias(target);
    if (alias !== undefined) {
      const { roomId } = await this.find(alias);
      return { text: `${alias} is the room ${roomId}. Join it with “join ${alias}”, or ask with “knock ${alias}”.` };
    }
    const server = target as ServerName;
    const lines: string[] = [];
    for (const roomId of await this.profiles.roomsOf(asked.user)) {
      if (lines.length >= MAX_LISTED) break;
      if (await this.reader.hasJoinedUser(roomId, server))
        lines.push(`You are with them in ${await this.place(asked, roomId)}.`);
    }
    for (const { room, roomId, sender, number } of await this.invites.of(asked.user)) {
      if (serverOfUser(sender) === server) lines.push(`Invite ${String(number)}: ${room ?? roomId}`);
    }
    const advice = `Companies do not list their rooms: ask them for the name of one, such as #fair:${server}.`;
    return { text: [...lines, advice].join('\n') };
  }

  async accept(asked: Asked, number: number | undefined): Promise<Answer> {
    const invite = await this.pick(asked.user, number);
    const { roomId, isDirect, sender, hub } = invite;
    await this.begin(asked, roomId, hub);
    const answer = await this.shown(asked, roomId, { isDirect, others: isDirect ? [sender] : [] });
    // Not before it is shown: what is repeated after a crash finds the invite again.
    return {
      ...answer,
      settle: () => this.held.forget(roomId, asked.user),
    };
  }

  async decline({ user }: Asked, number: number | undefined): Promise<Answer> {
    const { roomId, room } = await this.pick(user, number);
    if ((await this.reader.membership(roomId, user)) === 'join') {
      throw new CannotDo('You have accepted it. To go, write “leave” in its channel.');
    }
    await this.rooms.leave(roomId, user);
    return { text: `You have declined the invite to ${room ?? roomId}.` };
  }

  private async pick(user: UserId, number: number | undefined): Promise<OpenInvite> {
    const open = await this.invites.of(user);
    const fitting = number === undefined ? open : open.filter((invite) => invite.number === number);
    const [first = await this.accepted(user, number), second] = fitting;
    if (first === undefined)
      throw new CannotDo(number === undefined ? 'You have no open invite.' : 'There is no such open invite of yours.');
    if (second === undefined) return first;
    throw new CannotDo(
      `Which one? ${fitting
        .map((each) => `${String(each.number)}: ${each.room ?? each.roomId}`)
        .slice(0, MAX_LISTED)
        .join('; ')}`,
    );
  }

  /** One whose room they are in by now: its button is pressed again, or the gateway died before it answered. */
  private async accepted(user: UserId, number: number | undefined): Promise<OpenInvite | undefined> {
    const rooms = number === undefined ? [] : await this.profiles.roomsOf(user);
    const roomId = rooms.find((each) => inviteNumber(each, user) === number);
    return roomId === undefined || number === undefined
      ? undefined
      : { roomId, number, room: await this.names.of(roomId), sender: user, isDirect: false, hub: undefined };
  }

  /** Where a room is. Throws CannotDo. */
  private async find(room: RoomId | RoomAlias): Promise<{ roomId: RoomId; via: ServerName | undefined }> {
    const id = parseRoomId(room);
    if (id !== undefined) return { roomId: id, via: undefined };
    const alias = room as RoomAlias;
    const server = alias.slice(alias.indexOf(':') + 1) as ServerName;
    if (!this.aliases.isOurs(alias) && !(await this.rooms.allows(server))) throw new CannotDo(notWith(server));
    const target = await this.aliases.resolve(alias);
    if (target === undefined) throw new CannotDo(`There is no room ${alias}.`);
    return { roomId: target.roomId, via: target.servers[0] };
  }

  /** Resolves when they are in. */
  private async enter(asked: Asked, roomId: RoomId, via: ServerName | undefined): Promise<void> {
    await this.begin(asked, roomId, via);
    if ((await this.reader.membership(roomId, asked.user)) !== 'join') throw new NotYet();
  }

  /** Resolves when they are in, or their join is on its way to the hub. */
  private async begin({ user, person }: Asked, roomId: RoomId, via: ServerName | undefined): Promise<void> {
    if ((await this.reader.membership(roomId, user)) === 'join') return;
    const known = await this.reader.room(roomId);
    const hub = via ?? known?.hubServer ?? serverOfRoom(roomId);
    if (!(await this.rooms.allows(hub, roomId))) throw new CannotDo(notWith(hub));
    // Of a room in which we are, not everybody here is a member: who is not invited may ask like anybody else.
    if (known?.standing === 'joined') {
      if (!(await this.isOpenTo(roomId, user))) throw new CannotDo('You are not invited to that room. You can knock.');
      await this.rooms.ensureJoined(roomId, user, person.displayName);
    } else {
      await this.rooms.join(roomId, user, person.displayName, via, { keepsInvite: true });
    }
  }

  private async isOpenTo(roomId: RoomId, user: UserId): Promise<boolean> {
    if ((await this.reader.membership(roomId, user)) === 'invite') return true;
    const rule = await this.reader.stateEvent(roomId, 'm.room.join_rules', '');
    return rule?.pdu.content.join_rule === 'public';
  }

  private async shown(
    asked: Asked,
    roomId: RoomId,
    { isDirect, others }: { isDirect: boolean; others: readonly UserId[] },
  ): Promise<Answer> {
    const room = await this.names.of(roomId);
    const name = isDirect ? conversationName(others) : room.replace(/[“”]/g, '');
    const shown = await this.conversations.show(asked, roomId, { name, kind: isDirect ? 'direct' : 'channel', others });
    if (shown === undefined) {
      return {
        text: `You are in ${room} now. This chat opens no conversations by itself: somebody who may has to “map ${roomId}” in a channel.`,
      };
    }
    const { channelName } = shown.mapping;
    return {
      text: shown.already
        ? `You are in ${room}; it is shown in ${channelName}.`
        : `You are in ${room} now, in ${channelName}.`,
    };
  }

  private async place({ platform }: Asked, roomId: RoomId): Promise<string> {
    const name = await this.names.of(roomId);
    const mapping = (await this.mappings.ofRoom(roomId)).find(
      (each) => each.platform === platform.kind && each.workspace === platform.workspace,
    );
    return mapping === undefined ? name : `${name}, shown in ${mapping.channelName}`;
  }
}

const notWith = (server: ServerName): string => `We do not talk with ${server}.`;
