import { Injectable, Logger } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { LpduOutEntity, PendingPduEntity, RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { Sequence } from '../persistence/sequence.js';
import { Wakeups } from '../persistence/wakeups.js';
import {
  DEFAULT_ROOM_VERSION,
  type EventId,
  type JsonDefects,
  type JsonValue,
  type Lpdu,
  type ParsedJson,
  type Pdu,
  type RoomId,
  type ServerName,
  type UserId,
  buildLpdu,
  isJsonObject,
  roomVersion,
} from '../protocol/index.js';
import { Incidents } from './incidents.js';
import { type NewEvent, stateNeededBy, templateOf } from './new-event.js';
import { PduVerifier } from './pdu-verifier.js';
import { RemoteServers } from './remote-servers.js';
import {
  type AppendJob,
  type AppendedEvent,
  type Outcome,
  type Refusal,
  RoomLog,
  insertEvents,
  writeState,
} from './room-log.js';
import { RoomReader } from './room-reader.js';
import { ServerIdentity } from './server-identity.js';

const BACKFILL_PAGE = 100;
/** A gap longer than this is filled in several rounds. */
const MAX_GAP_EVENTS = 5_000;

/** An LPDU that is committed and will be sent. */
export interface Submitted {
  lpduHash: string;
}

export type RefusalListener = (
  manager: EntityManager,
  refused: { lpduHash: string; roomId: RoomId; reason: string },
) => Promise<void>;

/** The hub's answer does not hold what it must; nothing of it was kept. */
export class BadHubAnswer extends Error {}

/** A participant's part of a room: it sends LPDUs, and follows the log that the hub sends (LM-04 §Linearized PDU). */
@Injectable()
export class Participant {
  private readonly logger = new Logger('Participant');
  private readonly refusalListeners: RefusalListener[] = [];
  /** Per room the first event after which its hub was seen to fork. */
  private readonly forks = new Map<RoomId, EventId>();

  constructor(
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly verifier: PduVerifier,
    private readonly remote: RemoteServers,
    private readonly incidents: Incidents,
    private readonly wakeups: Wakeups,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  /** Signs an event of one of our users and queues it for the hub; `settle` is committed with it. */
  async submit(
    room: RoomEntity,
    event: NewEvent,
    settle?: (manager: EntityManager, submitted: Submitted) => Promise<void>,
  ): Promise<Submitted> {
    const lpdu = this.lpduFor(room.hubServer, event);
    const algorithms = algorithmsOf(room.version);
    const whole = algorithms.parseLpdu(lpdu);
    if (!whole.ok) throw new EventTooLarge(whole.error.reason);
    const lpduHash = lpdu.hashes.lpdu.sha256;
    await this.database.transaction(async (manager) => {
      await manager.insert(LpduOutEntity, {
        lpduHash,
        roomId: room.roomId,
        hubServer: room.hubServer,
        referenceId: algorithms.eventIdOf(lpdu),
        type: event.type,
        stateKey: event.stateKey ?? null,
        sequence: await this.sequence.next(),
        state: 'pending',
        json: JSON.stringify(lpdu),
        refusal: null,
        createdAt: this.clock.now(),
      });
      await settle?.(manager, { lpduHash });
      this.wakeups.wake('destination', room.hubServer);
    });
    return { lpduHash };
  }

  /** Why the hub would refuse an event, by the state that we know; undefined when it would not. */
  async refusalOf(room: RoomEntity, event: NewEvent): Promise<Refusal | undefined> {
    const template = templateOf(event, this.clock.now());
    let refusal: Refusal | undefined;
    await this.log.append(room.roomId, {
      needs: stateNeededBy(template),
      decide: ({ headEventId, state }) => {
        const prevEvents = headEventId === null ? [] : [headEventId];
        const verdict = algorithmsOf(room.version).checkAuthRules({ ...template, prev_events: prevEvents }, { state });
        refusal = verdict.allowed ? undefined : { rule: verdict.rule, reason: verdict.reason };
        return { kind: 'refuse', refusal: { rule: 'preview', reason: 'a preview is not appended' } };
      },
    });
    return refusal;
  }

  onRefused(listener: RefusalListener): void {
    this.refusalListeners.push(listener);
  }

  /** LPDUs that the hub took: their echoes will complete them. Those that are completed already have no row any more. */
  async noteSent(manager: EntityManager, lpduHashes: readonly string[]): Promise<void> {
    await manager.update(LpduOutEntity, { lpduHash: In([...lpduHashes]), state: 'pending' }, { state: 'sent' });
  }

  /** An LPDU that the hub will never append. Whoever sent it learns of it in the same transaction. */
  async noteRefused(manager: EntityManager, lpduHash: string, reason: string): Promise<void> {
    const row = await manager.findOneBy(LpduOutEntity, { lpduHash });
    if (row === null || row.state === 'refused') return;
    await manager.update(LpduOutEntity, { lpduHash }, { state: 'refused', refusal: reason });
    for (const listener of this.refusalListeners) await listener(manager, { lpduHash, roomId: row.roomId, reason });
  }

  /** Rooms whose hub forked since this was last asked, and from where on. */
  takeForks(): [RoomId, EventId][] {
    const forks = [...this.forks];
    this.forks.clear();
    return forks;
  }

  /** Whether a membership change of a user is on its way to the hub. */
  hasPendingMembership(roomId: RoomId, userId: UserId): Promise<boolean> {
    return this.database.read.existsBy(LpduOutEntity, [
      { roomId, type: 'm.room.member', stateKey: userId, state: 'pending' },
      { roomId, type: 'm.room.member', stateKey: userId, state: 'sent' },
    ]);
  }

  lpduFor(hub: ServerName, event: NewEvent): Lpdu {
    return buildLpdu(templateOf(event, this.clock.now()), hub, this.identity.serverName, this.identity.signingKey);
  }

  /**
   * Joins a room by the handshake with its hub (LM-04 §Joins). PDUs that the hub pushes before it has answered are kept and
   * applied afterwards (profile §5). Rejects with RemoteRefusal, RemoteUnavailable or BadHubAnswer.
   */
  async join(roomId: RoomId, hub: ServerName, event: NewEvent): Promise<void> {
    // Some hubs name no version; m.room.create is checked against it below.
    const { roomVersion: version = DEFAULT_ROOM_VERSION } = await this.remote.makeMember(
      'join',
      hub,
      roomId,
      event.sender,
    );
    await this.beginJoin(roomId, hub, version);
    const lpdu = this.lpduFor(hub, event);
    const reference = algorithmsOf(version).eventIdOf(lpdu);
    const answer = await this.remote.sendMember('join', hub, lpdu, reference);
    failpoint('participant.join-answered');
    const body = isJsonObject(answer.value) ? answer.value : {};
    const [join] = await this.accept(version, hub, [body.event ?? null], answer.defects);
    const snapshot = await this.accept(version, hub, Array.isArray(body.state) ? body.state : [], answer.defects);
    if (join?.hashes.lpdu?.sha256 !== lpdu.hashes.lpdu.sha256) throw new BadHubAnswer('the join event is not ours');
    if (snapshot.some((pdu) => pdu.room_id !== roomId)) throw new BadHubAnswer('state of another room');
    const create = snapshot.find((pdu) => pdu.type === 'm.room.create');
    if (create === undefined || algorithmsOf(version).hubOf(create) !== hub) {
      throw new BadHubAnswer(`${hub} is not the hub by the m.room.create event`);
    }
    if (create.content.room_version !== version) throw new BadHubAnswer('the room has another version');
    await this.enter(roomId, version, snapshot, join);
    await this.applyPending(roomId);
  }

  /**
   * Takes PDUs of one room that its hub sent, in their order. Per PDU what is wrong with it, if anything (LM-04 §send). What
   * cannot be applied yet (a join under way, a gap) is kept.
   */
  async receive(room: RoomEntity, origin: ServerName, pdus: readonly Pdu[]): Promise<(string | undefined)[]> {
    if (origin !== room.hubServer) return pdus.map(() => `${origin} is not the hub of the room`);
    const faults = await this.verifier.pduFaults(pdus);
    const answers: (string | undefined)[] = pdus.map(() => undefined);
    const jobs: Promise<void>[] = [];
    for (const [index, pdu] of pdus.entries()) {
      const fault = faults[index];
      if (fault?.kind === 'bad_signature') {
        await this.incident(room, pdu, 'bad_signature', fault.reason);
        answers[index] = fault.reason;
        continue;
      }
      if (fault?.kind === 'bad_hash') await this.incident(room, pdu, 'bad_hash', fault.reason);
      // LM-04 §Receiving Events, step 3: what does not match its hash is kept redacted.
      const kept = fault === undefined ? pdu : (algorithmsOf(room.version).redact(pdu) as Pdu);
      if (room.standing === 'joining') {
        await this.keep(room.roomId, kept);
        continue;
      }
      jobs.push(
        this.apply(room, kept).then(async (outcome) => {
          if (outcome.kind === 'gap') await this.keep(room.roomId, kept);
          if (outcome.kind === 'refused') answers[index] = outcome.refusal.reason;
        }),
      );
    }
    await Promise.all(jobs);
    failpoint('participant.pending');
    if (await this.database.read.existsBy(PendingPduEntity, { roomId: room.roomId })) {
      await this.applyPending(room.roomId).catch((error: unknown) => {
        this.logger.warn({ roomId: room.roomId, err: error }, 'the gap is not filled yet');
      });
    }
    return answers;
  }

  /** Applies what was kept: in the order of the chain, asking the hub for what is missing. */
  async applyPending(roomId: RoomId): Promise<void> {
    for (;;) {
      const room = await this.reader.room(roomId);
      if (room?.standing !== 'joined') return;
      const kept = await this.database.read.find(PendingPduEntity, { where: { roomId }, order: { sequence: 'ASC' } });
      if (kept.length === 0) return;
      let progress = false;
      for (const row of kept) {
        const outcome = await this.apply(room, JSON.parse(row.json) as Pdu);
        if (outcome.kind === 'gap') continue;
        progress = true;
        await this.database.transaction((manager) =>
          manager.delete(PendingPduEntity, { roomId, eventId: row.eventId }),
        );
      }
      const first = kept[0];
      if (!progress && first !== undefined) await this.fillGap(room, JSON.parse(first.json) as Pdu);
    }
  }

  /** Rooms that have kept PDUs, for the repair that runs now and then. */
  async roomsWithPending(): Promise<RoomId[]> {
    const rows = await this.database.read.find(PendingPduEntity, { select: { roomId: true } });
    return [...new Set(rows.map(({ roomId }) => roomId))];
  }

  private async beginJoin(roomId: RoomId, hub: ServerName, version: string | undefined): Promise<void> {
    const known = algorithmsOf(version);
    await this.database.transaction(async (manager) => {
      const room = await manager.findOneBy(RoomEntity, { roomId });
      if (room === null) {
        await manager.insert(RoomEntity, {
          roomId,
          version: known.id,
          role: 'participant',
          hubServer: hub,
          standing: 'joining',
          headPosition: -1,
          headEventId: null,
          createdAt: this.clock.now(),
        });
      } else if (room.standing !== 'joined') {
        await manager.update(RoomEntity, { roomId }, { standing: 'joining', hubServer: hub });
      }
    });
  }

  /** Events of an answer, verified; what does not verify fails the whole answer. */
  private async accept(
    version: string | undefined,
    hub: ServerName,
    values: readonly JsonValue[],
    defects: JsonDefects,
  ): Promise<Pdu[]> {
    const pdus = values.map((value) => {
      const pdu = algorithmsOf(version).parsePdu(value, defects);
      if (!pdu.ok) throw new BadHubAnswer(`${hub} sent an event that is none: ${pdu.error.reason}`);
      return pdu.value;
    });
    const faults = await this.verifier.pduFaults(pdus);
    return pdus.map((pdu, index) => {
      const fault = faults[index];
      if (fault?.kind === 'bad_signature')
        throw new BadHubAnswer(`${hub} sent an event that does not verify: ${fault.reason}`);
      return fault === undefined ? pdu : (algorithmsOf(version).redact(pdu) as Pdu);
    });
  }

  /** Writes the state before our join and the join itself, and is in the room. */
  private async enter(roomId: RoomId, version: string | undefined, snapshot: readonly Pdu[], join: Pdu): Promise<void> {
    const algorithms = algorithmsOf(version);
    await this.database.transaction(async (manager) => {
      const room = await manager.findOneByOrFail(RoomEntity, { roomId });
      if (room.standing === 'joined') return; // another of our users was faster; the join comes by the log
      const known = new Map<EventId, number>();
      for (const pdu of [...snapshot, join]) {
        const before = await this.reader.event(algorithms.eventIdOf(pdu));
        if (before !== undefined) known.set(before.eventId, before.position);
      }
      let position = room.headPosition;
      const place = (pdu: Pdu): AppendedEvent => {
        const eventId = algorithms.eventIdOf(pdu);
        return {
          roomId,
          eventId,
          pdu,
          position: known.get(eventId) ?? ++position,
          lpduHash: pdu.hashes.lpdu?.sha256 ?? null,
          rejected: false,
        };
      };
      const isNew = ({ eventId }: AppendedEvent): boolean => !known.has(eventId);
      // An event that the hub names twice is one event.
      const named = new Map(snapshot.map((pdu) => [algorithms.eventIdOf(pdu), pdu]));
      const state = [...named.values()].filter((pdu) => pdu.state_key !== undefined).map(place);
      const joined = place(join);
      await insertEvents(manager, state.filter(isNew), this.clock.now(), true);
      await insertEvents(manager, [joined].filter(isNew), this.clock.now());
      await manager.delete(RoomStateEntity, { roomId });
      await writeState(manager, [...state, joined]);
      await manager.update(
        RoomEntity,
        { roomId },
        { standing: 'joined', headPosition: position, headEventId: joined.eventId },
      );
      await this.log.announce(manager, roomId, [joined]);
    });
  }

  private apply(room: RoomEntity, pdu: Pdu): Promise<Outcome> {
    return this.log.append(room.roomId, this.followJob(room, pdu));
  }

  /** What the hub appended, we append: after the event it names, or (a fork, recorded) in the order of arrival. */
  private followJob(room: RoomEntity, pdu: Pdu): AppendJob {
    const algorithms = algorithmsOf(room.version);
    const eventId = algorithms.eventIdOf(pdu);
    const [prev] = pdu.prev_events;
    const observed: { kind: 'fork' | 'dissent' | 'forbidden'; detail: string }[] = [];
    return {
      identity: { eventId },
      refersTo: prev === undefined ? [] : [prev],
      needs: stateNeededBy(pdu),
      decide: (view) => {
        const { headEventId, state } = view;
        observed.length = 0;
        if (prev === undefined) {
          const refusal = { rule: 'prev_events', reason: `${pdu.type} has no previous event` };
          observed.push({ kind: 'forbidden', detail: refusal.reason });
          return { kind: 'refuse', refusal };
        }
        if (prev !== headEventId && !view.knows(prev)) return { kind: 'gap' };
        if (prev !== headEventId)
          observed.push({ kind: 'fork', detail: `${eventId} follows ${prev}, not ${String(headEventId)}` });
        const verdict = algorithms.checkAuthRules(pdu, { state, lenient: true });
        if (!verdict.allowed) {
          const rejected = { rule: verdict.rule, reason: verdict.reason };
          observed.push({ kind: 'forbidden', detail: `${rejected.rule}: ${rejected.reason}` });
          return { kind: 'append', eventId, pdu, rejected };
        }
        if (verdict.dissent)
          observed.push({ kind: 'dissent', detail: `${verdict.dissent.rule}: ${verdict.dissent.reason}` });
        return { kind: 'append', eventId, pdu };
      },
      settle: async () => {
        const forked = prev !== undefined && observed.some(({ kind }) => kind === 'fork');
        if (forked && !this.forks.has(room.roomId)) this.forks.set(room.roomId, prev);
        for (const { kind, detail } of observed) await this.incident(room, pdu, kind, detail);
      },
    };
  }

  /** Asks the hub for what lies between our head and an event, and keeps it. Rejects when that brought nothing new. */
  private async fillGap(room: RoomEntity, pdu: Pdu): Promise<void> {
    let from = pdu.prev_events[0];
    let fetched = 0;
    while (from !== undefined && fetched < MAX_GAP_EVENTS) {
      const pdus = await this.history(room, from);
      const unknown = await this.unknownOf(room, pdus);
      if (unknown.length === 0) break;
      for (const each of unknown) await this.keep(room.roomId, each);
      fetched += unknown.length;
      const reachedUs = unknown.length < pdus.length;
      from = reachedUs ? undefined : unknown[0]?.prev_events[0];
    }
    if (fetched === 0) throw new BadHubAnswer(`${room.hubServer} does not give the events before ${pdu.type}`);
  }

  /** A page of the hub's log up to and including an event: verified, oldest first. */
  async history(room: RoomEntity, upTo: EventId): Promise<Pdu[]> {
    const answer = await this.remote.backfill(room.hubServer, room.roomId, upTo, BACKFILL_PAGE);
    const pdus = await this.eventsOf(room, answer);
    const [first] = pdus;
    const newestFirst = first !== undefined && algorithmsOf(room.version).eventIdOf(first) === upTo;
    return newestFirst ? pdus.reverse() : pdus;
  }

  /** The hub's state events, as it gives them; verified. */
  async hubState(room: RoomEntity, at: EventId): Promise<Pdu[]> {
    return this.eventsOf(room, await this.remote.state(room.hubServer, room.roomId, at));
  }

  /** Those that are not in our log. */
  async unknownOf(room: RoomEntity, pdus: readonly Pdu[]): Promise<Pdu[]> {
    const unknown: Pdu[] = [];
    for (const pdu of pdus) {
      if ((await this.reader.event(algorithmsOf(room.version).eventIdOf(pdu))) === undefined) unknown.push(pdu);
    }
    return unknown;
  }

  private async eventsOf(room: RoomEntity, { value, defects }: ParsedJson): Promise<Pdu[]> {
    const given = isJsonObject(value) && Array.isArray(value.pdus) ? value.pdus : [];
    const pdus = await this.accept(room.version, room.hubServer, given, defects);
    if (pdus.some((pdu) => pdu.room_id !== room.roomId)) {
      throw new BadHubAnswer(`${room.hubServer} sent an event of another room`);
    }
    return pdus;
  }

  private async keep(roomId: RoomId, pdu: Pdu): Promise<void> {
    const version = (await this.reader.room(roomId))?.version;
    await this.database.transaction(async (manager) =>
      manager
        .createQueryBuilder()
        .insert()
        .into(PendingPduEntity)
        .values({
          roomId,
          eventId: algorithmsOf(version).eventIdOf(pdu),
          sequence: await this.sequence.next(),
          json: JSON.stringify(pdu),
        })
        .orIgnore()
        .execute(),
    );
  }

  private incident(
    room: RoomEntity,
    pdu: Pdu,
    kind: 'fork' | 'bad_signature' | 'bad_hash' | 'forbidden' | 'dissent',
    detail: string,
  ): Promise<void> {
    const eventId = algorithmsOf(room.version).eventIdOf(pdu);
    return this.incidents.record({ kind, server: room.hubServer, roomId: room.roomId, eventId, detail });
  }
}

/** An event that no room can take. */
export class EventTooLarge extends Error {}

function algorithmsOf(version: string | undefined) {
  const algorithms = roomVersion(version);
  if (algorithms === undefined) throw new BadHubAnswer(`room version ${String(version)} is not known here`);
  return algorithms;
}
