import { Injectable, Logger } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import { UserMappings } from '../mapping/user-mappings.js';
import { DroppingLanes } from '../persistence/dropping-lanes.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import { Platforms } from '../platform/platforms.js';
import { type EphemeralEvent, PlatformError } from '../platform/port.js';
import type { Ephemeral } from '../protocol/index.js';
import { Ephemera } from '../rooms/ephemera.js';
import { NativeIds } from './native-ids.js';
import { People } from './people.js';

interface FromChat {
  platform: string;
  workspace: string;
  event: EphemeralEvent;
}

/** Typing and receipts between rooms and native channels, beside the messages: the newest alone, never stored, never repeated. */
@Injectable()
export class EphemeralLane {
  private readonly logger = new Logger('EphemeralLane');
  private readonly channels = new DroppingLanes<FromChat>({
    batch: 1,
    carry: async (_channel, events) => {
      for (const event of events) await this.takeFromChat(event);
    },
    failed: (channel, error) => {
      this.logger.error({ channel, err: error }, 'typing or a receipt could not be read');
    },
  });
  private readonly rooms = new DroppingLanes<Ephemeral>({
    batch: 1,
    carry: async (_roomId, events) => {
      for (const told of events) if (await this.ephemera.counts(told)) await this.show(told);
    },
    failed: (roomId, error) => {
      this.logger.error({ roomId, err: error }, 'typing or a receipt could not be shown');
    },
  });

  constructor(
    private readonly ephemera: Ephemera,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly nativeIds: NativeIds,
    private readonly people: People,
    private readonly platforms: Platforms,
  ) {}

  start(): void {
    this.ephemera.connect({
      here: (told) => {
        this.rooms.add(told.roomId, `${told.type} ${told.userId}`, told);
      },
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.channels.stop(), this.rooms.stop()]);
  }

  /** Never waits, never fails. */
  fromChat(platform: string, workspace: string, event: EphemeralEvent): void {
    const lane = `${platform}/${workspace}/${event.channelId}`;
    this.channels.add(lane, `${event.type} ${event.user.id}`, { platform, workspace, event });
  }

  /** Of people who are in the room; in other channels of the room it is shown too. */
  private async takeFromChat({ platform, workspace, event }: FromChat): Promise<void> {
    const mapping = await this.mappings.ofChannel({ platform, workspace, channelId: event.channelId });
    if (mapping?.state !== 'active') return;
    const [user] = await this.users.ofNative(mapping, [event.user.id]);
    if (user === undefined) return;
    const told = await this.told(mapping, event, user.userId);
    if (told === undefined || !(await this.ephemera.counts(told))) return;
    this.ephemera.tell(told);
    await this.show(told, mapping.id);
  }

  private async told(
    { id, roomId }: RoomMappingEntity,
    event: EphemeralEvent,
    userId: Ephemeral['userId'],
  ): Promise<Ephemeral | undefined> {
    if (event.type === 'typing') return { type: 'typing', roomId, userId, typing: event.typing };
    const eventId = (await this.nativeIds.parts(id, event.nativeId)).at(-1)?.eventId;
    return eventId === null || eventId === undefined ? undefined : { type: 'read', roomId, userId, eventId };
  }

  private async show(told: Ephemeral, except?: string): Promise<void> {
    for (const mapping of await this.mappings.ofRoom(told.roomId)) {
      if (mapping.id === except || mapping.state !== 'active') continue;
      try {
        await this.showIn(mapping, told);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        this.logger.debug({ mappingId: mapping.id, reason: error.message }, 'typing or a receipt was not shown');
      }
    }
  }

  private async showIn(mapping: RoomMappingEntity, told: Ephemeral): Promise<void> {
    const platform = this.platforms.find(mapping.platform, mapping.workspace);
    if (platform?.ready !== true) return;
    const { channelId, id } = mapping;
    const { can } = platform;
    if (told.type === 'typing') {
      await can.showTyping?.(channelId, await this.people.author(told.roomId, told.userId), told.typing);
    } else if (can.showRead !== undefined) {
      const nativeId = (await this.nativeIds.ofEvent(id, told.eventId)).at(-1)?.nativeId;
      if (nativeId === undefined) return;
      await can.showRead({ channelId, nativeId }, await this.people.author(told.roomId, told.userId));
    }
  }
}
