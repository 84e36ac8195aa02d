import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoomMappings } from '../../mapping/room-mappings.js';
import { UserMappings } from '../../mapping/user-mappings.js';
import type { RoomMappingEntity } from '../../persistence/entities/index.js';
import { PowerLevels, type UserId } from '../../protocol/index.js';
import type { NewEvent } from '../../rooms/new-event.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { type Arrival, type EventOf, InboundHandlers } from '../inbound-handlers.js';
import { Inbox } from '../inbox.js';
import { Submissions } from '../submissions.js';

/** Why nothing can be said in a channel, in the words that its mapping keeps; what ends it. */
const GONE = {
  archived: 'the channel was archived',
  deleted: 'the channel was deleted',
  bot_removed: 'the bot was removed from the channel',
} as const;
const BACK = { unarchived: GONE.archived, bot_added: GONE.bot_removed } as const;

/** What becomes of a room when its native channel is renamed, archived, moved or deleted. */
@Injectable()
export class ChannelChanges implements OnModuleInit {
  constructor(
    private readonly handlers: InboundHandlers,
    private readonly inbox: Inbox,
    private readonly submissions: Submissions,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
  ) {}

  onModuleInit(): void {
    this.handlers.register('channel', {
      // What is said in a channel under its new id waits for the move; everything else must pass a mapping that is broken.
      lane: ({ change }) => (change === 'moved' ? 'channel' : 'person'),
      needsMapping: false,
      carry: async (arrival) => {
        await this.carry(arrival);
        return undefined;
      },
    });
  }

  private async carry(arrival: Arrival<'channel'>): Promise<void> {
    const { event, row } = arrival;
    const { platform, workspace } = row;
    const { change, channel, formerId = channel.id } = event;
    const channelId = change === 'moved' ? formerId : channel.id;
    const mapping = await this.mappings.ofChannel({ platform, workspace, channelId });
    if (mapping === null) return this.submissions.ignore(arrival, 'the channel is not shared');
    switch (change) {
      case 'name':
      case 'topic':
        return this.described(arrival, mapping);
      case 'archived':
      case 'deleted':
      case 'bot_removed':
        // What an admin has paused stays so when the channel is back.
        if (mapping.state === 'paused') return this.submissions.ignore(arrival, 'the mapping is paused');
        return this.settled(arrival, () => this.mappings.setState(mapping, 'broken', GONE[change]));
      case 'unarchived':
      case 'bot_added':
        if (mapping.state !== 'broken' || mapping.reason !== BACK[change]) {
          return this.submissions.ignore(arrival, 'that is not what stopped it');
        }
        return this.settled(arrival, () => this.mappings.setState(mapping, 'active'));
      case 'moved':
        return this.settled(arrival, () => this.mappings.move(mapping, channel));
      case 'visibility':
        return this.submissions.ignore(arrival, 'who here sees it does not change the room');
    }
  }

  private settled({ row, lease }: Arrival<'channel'>, work: () => Promise<void>): Promise<void> {
    return lease.transaction(async (manager) => {
      await this.inbox.settle(manager, row, { state: 'carried' });
      await work();
    });
  }

  /** The room is called as the channel, if somebody of us may say so; of a conversation of few the name is nobody's business. */
  private async described(arrival: Arrival<'channel'>, mapping: RoomMappingEntity): Promise<void> {
    const { channel, change } = arrival.event;
    if (change === 'name') await arrival.lease.transaction(() => this.mappings.rename(mapping, channel.name));
    const event = mapping.kind === 'channel' ? await this.eventFor(arrival.event, mapping, arrival) : undefined;
    if (event === undefined) return this.settled(arrival, () => Promise.resolve());
    return this.submissions.send(arrival, mapping.id, [{ event }]);
  }

  private async eventFor(
    { change, channel, actor }: EventOf<'channel'>,
    { roomId }: RoomMappingEntity,
    { row }: Arrival<'channel'>,
  ): Promise<NewEvent | undefined> {
    const [type, content] =
      change === 'name'
        ? (['m.room.name', { name: channel.name }] as const)
        : (['m.room.topic', { topic: channel.topic ?? '' }] as const);
    const before = (await this.reader.stateEvent(roomId, type, ''))?.pdu.content;
    if (JSON.stringify(before ?? { topic: '' }) === JSON.stringify(content)) return undefined;
    const [known] = actor === undefined ? [] : await this.users.ofNative(row, [actor.id]);
    const sender = await this.whoMay(
      roomId,
      type,
      known === undefined ? [this.rooms.bot] : [known.userId, this.rooms.bot],
    );
    return sender === undefined ? undefined : { roomId, sender, type, stateKey: '', content };
  }

  private async whoMay(
    roomId: RoomMappingEntity['roomId'],
    type: string,
    candidates: readonly UserId[],
  ): Promise<UserId | undefined> {
    const levels = await this.reader.stateEvent(roomId, 'm.room.power_levels', '');
    const create = await this.reader.stateEvent(roomId, 'm.room.create', '');
    const power = new PowerLevels(levels?.pdu.content, create?.pdu.sender);
    for (const user of candidates) {
      const joined = (await this.reader.membership(roomId, user)) === 'join';
      if (joined && power.of(user) >= power.toSend(type, true)) return user;
    }
    return undefined;
  }
}
