import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { EventEntity } from '../persistence/entities/index.js';
import type { EventId, JsonObject, Pdu } from '../protocol/index.js';
import { algorithmsOf } from './bad-hub-answer.js';
import type { FollowedRoom } from './hub-events.js';
import { type IncidentKind, Incidents } from './incidents.js';
import { stateNeededBy } from './new-event.js';
import { type AppendJob, type Outcome, RoomLog, type Verdict } from './room-log.js';
import { RoomReader } from './room-reader.js';

interface Observation {
  kind: IncidentKind;
  detail: string;
  /** An event of ours that the observed one contradicts. */
  known?: EventId;
}

/** Called once a second event after the same one (`prev`) is in the log. */
export type ForkListener = (room: FollowedRoom, fork: Pdu, prev: EventId) => void;

/** What the hub appended, we append: after the event that it names, or (a fork, recorded) in the order of arrival. */
@Injectable()
export class HubChain {
  private readonly forkListeners: ForkListener[] = [];

  constructor(
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly incidents: Incidents,
  ) {}

  onFork(listener: ForkListener): void {
    this.forkListeners.push(listener);
  }

  /** `overGap`: although the event before it is not known, and will not be. */
  async append(room: FollowedRoom, pdu: Pdu, overGap = false): Promise<Outcome> {
    const observed: Observation[] = [];
    const job = this.jobFor(room, pdu, overGap, observed);
    const outcome = await this.log.append(room.roomId, {
      ...job,
      settle: async (manager) => {
        for (const each of observed) await this.record(manager, room, pdu, each);
      },
    });
    const fork = observed.find(({ kind }) => kind === 'fork');
    if (fork?.known !== undefined) for (const listener of this.forkListeners) listener(room, pdu, fork.known);
    return outcome;
  }

  private jobFor(room: FollowedRoom, pdu: Pdu, overGap: boolean, observed: Observation[]): AppendJob {
    const algorithms = algorithmsOf(room.version);
    const eventId = algorithms.eventIdOf(pdu);
    const lpduHash = pdu.hashes.lpdu?.sha256;
    const [prev] = pdu.prev_events;
    const reject = (kind: IncidentKind, rule: string, reason: string, known?: EventId): Verdict => {
      observed.push({ kind, detail: `${rule}: ${reason}`, ...(known === undefined ? {} : { known }) });
      return { kind: 'append', eventId, pdu, rejected: { rule, reason } };
    };
    return {
      identity: { eventId },
      refersTo: prev === undefined ? [] : [prev],
      ...(lpduHash === undefined ? {} : { lpduHash }),
      needs: stateNeededBy(pdu),
      decide: (view) => {
        const { headEventId, state } = view;
        observed.length = 0; // the turn may be repeated
        if (prev === undefined) {
          const refusal = { rule: 'prev_events', reason: `${pdu.type} has no previous event` };
          observed.push({ kind: 'forbidden', detail: refusal.reason });
          return { kind: 'refuse', refusal };
        }
        const follows = prev === headEventId;
        if (!follows && !view.knows(prev) && !overGap) return { kind: 'gap' };
        if (!follows && view.knows(prev)) {
          observed.push({ kind: 'fork', detail: `it follows ${prev}, which another event follows`, known: prev });
        }
        const twin = lpduHash === undefined ? undefined : view.madeOf(lpduHash);
        if (twin !== undefined)
          return reject('replayed', 'replay', `its LPDU is in the room already, as ${twin}`, twin);
        const verdict = algorithms.checkAuthRules(pdu, { state, lenient: true });
        if (!verdict.allowed) return reject('forbidden', verdict.rule, verdict.reason);
        if (verdict.dissent)
          observed.push({ kind: 'dissent', detail: `${verdict.dissent.rule}: ${verdict.dissent.reason}` });
        // Rule 4 would reject it; the draft doubts that, and nothing here depends on what an event says of its state.
        if (!areSame(pdu.auth_events, algorithms.selectAuthEvents(pdu, state)))
          observed.push({ kind: 'dissent', detail: '4: its auth_events are not the state that the draft selects' });
        return { kind: 'append', eventId, pdu };
      },
    };
  }

  private async record(
    manager: EntityManager,
    { roomId, hubServer: server, version }: FollowedRoom,
    pdu: Pdu,
    { kind, detail, known }: Observation,
  ): Promise<void> {
    const eventId = algorithmsOf(version).eventIdOf(pdu);
    const other = known === undefined ? undefined : await this.contradicted(manager, kind, known);
    const evidence = { received: [pdu], ...(other === undefined ? {} : { known: [other] }) };
    await this.incidents.record({ kind, server, roomId, eventId, detail, evidence });
  }

  /** The first event made of the same LPDU; of a fork the event that we know to follow the same one. */
  private async contradicted(
    manager: EntityManager,
    kind: IncidentKind,
    known: EventId,
  ): Promise<JsonObject | undefined> {
    const row = await manager.findOneBy(EventEntity, { eventId: known });
    if (row === null) return undefined;
    if (kind !== 'fork') return JSON.parse(row.json) as JsonObject;
    const [next] = await this.reader.eventsAfter(row.roomId, row.position, 1);
    return next?.pdu;
  }
}

function areSame(ids: readonly EventId[], others: readonly EventId[]): boolean {
  const set = new Set(ids);
  return ids.length === others.length && others.every((id) => set.has(id));
}
