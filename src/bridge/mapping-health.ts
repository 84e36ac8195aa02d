import { Injectable } from '@nestjs/common';
import { In, IsNull, Not } from 'typeorm';
import { Database } from '../persistence/database.js';
import {
  DeliveryEntity,
  DestinationEntity,
  DestinationRoomEntity,
  InboxEntity,
  RoomEntity,
  type RoomMappingEntity,
} from '../persistence/entities/index.js';

/** What stops a channel, in one direction: everything behind it waits. */
export interface Blocked {
  id: string;
  /** ms since the epoch. */
  since: number;
  attempts: number;
  reason: string | null;
}

/** How a mapping fares. */
export interface MappingHealth {
  outbound: { behind: number; dead: number; blocked: Blocked | undefined };
  inbound: { waiting: number; blocked: Blocked | undefined };
  /** Servers of the room that do not answer: what they are to get waits for them. */
  failingServers: { server: string; since: number; lastError: string | null }[];
}

/** What an admin wants to know of a mapping: whether both directions move, and who does not hear us. */
@Injectable()
export class MappingsHealth {
  constructor(private readonly database: Database) {}

  async of(mapping: RoomMappingEntity): Promise<MappingHealth> {
    const { read } = this.database;
    const { id: mappingId, roomId, platform, workspace, channelId, carriedPosition } = mapping;
    const room = await read.findOneBy(RoomEntity, { roomId });
    const channel = { platform, workspace, channelId, state: 'waiting' as const };
    const failing = await read.findOneBy(InboxEntity, { ...channel, failingSince: Not(IsNull()) });
    return {
      outbound: {
        behind: Math.max(0, (room?.headPosition ?? -1) - carriedPosition),
        dead: await read.countBy(DeliveryEntity, { mappingId, state: 'dead' }),
        blocked: await this.blockedDelivery(mappingId),
      },
      inbound: {
        waiting: await read.countBy(InboxEntity, channel),
        blocked: failing === null ? undefined : blockedMessage(failing),
      },
      failingServers: room === null ? [] : await this.failingServers(room),
    };
  }

  private async blockedDelivery(mappingId: string): Promise<Blocked | undefined> {
    const row = await this.database.read.findOne(DeliveryEntity, {
      where: { mappingId, state: 'intent', position: Not(IsNull()), reason: Not(IsNull()) },
      order: { position: 'ASC' },
    });
    return row === null ? undefined : { id: row.id, since: row.createdAt, attempts: row.attempts, reason: row.reason };
  }

  private async failingServers({ roomId, role, hubServer }: RoomEntity): Promise<MappingHealth['failingServers']> {
    const { read } = this.database;
    const servers =
      role === 'participant'
        ? [hubServer]
        : (await read.findBy(DestinationRoomEntity, { roomId, untilPosition: IsNull() })).map(({ server }) => server);
    if (servers.length === 0) return [];
    const rows = await read.findBy(DestinationEntity, { server: In(servers), failingSince: Not(IsNull()) });
    return rows.flatMap(({ server, failingSince, lastError }) =>
      failingSince === null ? [] : [{ server, since: failingSince, lastError }],
    );
  }
}

const blockedMessage = ({ nativeEventId, failingSince, receivedAt, attempts, reason }: InboxEntity): Blocked => ({
  id: nativeEventId,
  since: failingSince ?? receivedAt,
  attempts,
  reason,
});
