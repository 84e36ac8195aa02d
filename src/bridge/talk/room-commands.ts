import { Injectable } from '@nestjs/common';
import { displayName } from '../../message/index.js';
import { MappingsHealth } from '../mapping-health.js';
import type { RoomMappingEntity } from '../../persistence/entities/index.js';
import { type RoomId, type ServerName, type UserId, localpartOf, serverOfUser } from '../../protocol/index.js';
import { type Member, RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { type Answer, type Asked, CannotDo, NotYet } from './asked.js';
import { Conversations } from './conversations.js';
import { InviteList, inviteText } from './invite-list.js';
import { RoomNames } from './room-names.js';

const MAX_NAMES = 30;
const MAX_SERVERS = 20;
const MAX_INVITES = 20;

/** What people ask for about the channel in which they are. */
@Injectable()
export class RoomCommands {
  constructor(
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
    private readonly names: RoomNames,
    private readonly invites: InviteList,
    private readonly conversations: Conversations,
    private readonly health: MappingsHealth,
  ) {}

  async who(asked: Asked): Promise<Answer> {
    const { roomId } = shared(asked);
    const present = (await this.reader.members(roomId)).filter(({ membership }) => membership === 'join');
    const byServer = new Map<ServerName, Member[]>();
    for (const member of present) {
      const server = serverOfUser(member.userId);
      byServer.set(server, [...(byServer.get(server) ?? []), member]);
    }
    const lines = [...byServer].slice(0, MAX_SERVERS).map(([server, members]) => this.companyLine(server, members));
    const more = byServer.size - lines.length;
    return { text: [...lines, ...(more > 0 ? [`… and ${String(more)} more companies`] : [])].join('\n') };
  }

  async status({ mapping, user }: Asked): Promise<Answer> {
    const lines = mapping === null ? ['This channel is not shared.'] : await this.channelLines(mapping);
    const open = await this.invites.of(user);
    for (const invite of open.slice(0, MAX_INVITES)) {
      lines.push(`Invite ${String(invite.number)}: ${inviteText(invite)} Accept or decline it.`);
    }
    if (open.length > MAX_INVITES) lines.push(`… and ${String(open.length - MAX_INVITES)} more invites.`);
    for (const { roomId, hub } of await this.invites.knocks(user)) {
      lines.push(`You have asked ${hub} to be let into ${roomId}; nobody has answered yet.`);
    }
    return { text: lines.join('\n') };
  }

  async invite(asked: Asked, users: readonly UserId[]): Promise<Answer> {
    const { roomId } = shared(asked);
    await this.enter(asked, roomId);
    const there: UserId[] = [];
    for (const user of users) {
      if (['join', 'invite'].includes(await this.reader.membership(roomId, user))) there.push(user);
    }
    const wanted = users.filter((user) => !there.includes(user));
    const problems = await this.conversations.bring(roomId, asked.user, wanted, { isDirect: false });
    const invited = wanted.length - problems.length;
    const lines = [
      ...(invited === 0
        ? []
        : [`Invited: ${wanted.filter((user) => !problems.some((each) => each.startsWith(`${user}:`))).join(', ')}`]),
      ...(there.length === 0 ? [] : [`In it or invited already: ${there.join(', ')}`]),
      ...problems,
    ];
    return { text: lines.join('\n') };
  }

  async leave(asked: Asked): Promise<Answer> {
    const { roomId } = shared(asked);
    if ((await this.reader.membership(roomId, asked.user)) !== 'join') {
      return { text: 'You are not in this conversation.' };
    }
    await this.rooms.leave(roomId, asked.user);
    return { text: 'You have left this conversation. What you write here takes you back into it.' };
  }

  async approve(asked: Asked, user: UserId): Promise<Answer> {
    const { roomId } = shared(asked);
    await this.enter(asked, roomId);
    await this.refuseWithoutKnock(roomId, user);
    await this.rooms.invite(roomId, user, asked.user);
    return { text: `${user} is invited.` };
  }

  async deny(asked: Asked, user: UserId): Promise<Answer> {
    const { roomId } = shared(asked);
    await this.refuseWithoutKnock(roomId, user);
    const botIsIn = (await this.reader.membership(roomId, this.rooms.bot)) === 'join';
    await this.rooms.kick(roomId, user, { sender: botIsIn ? this.rooms.bot : asked.user });
    return { text: `${user} is turned away.` };
  }

  /** Whoever acts in a room is a member of it. */
  private async enter({ user, person }: Asked, roomId: RoomId): Promise<void> {
    if ((await this.reader.membership(roomId, user)) === 'join') return;
    await this.rooms.ensureJoined(roomId, user, person.displayName);
    if ((await this.reader.membership(roomId, user)) !== 'join') throw new NotYet();
  }

  private async refuseWithoutKnock(roomId: RoomId, user: UserId): Promise<void> {
    if ((await this.reader.membership(roomId, user)) === 'knock') return;
    throw new CannotDo(`${user} does not knock here (any more).`);
  }

  private companyLine(server: ServerName, members: readonly Member[]): string {
    const people = members.filter(({ userId }) => userId !== this.rooms.bot);
    const names = people
      .slice(0, MAX_NAMES)
      .map(({ userId, displayName: name }) => displayName(name) ?? localpartOf(userId));
    const more = people.length - names.length;
    return `${server}: ${names.join(', ')}${more > 0 ? ` and ${String(more)} more` : ''}`;
  }

  private async channelLines(mapping: RoomMappingEntity): Promise<string[]> {
    const { roomId, state, reason } = mapping;
    const room = await this.reader.room(roomId);
    const { outbound, inbound, failingServers } = await this.health.of(mapping);
    const place = `${await this.names.of(roomId)} (${roomId}, kept by ${room?.hubServer ?? 'nobody'})`;
    return [
      state === 'active'
        ? `This channel is shared: ${place}.`
        : `This channel is shared, and ${state}${reason === null ? '' : ` (${reason})`}: ${place}.`,
      `Waiting to come in: ${String(outbound.behind)}. Waiting to go out: ${String(inbound.waiting)}.`,
      ...failingServers.map(({ server, since }) => `${server} has not answered since ${timeOf(since)}.`),
    ];
  }
}

/** The mapping of the channel in which somebody asks. Throws CannotDo. */
function shared({ mapping }: Asked): RoomMappingEntity {
  if (mapping === null) throw new CannotDo('This channel is not shared with anybody.');
  return mapping;
}

const timeOf = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
