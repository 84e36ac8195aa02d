import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import type { RoomEntity } from '../persistence/entities/index.js';
import {
  type EventTemplate,
  type JsonObject,
  type JsonValue,
  type Lpdu,
  type Pdu,
  type RoomId,
  type ServerName,
  type UserId,
  buildOwnPdu,
  completeLpdu,
  membershipOf,
  parseRoomId,
  parseUserId,
  roomVersion,
  serverOfUser,
} from '../protocol/index.js';
import { Admission } from './admission.js';
import { type NewEvent, stateNeededBy, templateOf } from './new-event.js';
import { PduVerifier } from './pdu-verifier.js';
import { type HandshakeMembership, RemoteRefusal, RemoteServers, RemoteUnavailable } from './remote-servers.js';
import { type AppendJob, type LogView, type Outcome, RoomLog, type Verdict } from './room-log.js';
import { RoomReader, type StoredEvent } from './room-reader.js';
import { RoomVisibility } from './room-visibility.js';
import { ServerIdentity } from './server-identity.js';

export type JoinRule = 'public' | 'invite' | 'knock';

export interface NewRoom {
  creator: UserId;
  /** Of the creator. */
  displayName?: string;
  version: string;
  joinRule: JoinRule;
  name?: string;
}

export type Settle = (manager: EntityManager, outcome: Outcome) => Promise<void>;

/** What a send_join answers (LM-04 §send_join; the order of `state` is profile §5). */
export interface JoinAnswer {
  state: Pdu[];
  auth_chain: Pdu[];
  event: Pdu;
}

const STRIPPED = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
];

