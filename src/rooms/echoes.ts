import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { In, LessThanOrEqual } from 'typeorm';
import { type BackoffPolicy, backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { LpduOutEntity, type RoomEntity } from '../persistence/entities/index.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { type EventId, type Lpdu, type RoomId, type ServerName, completeLpdu } from '../protocol/index.js';
import { algorithmsOf, isHubsFault } from './bad-hub-answer.js';
import { Gaps } from './gaps.js';
import { HubHistory } from './hub-history.js';
import { Incidents } from './incidents.js';
import { Lpdus } from './lpdus.js';
import { stateNeededBy } from './new-event.js';
import { RemoteRefusal, RemoteServers } from './remote-servers.js';
import { RoomReader } from './room-reader.js';
import { RoomState } from './room-state.js';
import { ServerIdentity } from './server-identity.js';

const ASK_AGAIN: BackoffPolicy = { firstMs: 5_000, longestMs: 120_000 };
/** After so many questions without an answer, some eight minutes, the sender is told. */
const MAX_ASKED = 8;
/** An LPDU that the hub has lost is sent so often at most. */
const MAX_TAKEN = 2;
const FAILED_RETRY_MS = 15_000;
const LOST = 'the other company’s server took it but never published it; it may still appear';

/** Whether the hub said so much of its chain that an LPDU which is not in what we have is not in the room. */
type Certainty = 'complete' | 'unknown';

/**
 * What we sent and did not get back is asked for, not sent again blindly (profile §5, ADR 5). The draft has no question for what
 * is newer than what we know. Those that servers answer: which event a join would follow (make_join, of servers that say so);
 * backfill from the event that our LPDU has become if the hub completed it, as LM-04 says, right after our newest; and, where a
 * hub tells a server neither of its last leave nor of its removal, its state.
 */
@Injectable()
export class Echoes implements OnModuleInit {
  private readonly logger = new Logger('Echoes');
  /** Rooms whose hub refused something of ours: we may have been removed. */
  private readonly refused = new Set<RoomId>();
  readonly loops: Loops<RoomId>;

  constructor(
    leases: Leases,
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly reader: RoomReader,
    private readonly history: HubHistory,
    private readonly gaps: Gaps,
    private readonly lpdus: Lpdus,
    private readonly remote: RemoteServers,
    private readonly incidents: Incidents,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<RoomId>(
      leases,
      'echo',
      (roomId, lease) => this.run(roomId, lease),
      (roomId, error) => {
        this.logger.error({ roomId, err: error }, 'asking for what the hub took failed; it is tried again');
        return FAILED_RETRY_MS;
      },
    );
  }

  onModuleInit(): void {
    this.lpdus.onRefused((_manager, { roomId }) => {
      this.database.afterCommit(() => {
        this.refused.add(roomId);
        this.loops.start(roomId);
      });
      return Promise.resolve();
    });
  }

  /** Rooms whose hub is to be asked now. */
  async overdue(): Promise<RoomId[]> {
    const rows = await this.database.read.find(LpduOutEntity, {
      select: { roomId: true },
      where: { state: 'sent', askAt: LessThanOrEqual(this.clock.now()) },
    });
    return [...new Set([...this.refused, ...rows.map(({ roomId }) => roomId)])];
  }

  /**
   * Takes what a hub made of our LPDUs of some rooms, before they are sent once more. Whether it said so much that what has no
   * echo then was not appended. Never rejects for the hub's sake.
   */
  async readAll(hub: ServerName, roomIds: readonly RoomId[]): Promise<boolean> {
    let isComplete = true;
    for (const roomId of roomIds) {
      const room = await this.reader.room(roomId);
      if (room?.hubServer !== hub || room.standing !== 'joined') continue;
      if ((await this.ask(room, await this.missing(roomId))) === 'unknown') isComplete = false;
    }
    return isComplete;
  }

  private async run(roomId: RoomId, lease: Lease): Promise<undefined> {
    const room = await this.reader.room(roomId);
    const rows = await this.missing(roomId);
    const due = rows.filter(({ state, askAt }) => state === 'sent' && askAt <= this.clock.now());
    const wasRefused = this.refused.delete(roomId);
    if (room?.role !== 'participant' || (due.length === 0 && !wasRefused)) return;
    const isIn = room.standing === 'joined';
    const certainty = isIn && due.length > 0 ? await this.ask(room, rows) : 'unknown';
    const asksState = wasRefused || (await this.left(due)).some(({ stateKey }) => stateKey !== null);
    if (isIn && asksState) await this.quietly(room, () => this.takeState(roomId));
    if (this.loops.stopped) return;
    for (const row of await this.left(due)) {
      await lease.transaction(() => this.settle(row, certainty === 'complete' || row.overtakenAt !== null));
    }
  }

  /** LPDUs of a room without an echo, in the order in which they were signed. */
  private missing(roomId: RoomId): Promise<LpduOutEntity[]> {
    return this.database.read.find(LpduOutEntity, {
      where: { roomId, state: In(['sent', 'pending']) },
      order: { sequence: 'ASC' },
    });
  }

  private left(rows: readonly LpduOutEntity[]): Promise<LpduOutEntity[]> {
    const lpduHash = In(rows.map((row) => row.lpduHash));
    return this.database.read.find(LpduOutEntity, { where: { lpduHash, state: 'sent' }, order: { sequence: 'ASC' } });
  }

  private async ask(room: RoomEntity, rows: readonly LpduOutEntity[]): Promise<Certainty> {
    let certainty: Certainty = 'unknown';
    await this.quietly(room, async () => {
      const newest = await this.newest(room);
      if (newest !== undefined) {
        if ((await this.reader.event(newest)) === undefined) await this.gaps.fetch(room, newest);
        if ((await this.reader.event(newest)) !== undefined) certainty = 'complete';
        return;
      }
      for (const { json } of rows) await this.fetchGuess(room, JSON.parse(json) as Lpdu);
    });
    return certainty;
  }

  private async quietly({ roomId }: RoomEntity, question: () => Promise<void>): Promise<void> {
    try {
      await question();
    } catch (error) {
      if (!isHubsFault(error)) throw error;
      this.logger.debug({ roomId, reason: error.message }, 'the hub does not say what it made of our events');
    }
  }

  /** The hub's newest event, from the template of a join: that of a user who is in the room already changes nothing. */
  private async newest({ hubServer, roomId }: RoomEntity): Promise<EventId | undefined> {
    const [user] = await this.reader.joinedUsers(roomId, this.identity.serverName);
    if (user === undefined) return undefined;
    try {
      return (await this.remote.makeMember('join', hubServer, roomId, user)).headEventId;
    } catch (error) {
      if (error instanceof RemoteRefusal && error.status < 500 && error.status !== 429) return undefined;
      throw error;
    }
  }

  private async fetchGuess({ roomId }: RoomEntity, lpdu: Lpdu): Promise<void> {
    const room = await this.reader.room(roomId);
    if (room?.headEventId == null) return;
    const algorithms = algorithmsOf(room.version);
    const state = RoomState.empty(roomId, room.headEventId);
    await state.load(this.database.read, stateNeededBy(lpdu));
    const fields = { auth_events: algorithms.selectAuthEvents(lpdu, state), prev_events: [room.headEventId] };
    // An event id does not cover signatures: ours stands for the hub's.
    const guess = algorithms.eventIdOf(completeLpdu(lpdu, fields, this.identity.serverName, this.identity.signingKey));
    if ((await this.reader.event(guess)) === undefined) await this.gaps.fetch(room, guess);
  }

  private async takeState(roomId: RoomId): Promise<void> {
    const room = await this.reader.room(roomId);
    if (room?.headEventId == null) return;
    await this.gaps.apply(room, await this.history.newState(room, room.headEventId));
    this.gaps.loops.start(roomId);
  }

  /** The echo of an LPDU is not there: the hub is asked again later, gets it again, or its sender is told. */
  private async settle({ lpduHash }: LpduOutEntity, isLost: boolean): Promise<void> {
    await this.database.transaction(async (manager) => {
      const row = await manager.findOneBy(LpduOutEntity, { lpduHash, state: 'sent' });
      if (row === null) return; // the echo has come meanwhile
      const asked = row.asked + 1;
      if (!isLost && asked < MAX_ASKED) {
        const askAt = this.clock.now() + backoff(ASK_AGAIN, asked + 1);
        await manager.update(LpduOutEntity, { lpduHash }, { asked, askAt });
        return;
      }
      const { hubServer: server, roomId, referenceId: eventId } = row;
      await this.incidents.record({
        kind: 'omitted',
        server,
        roomId,
        eventId,
        detail: `it took an LPDU of ours with 200 and did not append it${isLost ? '' : ', as far as we can see'}`,
        evidence: { received: [], known: [JSON.parse(row.json) as Lpdu] },
      });
      if (isLost && row.taken < MAX_TAKEN) await this.lpdus.sendAgain(manager, row);
      else await this.lpdus.noteRefused(manager, lpduHash, LOST);
    });
  }
}
