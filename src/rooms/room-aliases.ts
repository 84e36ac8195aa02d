import { Injectable } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { RoomAliasEntity, RoomEntity } from '../persistence/entities/index.js';
import { type RoomAlias, type RoomId, type ServerName, serverOfAlias } from '../protocol/index.js';
import { RemoteServers } from './remote-servers.js';
import { UnknownRoom } from './room-log.js';
import { ServerIdentity } from './server-identity.js';

/** Where a named room is. */
export interface AliasTarget {
  roomId: RoomId;
  /** Servers through which it can be joined: the hub first. */
  servers: ServerName[];
}

/** Names of rooms: ours, and how to ask for those of others. */
@Injectable()
export class RoomAliases {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly remote: RemoteServers,
    private readonly clock: Clock,
  ) {}

  all(): Promise<RoomAliasEntity[]> {
    return this.database.read.find(RoomAliasEntity, { order: { alias: 'ASC' } });
  }

  /** Points a name of ours to a room in which we are. Rejects with UnknownRoom. */
  async set(alias: RoomAlias, roomId: RoomId): Promise<void> {
    if (!this.isOurs(alias)) throw new Error(`${alias} is not a name of ours`);
    await this.database.transaction(async (manager) => {
      if (!(await manager.existsBy(RoomEntity, { roomId }))) throw new UnknownRoom(roomId);
      await manager.upsert(RoomAliasEntity, { alias, roomId, createdAt: this.clock.now() }, ['alias']);
    });
  }

  /** Whether there was such a name. */
  async remove(alias: RoomAlias): Promise<boolean> {
    const { affected } = await this.database.transaction((manager) => manager.delete(RoomAliasEntity, { alias }));
    return (affected ?? 0) > 0;
  }

  isOurs(alias: RoomAlias): boolean {
    return serverOfAlias(alias) === this.identity.serverName;
  }

  /** The room of one of our names. */
  async find(alias: RoomAlias): Promise<AliasTarget | undefined> {
    const row = await this.database.read.findOneBy(RoomAliasEntity, { alias });
    const room = row && (await this.database.read.findOneBy(RoomEntity, { roomId: row.roomId }));
    return room ? { roomId: room.roomId, servers: [room.hubServer] } : undefined;
  }

  /** The room of any name. Rejects with RemoteRefusal or RemoteUnavailable. */
  async resolve(alias: RoomAlias): Promise<AliasTarget | undefined> {
    return this.isOurs(alias) ? this.find(alias) : this.remote.resolveAlias(alias);
  }
}
