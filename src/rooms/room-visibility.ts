import { Injectable } from '@nestjs/common';
import { Like } from 'typeorm';
import { Database } from '../persistence/database.js';
import { EventEntity } from '../persistence/entities/index.js';
import { type Pdu, type RoomId, type ServerName, mayServerSee, membershipOf, redact } from '../protocol/index.js';
import type { StoredEvent } from './room-reader.js';

/** What was so from a position on. */
interface Since<T> {
  position: number;
  value: T;
}

interface Presence {
  joined: boolean;
  invited: boolean;
}

/** What a server may see of a room (LM-04 §Event and State APIs). */
@Injectable()
export class RoomVisibility {
  constructor(private readonly database: Database) {}

  async of(roomId: RoomId, server: ServerName): Promise<ServerSight> {
    const rows = await this.database.read.find(EventEntity, {
      where: [
        { roomId, type: 'm.room.history_visibility', stateKey: '', rejected: false },
        { roomId, type: 'm.room.member', stateKey: Like(`@%:${server}`), rejected: false },
      ],
      order: { position: 'ASC' },
    });
    return new ServerSight(rows.map(({ position, json }) => ({ position, pdu: JSON.parse(json) as Pdu })));
  }
}

/** The eyes of one server in one room. */
export class ServerSight {
  private readonly rules: Since<string | undefined>[] = [];
  private readonly presence: Since<Presence>[] = [];
  private lastJoin = -1;
  private lastLeave = -1;

  /** Membership events of the server's users, and history visibility, in the order of the log. */
  constructor(events: readonly { position: number; pdu: Pdu }[]) {
    const memberships = new Map<string, string | undefined>();
    let [joined, invited] = [0, 0];
    for (const { position, pdu } of events) {
      if (pdu.type !== 'm.room.member') {
        const { history_visibility: value } = pdu.content;
        this.rules.push({ position, value: typeof value === 'string' ? value : undefined });
        continue;
      }
      const user = String(pdu.state_key);
      const [before, after] = [memberships.get(user), membershipOf(pdu)];
      const wasIn = joined > 0;
      memberships.set(user, after);
      joined += Number(after === 'join') - Number(before === 'join');
      invited += Number(after === 'invite') - Number(before === 'invite');
      if (joined > 0 && !wasIn) this.lastJoin = position;
      if (joined === 0 && wasIn) this.lastLeave = position;
      this.presence.push({ position, value: { joined: joined > 0, invited: invited > 0 } });
    }
  }

  /** Whether a user of the server ever was in the room. */
  get everJoined(): boolean {
    return this.lastJoin >= 0;
  }

  /**
   * The event as it may be served: redacted where the server may know that it happened, but not read it; undefined where it may
   * not know of it.
   */
  of({ position, pdu, rejected }: Pick<StoredEvent, 'position' | 'pdu' | 'rejected'>): Pdu | undefined {
    if (rejected) return undefined;
    const [before, after] = [this.presenceAt(position - 1), this.presenceAt(position)];
    const whole = mayServerSee({
      type: pdu.type,
      historyVisibility: valueAt(this.rules, position),
      joinedThen: before.joined || after.joined,
      invitedThen: before.invited || after.invited,
      joinedSince: this.lastJoin > position,
    });
    if (whole) return pdu;
    const inRoom = this.lastJoin > this.lastLeave;
    return this.everJoined && (inRoom || position <= this.lastLeave) ? (redact(pdu) as Pdu) : undefined;
  }

  private presenceAt(position: number): Presence {
    return valueAt(this.presence, position) ?? { joined: false, invited: false };
  }
}

/** The newest value at or below a position. */
function valueAt<T>(changes: readonly Since<T>[], position: number): T | undefined {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle]?.position ?? Infinity) <= position) low = middle + 1;
    else high = middle;
  }
  return changes[low - 1]?.value;
}
