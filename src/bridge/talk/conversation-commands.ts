import { Injectable } from '@nestjs/common';
import { UserMappings } from '../../mapping/user-mappings.js';
import type { RoomMappingEntity } from '../../persistence/entities/index.js';
import type { UserAddress } from '../../message/index.js';
import type { UserId } from '../../protocol/index.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { serverOfUser } from '../../protocol/index.js';
import { type Answer, type Asked, CannotDo } from './asked.js';
import { MAX_PEOPLE } from './command.js';
import { Conversations, conversationName } from './conversations.js';
import { strangerOf } from './room-names.js';

/** Conversations that somebody of this company begins with people of others. */
@Injectable()
export class ConversationCommands {
  constructor(
    private readonly conversations: Conversations,
    private readonly users: UserMappings,
    private readonly identity: ServerIdentity,
  ) {}

  /** `dm`: in a conversation that the chat opens for it, or in the one that there is. */
  async dm(asked: Asked, wanted: readonly UserId[]): Promise<Answer> {
    const others = wanted.filter((user) => user !== asked.user);
    const [remote, ours] = this.bySide(others);
    if (remote.length === 0) throw new CannotDo('With people of this company you can talk without me.');
    await this.conversations.refuseUnwanted(remote);
    const { platform, person } = asked;
    const known = await this.conversations.between(platform, asked.user, others);
    if (known !== undefined) return { text: `You have a conversation with them already: ${known.channelName}.` };
    if (platform.can.openConversation === undefined) throw new CannotDo('This chat opens no conversations by itself.');
    const colleagues = await this.nativeIdsOf(asked, ours);
    const channel = await platform.can.openConversation(
      { name: conversationName(remote), users: [person.id, ...colleagues], remote: remote.map(strangerOf) },
      { key: asked.key, repeated: true },
    );
    const mapping = await this.conversations.begin(platform, channel, asked, {
      kind: kindOf(others),
      lease: asked.lease,
    });
    return this.brought(asked, mapping, others, `Your conversation is ${mapping.channelName}.`);
  }

  /** One that was begun in the native client: its channel is the place. */
  async inChannel(asked: Asked, participants: readonly UserAddress[]): Promise<Answer> {
    const others = await this.userIdsOf(asked, participants.slice(0, MAX_PEOPLE));
    const [remote] = this.bySide(others);
    if (remote.length === 0) throw new CannotDo('There is nobody of another company in this conversation.');
    await this.conversations.refuseUnwanted(remote);
    const { platform, channel, lease } = asked;
    const mapping = await this.conversations.begin(platform, channel, asked, { kind: kindOf(others), lease });
    return this.brought(asked, mapping, others, '');
  }

  private async brought(
    { user }: Asked,
    mapping: RoomMappingEntity,
    others: readonly UserId[],
    done: string,
  ): Promise<Answer> {
    const isDirect = mapping.kind !== 'channel';
    const problems = await this.conversations.bring(mapping.roomId, user, others, { isDirect });
    return { text: [...(done === '' ? [] : [done]), ...problems].join('\n') };
  }

  private bySide(users: readonly UserId[]): [remote: UserId[], ours: UserId[]] {
    const isOurs = (user: UserId): boolean => serverOfUser(user) === this.identity.serverName;
    return [users.filter((user) => !isOurs(user)), users.filter(isOurs)];
  }

  private async nativeIdsOf({ platform: { kind, workspace } }: Asked, users: readonly UserId[]): Promise<string[]> {
    const known = await this.users.ofUsers({ platform: kind, workspace }, users);
    const missing = users.find((user) => !known.some(({ userId }) => userId === user));
    if (missing !== undefined) throw new CannotDo(`${missing} is not known here.`);
    return known.map(({ nativeUserId }) => nativeUserId);
  }

  private async userIdsOf({ platform, user }: Asked, addresses: readonly UserAddress[]): Promise<UserId[]> {
    const out = new Set<UserId>();
    for (const address of addresses) {
      if ('userId' in address) out.add(address.userId);
      else {
        const place = { platform: platform.kind, workspace: platform.workspace };
        const [known] = await this.users.ofNative(place, [address.nativeId]);
        out.add(known?.userId ?? (await this.users.ensure(place, await platform.resolveUser(address.nativeId))));
      }
    }
    out.delete(user);
    return [...out];
  }
}

const kindOf = (others: readonly UserId[]): 'direct' | 'group' => (others.length === 1 ? 'direct' : 'group');