/** The hub's part of a room: it completes, orders and appends (LM-04 §Architecture). */
@Injectable()
export class Hub {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly visibility: RoomVisibility,
    private readonly verifier: PduVerifier,
    private readonly remote: RemoteServers,
    private readonly admission: Admission,
    private readonly clock: Clock,
  ) {}

  async createRoom({ creator, displayName, version, joinRule, name }: NewRoom): Promise<RoomId> {
    const roomId = parseRoomId(`!${randomBytes(12).toString('base64url')}:${this.identity.serverName}`);
    if (roomId === undefined) throw new Error('the server name is too long for a room id');
    const state = (type: string, stateKey: string, content: JsonObject): AppendJob =>
      this.ownEventJob(version, { roomId, sender: creator, type, stateKey, content });
    const room: RoomEntity = {
      roomId,
      version,
      role: 'hub',
      hubServer: this.identity.serverName,
      standing: 'joined',
      headPosition: -1,
      headEventId: null,
      createdAt: this.clock.now(),
    };
    await this.log.create(room, [
      state('m.room.create', '', { room_version: version }),
      state('m.room.member', creator, {
        membership: 'join',
        ...(displayName === undefined ? {} : { displayname: displayName }),
      }),
      state('m.room.power_levels', '', {
        users: { [creator]: 100 },
        users_default: 0,
        events: {},
        events_default: 0,
        state_default: 50,
        ban: 50,
        kick: 50,
        redact: 50,
        invite: 0,
      }),
      state('m.room.join_rules', '', { join_rule: joinRule }),
      state('m.room.history_visibility', '', { history_visibility: 'shared' }),
      ...(name === undefined ? [] : [state('m.room.name', '', { name })]),
    ]);
    return roomId;
  }

  /** Appends an event of one of our own users. */
  sendOwn(room: RoomEntity, event: NewEvent, settle?: Settle): Promise<Outcome> {
    return this.log.append(room.roomId, { ...this.ownEventJob(room.version, event), ...(settle ? { settle } : {}) });
  }

  /** Verifies and appends what a participant sent. The server of `sender` must be the authenticated origin (profile §2). */
  async receiveLpdu(room: RoomEntity, origin: ServerName, lpdu: Lpdu): Promise<Outcome> {
    const [outcome] = await this.receiveLpdus(room, origin, [lpdu]);
    if (outcome === undefined) throw new Error('an LPDU has no outcome');
    return outcome;
  }

  /** The same for several, which are appended in their order. */
  async receiveLpdus(room: RoomEntity, origin: ServerName, lpdus: readonly Lpdu[]): Promise<Outcome[]> {
    const checks = await Promise.all(
      lpdus.map(async (lpdu) => ({
        fault: await this.checkLpdu(origin, lpdu),
        outside: await this.invitesOutside(room, lpdu),
      })),
    );
    // Nothing is awaited from here on before all are queued: that would change their order.
    return Promise.all(
      lpdus.map((lpdu, index): Promise<Outcome> => {
        const check = checks[index];
        if (check?.fault !== undefined) return Promise.resolve(check.fault);
        const job = this.lpduJob(room.version, lpdu);
        return check?.outside ? this.deliverOrRefuse(room, lpdu, job) : this.log.append(room.roomId, job);
      }),
    );
  }

  /** A template for a membership change of a user of another server (LM-04 §Make and Send Handshake). */
  async makeTemplate(
    room: RoomEntity,
    userId: UserId,
    membership: HandshakeMembership,
  ): Promise<EventTemplate | Outcome> {
    const unwanted = await this.unwanted(room.roomId, serverOfUser(userId));
    if (unwanted !== undefined) return unwanted;
    const template: EventTemplate = {
      room_id: room.roomId,
      type: 'm.room.member',
      sender: userId,
      state_key: userId,
      origin_server_ts: this.clock.now(),
      content: { membership },
    };
    // Judged in the room's turn and then not appended: the refusal carries the template's own verdict.
    let allowed = false;
    const outcome = await this.log.append(room.roomId, {
      needs: stateNeededBy(template),
      decide: (view) => {
        const verdict = this.authorize(room.version, template, view);
        allowed = verdict === undefined;
        return verdict ?? { kind: 'refuse', refusal: { rule: 'template', reason: 'a template is not appended' } };
      },
    });
    return allowed ? template : outcome;
  }

  /** Appends a join LPDU and says what the room was before it. */
  async receiveJoin(room: RoomEntity, origin: ServerName, lpdu: Lpdu): Promise<JoinAnswer | Outcome> {
    const outcome = await this.receiveLpdu(room, origin, lpdu);
    if (outcome.kind !== 'appended' && outcome.kind !== 'known') return outcome;
    const position = outcome.kind === 'appended' ? outcome.event.position : outcome.position;
    const [event] = await this.reader.eventsUpTo(room.roomId, position, 1);
    if (event === undefined) throw new Error(`the join at position ${String(position)} is gone`);
    const state = await this.reader.stateAt(room.roomId, position - 1);
    const chain = await this.reader.authChain(state);
    return { state: inOrder([...state, ...chain]), auth_chain: chain.map(pduOf), event: event.pdu };
  }

  /** An invite by one of our users. */
  invite(room: RoomEntity, event: NewEvent, settle?: Settle): Promise<Outcome> {
    const template = templateOf(event, this.clock.now());
    return this.deliverInvite(room, template, this.ownEventJob(room.version, event), settle);
  }

  /** An invite that a participant asks us to make (LM-04 §POST invite): proxied to the invited user's server. */
  async receiveInvite(room: RoomEntity, origin: ServerName, lpdu: Lpdu): Promise<Outcome> {
    const fault = await this.checkLpdu(origin, lpdu);
    return fault ?? this.deliverInvite(room, lpdu, this.lpduJob(room.version, lpdu));
  }

  /** What somebody outside may know of a room (LM-04 §Stripped State). */
  async strippedState(roomId: RoomId): Promise<JsonValue[]> {
    const state = await this.reader.currentState(roomId);
    return state
      .filter(({ pdu }) => STRIPPED.includes(pdu.type))
      .map(({ pdu }) => ({ type: pdu.type, state_key: pdu.state_key ?? '', sender: pdu.sender, content: pdu.content }));
  }

  /**
   * Asks the invited user's server first, and appends only what it accepted. The room is not held meanwhile: when its head
   * has moved, the invite is completed again on the new head.
   */
  private async deliverInvite(
    room: RoomEntity,
    event: EventTemplate,
    job: AppendJob,
    settle?: Settle,
  ): Promise<Outcome> {
    const withSettle = { ...job, ...(settle ? { settle } : {}) };
    if (!(await this.invitesOutside(room, event))) return this.log.append(room.roomId, withSettle);
    const target = serverOfUser(event.state_key as UserId);
    const draft = await this.preview(room, job);
    if (draft.kind !== 'append') return draft.kind === 'gap' ? draft : { kind: 'refused', refusal: draft.refusal };
    const formerMember = (await this.visibility.of(room.roomId, target)).everJoined;
    try {
      const strippedState = await this.strippedState(room.roomId);
      await this.remote.sendInvite(
        target,
        { event: draft.pdu, strippedState, roomVersion: room.version },
        draft.eventId,
      );
    } catch (error) {
      if (!(formerMember && error instanceof RemoteRefusal && error.status === 400)) throw error;
      const outcome = await this.log.append(room.roomId, withSettle);
      if (outcome.kind === 'appended') await this.remote.sendPdu(target, outcome.event.pdu);
      return outcome;
    }
    return this.log.append(room.roomId, withSettle);
  }

  /** Whether an event invites a user whose server is not in the room, and would not hear of it by the log. */
  private async invitesOutside(room: RoomEntity, event: EventTemplate): Promise<boolean> {
    const invited = event.type === 'm.room.member' ? parseUserId(event.state_key) : undefined;
    if (invited === undefined || membershipOf(event) !== 'invite') return false;
    const target = serverOfUser(invited);
    return target !== this.identity.serverName && !(await this.reader.hasJoinedUser(room.roomId, target));
  }

  /** An invite that came as an event of the room: what the invited server says against it is the refusal. */
  private async deliverOrRefuse(room: RoomEntity, event: EventTemplate, job: AppendJob): Promise<Outcome> {
    try {
      return await this.deliverInvite(room, event, job);
    } catch (error) {
      if (!(error instanceof RemoteRefusal || error instanceof RemoteUnavailable)) throw error;
      return { kind: 'refused', refusal: { rule: 'invite', reason: error.message } };
    }
  }

  /** What a job would append now. */
  private async preview(room: RoomEntity, job: AppendJob): Promise<Verdict> {
    let seen: Verdict | undefined;
    await this.log.append(room.roomId, {
      needs: job.needs,
      decide: (view) => {
        seen = job.decide(view);
        return { kind: 'refuse', refusal: { rule: 'preview', reason: 'a preview is not appended' } };
      },
    });
    if (seen === undefined) throw new Error('a preview gave no verdict');
    return seen;
  }

  private async checkLpdu(origin: ServerName, lpdu: Lpdu): Promise<Outcome | undefined> {
    const refuse = (rule: string, reason: string): Outcome => ({ kind: 'refused', refusal: { rule, reason } });
    if (serverOfUser(lpdu.sender) !== origin) return refuse('sender', `${lpdu.sender} is not a user of ${origin}`);
    if (lpdu.hub_server !== this.identity.serverName) {
      return refuse('hub_server', `hub_server is ${lpdu.hub_server}, the hub is ${this.identity.serverName}`);
    }
    const invited = membershipOf(lpdu) === 'invite' ? parseUserId(lpdu.state_key) : undefined;
    for (const server of [origin, ...(invited === undefined ? [] : [serverOfUser(invited)])]) {
      const unwanted = await this.unwanted(lpdu.room_id, server);
      if (unwanted !== undefined) return unwanted;
    }
    const fault = await this.verifier.lpduFault(lpdu);
    return fault && refuse(fault.kind, fault.reason);
  }

  private async unwanted(roomId: RoomId, server: ServerName): Promise<Outcome | undefined> {
    if (await this.admission.admitsNow(roomId, server)) return undefined;
    return { kind: 'refused', refusal: { rule: 'admission', reason: `${server} may not take part in this room` } };
  }

  private ownEventJob(version: string, event: NewEvent): AppendJob {
    const template = templateOf(event, this.clock.now());
    const { serverName, signingKey } = this.identity;
    return {
      needs: stateNeededBy(template),
      decide: (view) =>
        this.complete(version, template, view, (fields) => buildOwnPdu(template, fields, serverName, signingKey)),
    };
  }

  private lpduJob(version: string, lpdu: Lpdu): AppendJob {
    const { serverName, signingKey } = this.identity;
    return {
      identity: { lpduHash: lpdu.hashes.lpdu.sha256 },
      needs: stateNeededBy(lpdu),
      decide: (view) =>
        this.complete(version, lpdu, view, (fields) => completeLpdu(lpdu, fields, serverName, signingKey)),
    };
  }

  private complete(
    version: string,
    event: EventTemplate,
    view: LogView,
    build: (fields: Pick<Pdu, 'auth_events' | 'prev_events'>) => Pdu,
  ): Verdict {
    const refusal = this.authorize(version, event, view);
    if (refusal !== undefined) return refusal;
    const algorithms = algorithmsOf(version);
    const pdu = build({
      auth_events: algorithms.selectAuthEvents(event, view.state),
      prev_events: view.headEventId === null ? [] : [view.headEventId],
    });
    const whole = algorithms.parsePdu(pdu);
    if (!whole.ok) return { kind: 'refuse', refusal: { rule: 'schema', reason: whole.error.reason } };
    return { kind: 'append', pdu, eventId: algorithms.eventIdOf(pdu) };
  }

  private authorize(version: string, event: EventTemplate, view: LogView): (Verdict & { kind: 'refuse' }) | undefined {
    const prevEvents = view.headEventId === null ? [] : [view.headEventId];
    const verdict = algorithmsOf(version).checkAuthRules({ ...event, prev_events: prevEvents }, { state: view.state });
    return verdict.allowed ? undefined : { kind: 'refuse', refusal: { rule: verdict.rule, reason: verdict.reason } };
  }
}

function algorithmsOf(version: string) {
  const algorithms = roomVersion(version);
  if (algorithms === undefined) throw new Error(`unknown room version ${version}`);
  return algorithms;
}

const pduOf = ({ pdu }: StoredEvent): Pdu => pdu;

function inOrder(events: readonly StoredEvent[]): Pdu[] {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  return [...byId.values()].sort((a, b) => a.position - b.position).map(pduOf);
}
