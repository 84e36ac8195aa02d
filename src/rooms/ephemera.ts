import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Database } from '../persistence/database.js';
import { selectRows } from '../persistence/statements.js';
import type { Ephemeral, RoomId, ServerName } from '../protocol/index.js';
import { RoomReader } from './room-reader.js';
import { Rooms } from './rooms.js';
import { ServerIdentity } from './server-identity.js';

/** A room of more servers is a hall: who types there is told to nobody. */
const MOST_SERVERS = 50;
const SERVERS = `SELECT DISTINCT server FROM room_state WHERE room_id = ? AND membership = 'join' LIMIT ${String(MOST_SERVERS + 1)}`;
/** How long the servers of a room are taken to be the same: who comes meanwhile misses some typing. */
const SERVERS_KEPT = { max: 1_000, ttl: 10_000 };

type Listener = (told: Ephemeral) => void;

/** Typing and receipts on their way between people here and other servers: nothing of it is stored, all of it may be lost. */
@Injectable()
export class Ephemera {
  private readonly servers = new LRUCache<RoomId, readonly ServerName[]>(SERVERS_KEPT);
  private tellOthers: Listener | undefined;
  private showHere: Listener | undefined;

  constructor(
    private readonly database: Database,
    private readonly reader: RoomReader,
    private readonly rooms: Rooms,
    private readonly identity: ServerIdentity,
  ) {}

  /** What carries to other servers, and what shows to people here. */
  connect(to: { others: Listener } | { here: Listener }): void {
    if ('others' in to) this.tellOthers = to.others;
    else this.showHere = to.here;
  }

  /** Somebody here does it, who {@link counts}. */
  tell(told: Ephemeral): void {
    this.tellOthers?.(told);
  }

  /** Somebody elsewhere does it; that it is of their server is checked before. */
  heard(told: Ephemeral): void {
    this.showHere?.(told);
  }

  /** Whether somebody is in the room, and admitted to it: of others nothing is told or shown. */
  async counts({ roomId, userId }: Ephemeral): Promise<boolean> {
    return (await this.reader.membership(roomId, userId)) === 'join' && (await this.rooms.admits(roomId, userId));
  }

  /** The other servers of a room that are admitted to it: EDUs go to each directly (LM-04 §EDUs). None when there are too many. */
  async audience(roomId: RoomId): Promise<readonly ServerName[]> {
    const known = this.servers.get(roomId);
    if (known !== undefined) return known;
    const rows = await selectRows<{ server: ServerName }>(this.database.read, SERVERS, [roomId]);
    const admitted: ServerName[] = [];
    for (const { server } of rows.length > MOST_SERVERS ? [] : rows) {
      if (server !== this.identity.serverName && (await this.rooms.allows(server, roomId))) admitted.push(server);
    }
    this.servers.set(roomId, admitted);
    return admitted;
  }
}
