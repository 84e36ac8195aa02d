import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Configuration } from '../../config/index.js';
import { RoomMappings } from '../../mapping/room-mappings.js';
import { Clock } from '../../persistence/clock.js';
import { AuditLogEntity, type MappingState } from '../../persistence/entities/index.js';
import { Sequence } from '../../persistence/sequence.js';
import { type RoomAlias, type RoomId, parseRoomId } from '../../protocol/index.js';
import { RoomAliases } from '../../rooms/room-aliases.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { Rooms } from '../../rooms/rooms.js';
import { type Answer, type Asked, CannotDo } from './asked.js';
import type { CommandOf } from './command.js';

/** What those ask for who may share channels: whom BRIDGE_ADMINS names. */
@Injectable()
export class OwnerCommands {
  constructor(
    private readonly configuration: Configuration,
    private readonly mappings: RoomMappings,
    private readonly aliases: RoomAliases,
    private readonly reader: RoomReader,
    private readonly rooms: Rooms,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  isOwner({ platform, person }: Asked): boolean {
    return this.configuration.bridgeAdmins.some(
      (each) => each.platform === platform.kind && each.workspace === platform.workspace && each.userId === person.id,
    );
  }

  async map(asked: Asked, { room, history }: CommandOf<'map'>): Promise<Answer> {
    this.refuseOthers(asked);
    const { mapping, lease, platform, channel } = asked;
    if (mapping !== null) return { text: `This channel is shared already: ${mapping.roomId}.` };
    const known = room === undefined ? undefined : await this.entered(room);
    const place = {
      platform: platform.kind,
      workspace: platform.workspace,
      channelId: channel.id,
      channelName: channel.name,
    };
    const roomId = await lease.transaction(async (manager) => {
      const shared = known ?? (await this.rooms.create({ name: channel.name }));
      const { id } = await this.mappings.create(place, shared, undefined, { history });
      await this.record(manager, asked, 'mapping.create', { id, channel: channel.id, roomId: shared });
      return shared;
    });
    return { text: `This channel is shared now: ${roomId}. Invite people with “invite @user:server”.` };
  }

  async unmap(asked: Asked): Promise<Answer> {
    this.refuseOthers(asked);
    const { mapping, lease } = asked;
    if (mapping === null) return { text: NOT_SHARED };
    await lease.transaction(async (manager) => {
      await this.mappings.remove(mapping);
      await this.record(manager, asked, 'mapping.remove', { id: mapping.id });
    });
    return { text: 'This channel is shared no more. What was said stays on both sides.' };
  }

  async setState(asked: Asked, state: Extract<MappingState, 'active' | 'paused'>): Promise<Answer> {
    this.refuseOthers(asked);
    const { mapping, lease } = asked;
    if (mapping === null) return { text: NOT_SHARED };
    await lease.transaction(async (manager) => {
      await this.mappings.setState(mapping, state);
      await this.record(manager, asked, 'mapping.change', { id: mapping.id, state });
    });
    const text = state === 'active' ? 'This channel is carried again.' : 'Nothing is carried until you “resume”.';
    return { text };
  }

  private refuseOthers(asked: Asked): void {
    if (!this.isOwner(asked))
      throw new CannotDo('Only people whom the configuration names (BRIDGE_ADMINS) may do that.');
  }

  /** A room in which we are: joined now if need be. */
  private async entered(room: RoomId | RoomAlias): Promise<RoomId> {
    const target = parseRoomId(room) === undefined ? await this.aliases.resolve(room as RoomAlias) : undefined;
    const roomId = parseRoomId(room) ?? target?.roomId;
    if (roomId === undefined) throw new CannotDo(`There is no room ${room}.`);
    if ((await this.reader.room(roomId))?.standing !== 'joined') {
      await this.rooms.join(roomId, undefined, undefined, target?.servers[0]);
    }
    return roomId;
  }

  private async record(
    manager: EntityManager,
    { platform, person }: Asked,
    action: string,
    detail: Record<string, string>,
  ): Promise<void> {
    await manager.insert(AuditLogEntity, {
      id: await this.sequence.next(),
      actor: `${platform.kind}/${platform.workspace}/${person.id}`.slice(0, 255),
      action,
      detail: JSON.stringify(detail),
      at: this.clock.now(),
    });
  }
}

const NOT_SHARED = 'This channel is not shared.';
