import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import {
  DeliveryEntity,
  InboxEntity,
  type MappingState,
  MessageMappingEntity,
  type PauseOn,
  RoomEntity,
  RoomMappingEntity,
} from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { RoomId } from '../protocol/index.js';

/** The channel has a room already, or the room is not known. */
export class MappingConflict extends Error {}

export interface ChannelName {
  platform: string;
  workspace: string;
  channelId: string;
}

/** `platform/workspace/channel`, by which wake-ups and loops name a channel. */
export const channelKey = ({ platform, workspace, channelId }: ChannelName): string =>
  [platform, workspace, channelId].map(encodeURIComponent).join('/');

export function channelOfKey(key: string): ChannelName {
  const [platform = '', workspace = '', channelId = ''] = key.split('/').map(decodeURIComponent);
  return { platform, workspace, channelId };
}

/** Which native channel is which room. */
@Injectable()
export class RoomMappings {
  constructor(
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  /** What is said in the room from now on is carried; its history is not. Throws MappingConflict. */
  async create(channel: ChannelName & { channelName: string }, roomId: RoomId): Promise<RoomMappingEntity> {
    return this.database.transaction(async (manager) => {
      const room = await manager.findOneBy(RoomEntity, { roomId });
      if (room?.standing !== 'joined') throw new MappingConflict(`we are not in the room ${roomId}`);
      const { platform, workspace, channelId, channelName } = channel;
      if (await manager.existsBy(RoomMappingEntity, { platform, workspace, channelId })) {
        throw new MappingConflict(`the channel ${channelName} has a room already`);
      }
      const mapping: RoomMappingEntity = {
        id: randomUUID(),
        platform,
        workspace,
        channelId,
        channelName,
        roomId,
        state: 'active',
        reason: null,
        pauseOn: 'forgery',
        carriedPosition: room.headPosition,
        createdAt: this.clock.now(),
      };
      await manager.insert(RoomMappingEntity, mapping);
      return mapping;
    });
  }

  all(): Promise<RoomMappingEntity[]> {
    return this.database.read.find(RoomMappingEntity, { order: { createdAt: 'ASC' } });
  }

  find(id: string): Promise<RoomMappingEntity | null> {
    return this.database.read.findOneBy(RoomMappingEntity, { id });
  }

  ofChannel({ platform, workspace, channelId }: ChannelName): Promise<RoomMappingEntity | null> {
    return this.database.read.findOneBy(RoomMappingEntity, { platform, workspace, channelId });
  }

  ofRoom(roomId: RoomId): Promise<RoomMappingEntity[]> {
    return this.database.read.findBy(RoomMappingEntity, { roomId });
  }

  /** What waited is carried on at once when the mapping becomes active. */
  async setState(mapping: RoomMappingEntity, state: MappingState, reason: string | null = null): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.update(RoomMappingEntity, { id: mapping.id }, { state, reason });
      this.wakeups.wake('delivery', mapping.id);
      this.wakeups.wake('inbox', channelKey(mapping));
    });
  }

  async setPauseOn({ id }: RoomMappingEntity, pauseOn: PauseOn): Promise<void> {
    await this.database.transaction((manager) => manager.update(RoomMappingEntity, { id }, { pauseOn }));
  }

  async remove({ id, platform, workspace, channelId }: RoomMappingEntity): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.delete(DeliveryEntity, { mappingId: id });
      await manager.delete(MessageMappingEntity, { mappingId: id });
      await manager.update(InboxEntity, { platform, workspace, channelId, state: 'waiting' }, { state: 'ignored' });
      await manager.delete(RoomMappingEntity, { id });
    });
  }
}
