import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { type BackoffPolicy, backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { PendingPduEntity, type RoomEntity, RoomGapEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { Sequence } from '../persistence/sequence.js';
import type { EventId, Pdu, RoomId } from '../protocol/index.js';
import { BadHubAnswer, algorithmsOf, isHubsFault } from './bad-hub-answer.js';
import { HubChain } from './hub-chain.js';
import type { FollowedRoom } from './hub-events.js';
import { HubHistory } from './hub-history.js';
import { Incidents } from './incidents.js';
import { MissedState } from './missed-state.js';
import { RemoteRefusal } from './remote-servers.js';
import { RoomReader } from './room-reader.js';

/** Of one room; what comes beyond it is asked for later. */
const MAX_PENDING_EVENTS = 1_000;
const MAX_PENDING_CHARACTERS = 16 * 1024 * 1024;
const RETRY: BackoffPolicy = { firstMs: 2_000, longestMs: 60_000 };
/** After so many answers without what is missing the room goes on without it: within about two minutes. */
const MAX_REFUSALS = 6;
const FAILED_RETRY_MS = 5_000;
const MAX_REASON = 500;

interface Kept {
  eventId: EventId;
  prev: EventId | undefined;
  pdu: Pdu;
}

/** PDUs behind a gap, or of a room that is being joined: kept, bounded, and applied in the order of the chain (profile §5). */
@Injectable()
export class Gaps {
  private readonly logger = new Logger('Gaps');
  readonly loops: Loops<RoomId>;

  constructor(
    leases: Leases,
    private readonly database: Database,
    private readonly reader: RoomReader,
    private readonly chain: HubChain,
    private readonly history: HubHistory,
    private readonly missed: MissedState,
    private readonly incidents: Incidents,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<RoomId>(
      leases,
      'gap',
      (roomId) => this.run(roomId),
      (roomId, error) => {
        this.logger.error({ roomId, err: error }, 'following the hub stopped; it is tried again');
        return FAILED_RETRY_MS;
      },
    );
  }

  /** Keeps PDUs that cannot be applied yet. Of too many only the newest is remembered, by its id. */
  async keep({ roomId, version }: FollowedRoom, pdus: readonly Pdu[]): Promise<void> {
    if (pdus.length === 0) return;
    await this.database.transaction(async (manager) => {
      let { events, characters } = await this.size(manager, roomId);
      for (const pdu of pdus) {
        const eventId = algorithmsOf(version).eventIdOf(pdu);
        const json = JSON.stringify(pdu);
        events += 1;
        characters += json.length;
        if (events > MAX_PENDING_EVENTS || characters > MAX_PENDING_CHARACTERS) {
          await this.open(manager, roomId);
          await manager.update(RoomGapEntity, { roomId }, { newestEventId: eventId });
          continue;
        }
        const row = { roomId, eventId, sequence: await this.sequence.next(), json };
        await manager.createQueryBuilder().insert().into(PendingPduEntity).values(row).orIgnore().execute();
      }
    });
    failpoint('participant.pending');
  }

  /** Rooms in which something is kept, or to be asked for. */
  async waiting(): Promise<RoomId[]> {
    const { read } = this.database;
    const kept = await read
      .createQueryBuilder(PendingPduEntity, 'kept')
      .select('kept.roomId', 'roomId')
      .distinct()
      .getRawMany<{ roomId: RoomId }>();
    const gaps = await read.find(RoomGapEntity, { select: { roomId: true } });
    return [...new Set([...kept, ...gaps].map(({ roomId }) => roomId))];
  }

  isWaiting(roomId: RoomId): Promise<boolean> {
    return this.database.read.existsBy(PendingPduEntity, { roomId });
  }

  of(roomId: RoomId): Promise<RoomGapEntity | null> {
    return this.database.read.findOneBy(RoomGapEntity, { roomId });
  }

  /** Asks the hub for all up to an event, and applies it. Rejects as HubHistory.upTo does, also when nothing could be applied. */
  async fetch(room: FollowedRoom, eventId: EventId): Promise<void> {
    const pdus = await this.history.upTo(room, eventId);
    if ((await this.apply(room, pdus)) === 0) {
      throw new BadHubAnswer(`what ${room.hubServer} gives does not follow what we have`);
    }
  }

  /** Applies events in their order, and keeps those that cannot be applied yet; how many could. */
  async apply(room: FollowedRoom, pdus: readonly Pdu[]): Promise<number> {
    const loose: Pdu[] = [];
    for (const pdu of pdus) {
      if ((await this.chain.append(room, pdu)).kind === 'gap') loose.push(pdu);
    }
    await this.keep(room, loose);
    return pdus.length - loose.length;
  }

  private async run(roomId: RoomId): Promise<number | undefined> {
    while (!this.loops.stopped) {
      const room = await this.reader.room(roomId);
      if (room?.standing !== 'joined') return undefined;
      const kept = await this.applyKept(room);
      const gap = await this.of(roomId);
      // Of what is still kept: one whose predecessor nobody has.
      const ids = new Set(kept.map(({ eventId }) => eventId));
      const root = kept.find(({ prev }) => prev === undefined || !ids.has(prev)) ?? kept[0];
      const missing = root === undefined ? gap?.newestEventId : root.prev;
      if (missing === null || missing === undefined) {
        await this.close(roomId);
        return undefined;
      }
      const wait = (gap?.nextAttemptAt ?? 0) - this.clock.now();
      if (wait > 0) return wait;
      try {
        await this.fetch(room, missing);
        await this.progress(roomId, root === undefined ? missing : undefined);
      } catch (error) {
        await this.notFilled(room, missing, root, error);
      }
    }
    return undefined;
  }

  /** Applies what can be, in the order of the chain; what is left. */
  private async applyKept(room: RoomEntity): Promise<Kept[]> {
    const { roomId } = room;
    for (;;) {
      const rows = await this.database.read.find(PendingPduEntity, { where: { roomId }, order: { sequence: 'ASC' } });
      const left: Kept[] = [];
      for (const { eventId, json } of rows) {
        const pdu = JSON.parse(json) as Pdu;
        const outcome = await this.chain.append(room, pdu);
        if (outcome.kind === 'gap') left.push({ eventId, prev: pdu.prev_events[0], pdu });
        else await this.forget(roomId, eventId);
      }
      if (left.length === rows.length || left.length === 0) return left;
    }
  }

  private async forget(roomId: RoomId, eventId: EventId): Promise<void> {
    await this.database.transaction((manager) => manager.delete(PendingPduEntity, { roomId, eventId }));
  }

  private async notFilled(room: RoomEntity, missing: EventId, root: Kept | undefined, error: unknown): Promise<void> {
    if (!isHubsFault(error)) throw error;
    const { roomId, hubServer: server } = room;
    const reason = error.message.slice(0, MAX_REASON);
    const gap = await this.database.transaction(async (manager) => {
      await this.open(manager, roomId);
      const { attempts, refusals } = await manager.findOneByOrFail(RoomGapEntity, { roomId });
      const next = { attempts: attempts + 1, refusals: refusals + (isAnswer(error) ? 1 : 0), reason };
      const asked = error instanceof RemoteRefusal ? error.retryAfterMs : undefined;
      const nextAttemptAt = this.clock.now() + (asked ?? backoff(RETRY, next.attempts));
      await manager.update(RoomGapEntity, { roomId }, { ...next, nextAttemptAt });
      if (isAnswer(error)) {
        const evidence = root === undefined ? {} : { evidence: { received: [root.pdu] } };
        const detail = `it does not give the room up to ${missing}: ${reason}`;
        await this.incidents.record({ kind: 'gap', server, roomId, eventId: missing, detail, ...evidence });
      }
      return next;
    });
    this.logger.warn({ roomId, server, ...gap }, 'the gap is not filled yet');
    if (gap.refusals >= MAX_REFUSALS) await this.goOn(room, missing, root);
  }

  /** The hub does not give what is missing: the room goes on without, with the state that it has now. */
  private async goOn(room: RoomEntity, missing: EventId, root: Kept | undefined): Promise<void> {
    const { roomId } = room;
    this.logger.warn({ roomId, missing }, 'the room goes on without what its hub does not give');
    if (root !== undefined) {
      await this.missed.fetch(room, root.eventId);
      await this.chain.append(room, root.pdu, true);
      await this.forget(roomId, root.eventId);
    }
    await this.progress(roomId, root === undefined ? missing : undefined);
  }

  private async open(manager: EntityManager, roomId: RoomId): Promise<void> {
    const row = { roomId, since: this.clock.now(), attempts: 0, refusals: 0, nextAttemptAt: 0 };
    await manager.createQueryBuilder().insert().into(RoomGapEntity).values(row).orIgnore().execute();
  }

  /** Something came: the next gap starts anew. `settled`: the event beyond what was kept, which need not be asked for again. */
  private async progress(roomId: RoomId, settled: EventId | undefined): Promise<void> {
    const anew = { attempts: 0, refusals: 0, nextAttemptAt: 0, reason: null };
    await this.database.transaction(async (manager) => {
      await manager.update(RoomGapEntity, { roomId }, anew);
      if (settled === undefined) return;
      await manager.update(RoomGapEntity, { roomId, newestEventId: settled }, { newestEventId: null });
    });
  }

  private async close(roomId: RoomId): Promise<void> {
    if ((await this.of(roomId)) === null) return;
    await this.database.transaction(async (manager) => {
      if (await manager.existsBy(PendingPduEntity, { roomId })) return; // kept meanwhile: its loop runs again
      await manager.delete(RoomGapEntity, { roomId });
    });
  }

  private async size(manager: EntityManager, roomId: RoomId): Promise<{ events: number; characters: number }> {
    const row = await manager
      .createQueryBuilder(PendingPduEntity, 'kept')
      .select('COUNT(*)', 'events')
      .addSelect('SUM(LENGTH(kept.json))', 'characters')
      .where('kept.roomId = :roomId', { roomId })
      .getRawOne<{ events: string | number; characters: string | number | null }>();
    return { events: Number(row?.events ?? 0), characters: Number(row?.characters ?? 0) };
  }
}

/** Whether the hub answered, and what it said does not fill the gap: asking again is not likely to. */
function isAnswer(error: unknown): error is BadHubAnswer | RemoteRefusal {
  return (
    error instanceof BadHubAnswer || (error instanceof RemoteRefusal && error.status < 500 && error.status !== 429)
  );
}
