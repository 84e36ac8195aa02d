import { Injectable } from '@nestjs/common';
import { IsNull, Not } from 'typeorm';
import { Database } from '../persistence/database.js';
import {
  DeliveryEntity,
  DestinationEntity,
  DestinationRoomEntity,
  InboxEntity,
  InviteEntity,
  LpduOutEntity,
  PendingPduEntity,
  RoomEntity,
  RoomGapEntity,
  RoomMappingEntity,
} from '../persistence/entities/index.js';

export interface DestinationBacklog {
  server: string;
  failingSince: number | null;
  attempts: number;
  nextAttemptAt: number;
  lastError: string | null;
  lastSuccessAt: number | null;
  waitingLpdus: number;
  /** Events between the server's cursor and what it is to get. */
  rooms: { roomId: string; behind: number }[];
}

/** What waits where: for the admin, and for the metrics. */
@Injectable()
export class Backlog {
  constructor(private readonly database: Database) {}

  async counts(): Promise<Record<string, number>> {
    const { read } = this.database;
    return {
      rooms: await read.countBy(RoomEntity, { standing: 'joined' }),
      mappings_active: await read.countBy(RoomMappingEntity, { state: 'active' }),
      mappings_paused: await read.countBy(RoomMappingEntity, { state: 'paused' }),
      mappings_broken: await read.countBy(RoomMappingEntity, { state: 'broken' }),
      invites: await read.count(InviteEntity),
      inbox_waiting: await read.countBy(InboxEntity, { state: 'waiting' }),
      lpdus_waiting: await read.countBy(LpduOutEntity, { state: 'pending' }),
      lpdus_unconfirmed: await read.countBy(LpduOutEntity, { state: 'sent' }),
      pdus_pending: await read.count(PendingPduEntity),
      rooms_behind_gap: await read.count(RoomGapEntity),
      deliveries_waiting: await read.countBy(DeliveryEntity, { state: 'intent' }),
      deliveries_dead: await read.countBy(DeliveryEntity, { state: 'dead' }),
      destinations_failing: await read.countBy(DestinationEntity, { failingSince: Not(IsNull()) }),
    };
  }

  async destinations(): Promise<DestinationBacklog[]> {
    const { read } = this.database;
    const known = new Map((await read.find(DestinationEntity)).map((row) => [row.server, row]));
    const cursors = await read.find(DestinationRoomEntity);
    const heads = new Map((await read.find(RoomEntity)).map(({ roomId, headPosition }) => [roomId, headPosition]));
    const lpdus = await read.find(LpduOutEntity, { select: { hubServer: true }, where: { state: 'pending' } });
    const servers = new Set([
      ...known.keys(),
      ...cursors.map(({ server }) => server),
      ...lpdus.map(({ hubServer }) => hubServer),
    ]);
    return [...servers].sort().map((server) => {
      const row = known.get(server);
      return {
        server,
        failingSince: row?.failingSince ?? null,
        attempts: row?.attempts ?? 0,
        nextAttemptAt: row?.nextAttemptAt ?? 0,
        lastError: row?.lastError ?? null,
        lastSuccessAt: row?.lastSuccessAt ?? null,
        waitingLpdus: lpdus.filter(({ hubServer }) => hubServer === server).length,
        rooms: cursors
          .filter((cursor) => cursor.server === server)
          .map(({ roomId, cursor, untilPosition }) => ({
            roomId,
            behind: Math.max(0, (untilPosition ?? heads.get(roomId) ?? -1) - cursor),
          })),
      };
    });
  }
}
