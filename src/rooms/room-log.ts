import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { RoomEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { unavailabilityOf } from '../persistence/unavailability.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { EventId, Pdu, RoomId } from '../protocol/index.js';
import {
  type AppendedEvent,
  type EventRow,
  insertEvents,
  knownEvents,
  moveDestinations,
  readRoom,
  swapHead,
  writeState,
} from './room-rows.js';
import { RoomState, type StateKey } from './room-state.js';
import { RoomStates } from './room-states.js';

export type { AppendedEvent };

/** Why an event is not appended. `rule`: the rule of LM-04 §Auth Rules, or a word of ours. */
export interface Refusal {
  rule: string;
  reason: string;
}

export type Verdict =
  /** `rejected`: only to hold its place in the hub's chain. */
  | { kind: 'append'; eventId: EventId; pdu: Pdu; rejected?: Refusal }
  | { kind: 'refuse'; refusal: Refusal }
  /** The event before it is not known here. */
  | { kind: 'gap' };

export type Outcome =
  | { kind: 'appended'; event: AppendedEvent }
  | { kind: 'known'; eventId: EventId; position: number }
  | { kind: 'refused'; refusal: Refusal }
  | { kind: 'gap' };

/** What a decision may look at: the log's head and the state before the event. */
export interface LogView {
  room: RoomEntity;
  headEventId: EventId | null;
  state: RoomState;
  /** Whether one of the job's `refersTo` is in the log. */
  knows(eventId: EventId): boolean;
  /** The event in the log that is made of the job's `lpduHash`. */
  madeOf(lpduHash: string): EventId | undefined;
}

export interface AppendJob {
  /** By what a repetition is recognised. */
  identity?: { lpduHash: string } | { eventId: EventId };
  /** State that `decide` looks at. */
  needs: readonly StateKey[];
  refersTo?: readonly EventId[];
  /** The LPDU of which the event is made, where a second event of it is to be noticed. */
  lpduHash?: string;
  /** Decides without waiting for anything: it runs in the room's turn, and again when the turn has to be repeated. */
  decide(view: LogView): Verdict;
  /** Writes that must be committed with the event, or not at all. */
  settle?(manager: EntityManager, outcome: Outcome): Promise<void>;
}

/** Writes of another part that belong into the transaction of an append (profile §5: an echo completes its LPDU). */
export type AppendListener = (manager: EntityManager, events: readonly AppendedEvent[]) => Promise<void>;

/** Another process appended first. */
class HeadMoved extends Error {}

interface QueuedJob {
  job: AppendJob;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

const MAX_GROUP = 100;
const MAX_REBASES = 100;

export class UnknownRoom extends Error {
  constructor(readonly roomId: RoomId) {
    super(`unknown room ${roomId}`);
  }
}

/**
 * The only place where events enter a room. A room's appends take turns in this process, in groups: what queued while the
 * last group was committed goes into the next one. Between processes the head is compared and swapped.
 */
@Injectable()
export class RoomLog {
  private readonly queues = new Map<RoomId, QueuedJob[]>();
  private readonly listeners: AppendListener[] = [];

  constructor(
    private readonly database: Database,
    private readonly states: RoomStates,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  onAppend(listener: AppendListener): void {
    this.listeners.push(listener);
  }

  /** Resolves once the outcome is committed. Rejects with UnknownRoom, or when the database failed (nothing is appended then). */
  append(roomId: RoomId, job: AppendJob): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const queue = this.queues.get(roomId);
      if (queue !== undefined) {
        queue.push({ job, resolve, reject });
        return;
      }
      const started = [{ job, resolve, reject }];
      this.queues.set(roomId, started);
      void this.drain(roomId, started);
    });
  }

  /** Makes the room with its first events, all or nothing: rejects when one of them is refused. */
  async create(room: RoomEntity, jobs: readonly AppendJob[]): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.insert(RoomEntity, room);
      for (const outcome of await this.commit(manager, room.roomId, jobs)) {
        if (outcome.kind !== 'appended') throw new Error(`the room could not be made: ${JSON.stringify(outcome)}`);
      }
    });
  }

  private async drain(roomId: RoomId, queue: QueuedJob[]): Promise<void> {
    while (queue.length > 0) {
      const group = queue.splice(0, MAX_GROUP);
      try {
        const outcomes = await this.commitGroup(
          roomId,
          group.map(({ job }) => job),
        );
        group.forEach(({ resolve }, index) => {
          const outcome = outcomes[index];
          if (outcome !== undefined) resolve(outcome);
        });
      } catch (error) {
        if (isOfNoJob(error)) rejectAll([...group, ...queue.splice(0)], error);
        else if (group.length === 1) rejectAll(group, error);
        else await this.eachAlone(roomId, group, queue);
      }
    }
    this.queues.delete(roomId);
  }

  /** One job's failure must not fail its neighbours. */
  private async eachAlone(roomId: RoomId, group: QueuedJob[], queue: QueuedJob[]): Promise<void> {
    for (const [index, { job, resolve, reject }] of group.entries()) {
      try {
        const [outcome] = await this.commitGroup(roomId, [job]);
        if (outcome !== undefined) resolve(outcome);
      } catch (error) {
        if (isOfNoJob(error)) {
          rejectAll([...group.slice(index), ...queue.splice(0)], error);
          return;
        }
        reject(error);
      }
    }
  }

  private async commitGroup(roomId: RoomId, jobs: readonly AppendJob[]): Promise<Outcome[]> {
    for (let rebases = 0; ; rebases++) {
      try {
        return await this.database.transaction((manager) => this.commit(manager, roomId, jobs));
      } catch (error) {
        if (!(error instanceof HeadMoved) || rebases >= MAX_REBASES) throw error;
      }
    }
  }

  private async commit(manager: EntityManager, roomId: RoomId, jobs: readonly AppendJob[]): Promise<Outcome[]> {
    const room = await this.locked(manager, roomId);
    if (room === null) throw new UnknownRoom(roomId);
    const known = await this.known(manager, roomId, jobs);
    const state = this.states.of(room).draft();
    await state.load(
      manager,
      jobs.flatMap((job) => job.needs),
    );

    const appended: AppendedEvent[] = [];
    let headEventId = room.headEventId;
    const outcomes = jobs.map((job): Outcome => {
      const before = job.identity && known.find(job.identity);
      if (before) return { kind: 'known', ...before };
      const verdict = job.decide({
        room,
        headEventId,
        state,
        knows: (id) => known.find({ eventId: id }) !== undefined,
        madeOf: (lpduHash) => known.find({ lpduHash })?.eventId,
      });
      if (verdict.kind === 'gap') return verdict;
      if (verdict.kind === 'refuse') return { kind: 'refused', refusal: verdict.refusal };
      const { pdu, eventId, rejected } = verdict;
      const position = room.headPosition + appended.length + 1;
      const event = {
        roomId,
        position,
        eventId,
        pdu,
        lpduHash: pdu.hashes.lpdu?.sha256 ?? null,
        rejected: rejected !== undefined,
      };
      appended.push(event);
      known.add(event);
      headEventId = eventId;
      if (rejected !== undefined) return { kind: 'refused', refusal: rejected };
      if (pdu.state_key !== undefined) state.set(pdu.type, pdu.state_key, { eventId, position, event: pdu });
      return { kind: 'appended', event };
    });

    if (appended.length > 0) {
      await this.write(manager, room, appended);
      failpoint('log.written');
      const next = state.at(headEventId);
      this.database.afterCommit(() => {
        failpoint('log.committed');
        this.states.remember(next);
      });
    }
    for (const [index, job] of jobs.entries()) {
      const outcome = outcomes[index];
      if (outcome !== undefined) await job.settle?.(manager, outcome);
    }
    return outcomes;
  }

  /** Other processes wait here for their turn, instead of deciding what they would have to decide again (docs/adr/0008). */
  private locked(manager: EntityManager, roomId: RoomId): Promise<RoomEntity | null> {
    return readRoom(manager, roomId, this.database.engine === 'postgres' ? 'FOR UPDATE' : '');
  }

  private async known(manager: EntityManager, roomId: RoomId, jobs: readonly AppendJob[]): Promise<KnownEvents> {
    const known = new KnownEvents();
    const lpduHashes = jobs.flatMap(({ identity, lpduHash }) => [
      ...(identity && 'lpduHash' in identity ? [identity.lpduHash] : []),
      ...(lpduHash === undefined ? [] : [lpduHash]),
    ]);
    const eventIds = jobs.flatMap(({ identity, refersTo }) => [
      ...(identity && 'eventId' in identity ? [identity.eventId] : []),
      ...(refersTo ?? []),
    ]);
    known.add(...(await knownEvents(manager, roomId, { lpduHashes, eventIds })));
    return known;
  }

  private async write(manager: EntityManager, room: RoomEntity, appended: readonly AppendedEvent[]): Promise<void> {
    const last = appended.at(-1);
    if (last === undefined) return;
    if (!(await swapHead(manager, room, last))) throw new HeadMoved();
    await insertEvents(manager, appended, this.clock.now());
    await writeState(manager, appended);
    if (room.role === 'hub') await moveDestinations(manager, room, appended);
    await this.announce(manager, room.roomId, appended);
  }

  /** Tells the other parts, in the transaction, and the cursors, after it. */
  async announce(manager: EntityManager, roomId: RoomId, appended: readonly AppendedEvent[]): Promise<void> {
    for (const listener of this.listeners) await listener(manager, appended);
    this.wakeups.wake('room', roomId);
  }
}

/**
 * A failure that says nothing about what was to be appended. What came behind it must not be appended either: it is repeated with
 * it, and would have overtaken it.
 */
const isOfNoJob = (error: unknown): boolean => error instanceof HeadMoved || unavailabilityOf(error) !== undefined;

function rejectAll(jobs: readonly QueuedJob[], error: unknown): void {
  for (const { reject } of jobs) reject(error);
}

class KnownEvents {
  private readonly byId = new Map<string, { eventId: EventId; position: number }>();
  private readonly byLpdu = new Map<string, { eventId: EventId; position: number }>();

  add(...events: EventRow[]): void {
    for (const { eventId, position, lpduHash } of events) {
      this.byId.set(eventId, { eventId, position });
      const first = lpduHash === null ? undefined : this.byLpdu.get(lpduHash);
      if (lpduHash !== null && (first === undefined || first.position > position)) {
        this.byLpdu.set(lpduHash, { eventId, position });
      }
    }
  }

  find(identity: { lpduHash: string } | { eventId: EventId }): { eventId: EventId; position: number } | undefined {
    return 'lpduHash' in identity ? this.byLpdu.get(identity.lpduHash) : this.byId.get(identity.eventId);
  }
}
