import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { In, Not } from 'typeorm';
import { ServerLists } from '../config/index.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import {
  CarriedEventEntity,
  DeliveryEntity,
  InboxEntity,
  type MappingKind,
  type MappingState,
  type MembershipMode,
  MessageMappingEntity,
  type PauseOn,
  ReactionEntity,
  RoomEntity,
  RoomMappingEntity,
} from '../persistence/entities/index.js';
import { Sequence } from '../persistence/sequence.js';
import { selectRows } from '../persistence/statements.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { RoomId, ServerName } from '../protocol/index.js';

/** The channel has a room already, or the room is not known. */
export class MappingConflict extends Error {}

/** Server globs: who may take part in a mapping's room (an empty `allow`: everybody), and who may not. */
export interface AdmissionLists {
  allow: readonly string[];
  deny: readonly string[];
}

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
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  /** What is said in the room from now on (or behind `after`) is carried; its history is not. `history`: so many of the last messages of
   * the channel come into the room. Throws MappingConflict. */
  async create(
    channel: ChannelName & { channelName: string },
    roomId: RoomId,
    lists: AdmissionLists = { allow: [], deny: [] },
    { kind = 'channel', after, history = 0 }: { kind?: MappingKind; after?: number; history?: number } = {},
  ): Promise<RoomMappingEntity> {
    return this.database.transaction(async (manager) => {
      const room = await manager.findOneBy(RoomEntity, { roomId });
      if (room?.standing !== 'joined') throw new MappingConflict(`we are not in the room ${roomId}`);
      const { platform, workspace, channelId, channelName } = channel;
      if (await manager.existsBy(RoomMappingEntity, { platform, workspace, channelId })) {
        throw new MappingConflict(`the channel ${channelName} has a room already`);
      }
      refuseHub(room, lists);
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
        kind,
        membershipMode: 'first_word',
        allow: JSON.stringify(lists.allow),
        deny: JSON.stringify(lists.deny),
        historyLeft: history,
        historyBefore: null,
        historySequence: (await this.sequence.take(history)).at(-1) ?? null,
        carriedPosition: after ?? room.headPosition,
        createdAt: this.clock.now(),
      };
      await manager.insert(RoomMappingEntity, mapping);
      this.wakeups.wake('policy', mapping.id);
      this.wakeups.wake('delivery', mapping.id);
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

  /** Ids of the mappings of a room. */
  async idsOfRoom(roomId: RoomId): Promise<string[]> {
    const sql = 'SELECT id FROM room_mapping WHERE room_id = ?';
    return (await selectRows<{ id: string }>(this.database.read, sql, [roomId])).map(({ id }) => id);
  }

  ofRoom(roomId: RoomId): Promise<RoomMappingEntity[]> {
    return this.database.read.findBy(RoomMappingEntity, { roomId });
  }

  /** Conversations of few people in a chat. */
  conversations(platform: string, workspace: string): Promise<RoomMappingEntity[]> {
    return this.database.read.findBy(RoomMappingEntity, { platform, workspace, kind: Not('channel') });
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

  async setMembershipMode({ id }: RoomMappingEntity, membershipMode: MembershipMode): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.update(RoomMappingEntity, { id }, { membershipMode });
      this.wakeups.wake('policy', id);
    });
  }

  /** What its channel is called now. */
  async rename({ id }: RoomMappingEntity, channelName: string): Promise<void> {
    await this.database.transaction((manager) => manager.update(RoomMappingEntity, { id }, { channelName }));
  }

  /** Its channel has another id now; what waits under the former one goes with it. Throws MappingConflict. */
  async move(mapping: RoomMappingEntity, { id: channelId, name }: { id: string; name: string }): Promise<void> {
    const { id, platform, workspace, channelId: formerId } = mapping;
    await this.database.transaction(async (manager) => {
      const other = await manager.findOneBy(RoomMappingEntity, { platform, workspace, channelId });
      if (other !== null && other.id !== id) throw new MappingConflict(`the channel ${name} has a room already`);
      await manager.update(RoomMappingEntity, { id }, { channelId, channelName: name });
      await manager.update(
        InboxEntity,
        { platform, workspace, channelId: formerId, state: In(['held', 'waiting']) },
        { channelId },
      );
      this.wakeups.wake('inbox', channelKey({ platform, workspace, channelId }));
    });
  }

  /** Throws MappingConflict: the hub of the room cannot be kept out of it. */
  async setAdmission({ id, roomId }: RoomMappingEntity, lists: AdmissionLists): Promise<void> {
    await this.database.transaction(async (manager) => {
      const room = await manager.findOneBy(RoomEntity, { roomId });
      if (room !== null) refuseHub(room, lists);
      const [allow, deny] = [JSON.stringify(lists.allow), JSON.stringify(lists.deny)];
      await manager.update(RoomMappingEntity, { id }, { allow, deny });
      this.wakeups.wake('policy', id);
    });
  }

  /** Of mappings that have lists. */
  async admissions(): Promise<(AdmissionLists & { roomId: RoomId })[]> {
    const where = [{ allow: Not('[]') }, { deny: Not('[]') }];
    const rows = await this.database.read.find(RoomMappingEntity, { where });
    return rows.map((row) => ({ roomId: row.roomId, ...admissionOf(row) }));
  }

  async remove({ id, platform, workspace, channelId }: RoomMappingEntity): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.delete(DeliveryEntity, { mappingId: id });
      await manager.delete(MessageMappingEntity, { mappingId: id });
      await manager.delete(CarriedEventEntity, { mappingId: id });
      await manager.delete(ReactionEntity, { mappingId: id });
      await manager.update(
        InboxEntity,
        { platform, workspace, channelId, state: In(['held', 'waiting']) },
        { state: 'ignored' },
      );
      await manager.delete(RoomMappingEntity, { id });
      this.wakeups.wake('policy', id);
    });
  }
}

export const admissionOf = ({ allow, deny }: Pick<RoomMappingEntity, 'allow' | 'deny'>): AdmissionLists => ({
  allow: JSON.parse(allow) as string[],
  deny: JSON.parse(deny) as string[],
});

/** All that is said in a room goes through its hub. */
function refuseHub(
  { role, hubServer }: { role: string; hubServer: ServerName },
  { allow, deny }: AdmissionLists,
): void {
  if (role === 'hub' || new ServerLists(allow, deny).admit(hubServer)) return;
  throw new MappingConflict(`${hubServer} is the hub of the room: pause or remove the mapping, or leave the room`);
}
