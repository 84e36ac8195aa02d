import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Configuration } from '../config/index.js';
import { Database } from '../persistence/database.js';
import { type InviteEntity, type LpduOutEntity, RoomEntity } from '../persistence/entities/index.js';
import {
  type EventId,
  type JsonValue,
  type ParsedJson,
  type RoomId,
  type ServerName,
  type UserId,
  eventIdOf,
  isJsonObject,
  parseUserId,
  roomVersion,
  serverOfRoom,
  serverOfUser,
} from '../protocol/index.js';
import { Admission } from './admission.js';
import { Hub, type JoinRule } from './hub.js';
import type { NewEvent } from './new-event.js';
import { BadHubAnswer } from './bad-hub-answer.js';
import { Invites } from './invites.js';
import { Joins } from './joins.js';
import { EventTooLarge, Lpdus } from './lpdus.js';
import { RemoteRefusal, RemoteServers } from './remote-servers.js';
import { type AppendedEvent, type Outcome, type Refusal, RoomLog, UnknownRoom } from './room-log.js';
import { RoomReader } from './room-reader.js';

/** What became of an event of one of our users. `submitted`: it waits for the hub, by whose echo it is appended. */
export type Sent =
  | { kind: 'appended'; eventId: EventId; position: number }
  | { kind: 'submitted'; lpduHash: string }
  | { kind: 'refused'; refusal: Refusal };

export type SettleSent = (manager: EntityManager, sent: Sent) => Promise<void>;

/** Who removes somebody (one of our users, the bot when absent), and why. */
export interface Removal {
  sender?: UserId;
  reason?: string;
}

/** A membership change that the room does not allow. */
export class RoomRefusal extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.reason);
  }
}

/** What our users do in rooms, whoever the hub is. */
@Injectable()
export class Rooms implements OnModuleInit {
  /** The gateway's own user, who invites the people of the company into bridged rooms. */
  readonly bot: UserId;
  private readonly serverName: ServerName;
  private readonly defaultVersion: string;

  constructor(
    configuration: Configuration,
    private readonly database: Database,
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly hub: Hub,
    private readonly joins: Joins,
    private readonly lpdus: Lpdus,
    private readonly remote: RemoteServers,
    private readonly admission: Admission,
    private readonly held: Invites,
  ) {
    const bot = parseUserId(`@${configuration.botLocalpart}:${configuration.serverName}`);
    if (bot === undefined) throw new Error('BOT_LOCALPART and SERVER_NAME make no user id');
    this.bot = bot;
    this.serverName = configuration.serverName;
    this.defaultVersion = configuration.roomVersion;
  }

  onModuleInit(): void {
    this.log.onAppend((manager, events) => this.noteDepartures(manager, events));
  }

  /** Makes a room of which we are the hub; rejects with RemoteRefusal or RemoteUnavailable when an invite fails. */
  async create(options: {
    creator?: UserId;
    displayName?: string;
    name?: string;
    joinRule?: JoinRule;
    version?: string;
  }): Promise<RoomId> {
    const { creator = this.bot, displayName, name, joinRule = 'invite', version = this.defaultVersion } = options;
    return this.hub.createRoom({
      creator,
      version,
      joinRule,
      ...(name === undefined ? {} : { name }),
      ...(displayName === undefined ? {} : { displayName }),
    });
  }

  /**
   * Appends an event (as the hub), or queues it for the hub. `settle` is committed with it, and told of a refusal too.
   * Rejects with UnknownRoom, or when the database failed.
   */
  async send(event: NewEvent, settle?: SettleSent): Promise<Sent> {
    if (serverOfUser(event.sender) !== this.serverName) {
      return this.refuse(notOurs(event.sender), settle);
    }
    const room = await this.room(event.roomId);
    if (room.role === 'hub') {
      const outcome = await this.hub.sendOwn(
        room,
        event,
        (manager, done) => settle?.(manager, toSent(done)) ?? NOTHING,
      );
      return toSent(outcome);
    }
    try {
      if (room.standing === 'left') return await this.refuse(NOT_IN_ROOM, settle);
      const { lpduHash } = await this.lpdus.submit(
        room,
        event,
        (manager, submitted) => settle?.(manager, { kind: 'submitted', ...submitted }) ?? NOTHING,
      );
      return { kind: 'submitted', lpduHash };
    } catch (error) {
      if (!(error instanceof EventTooLarge)) throw error;
      return this.refuse({ rule: 'size', reason: error.message }, settle);
    }
  }

  /**
   * Makes one of our users a member of a room in which one of us is. Resolves when that is appended, or queued before anything
   * that is sent later; rejects with RoomRefusal when the room does not allow it.
   */
  async ensureJoined(roomId: RoomId, userId: UserId, displayName: string): Promise<void> {
    const room = await this.room(roomId);
    const membership = await this.reader.membership(roomId, userId);
    if (membership === 'join') return;
    if (room.role === 'participant' && (await this.lpdus.hasPendingMembership(roomId, userId))) return;
    if (membership !== 'invite' && !(await this.isPublic(roomId))) {
      await this.change(memberEvent(roomId, await this.inviter(roomId), userId, 'invite'));
    }
    await this.change(memberEvent(roomId, userId, userId, 'join', { displayName }));
  }

  /** Rejects with RoomRefusal, RemoteRefusal (the invited server says no) or RemoteUnavailable. */
  async invite(
    roomId: RoomId,
    userId: UserId,
    sender: UserId = this.bot,
    options: { isDirect?: boolean } = {},
  ): Promise<void> {
    const room = await this.room(roomId);
    if (!(await this.admits(roomId, userId))) {
      throw new RoomRefusal({ rule: 'admission', reason: `${serverOfUser(userId)} may not take part in this room` });
    }
    const event = memberEvent(roomId, sender, userId, 'invite', options);
    if (room.role === 'hub') {
      const sent = toSent(await this.hub.invite(room, event));
      if (sent.kind === 'refused') throw new RoomRefusal(sent.refusal);
      return;
    }
    await this.checkBeforehand(room, event);
    const target = serverOfUser(userId);
    if (target === this.serverName || (await this.reader.hasJoinedUser(roomId, target))) {
      await this.change(event);
      return;
    }
    const lpdu = this.lpdus.sign(room.hubServer, event);
    const strippedState = await this.hub.strippedState(roomId);
    const invite = { event: lpdu, strippedState, roomVersion: room.version };
    try {
      await this.remote.sendInvite(room.hubServer, invite, eventIdOf(lpdu));
    } catch (error) {
      if (!(error instanceof RemoteRefusal && (error.lacksEndpoint || isNoInviteForHubs(error)))) throw error;
      await this.change(event);
    }
  }

  /** Whether the operator lets a user's server take part in a room. */
  admits(roomId: RoomId, userId: UserId): Promise<boolean> {
    return this.admission.admits(roomId, serverOfUser(userId));
  }

  /** Whether the operator lets a server take part in anything, or in this room. */
  async allows(server: ServerName, roomId?: RoomId): Promise<boolean> {
    return roomId === undefined ? this.admission.allows(server) : this.admission.admits(roomId, server);
  }

  /**
   * Joins one of our users: by the handshake with the hub when none of us is in the room (LM-04 §Joins). `keepsInvite`: the caller
   * forgets the invite when it has done what it wants.
   * Rejects with RoomRefusal, RemoteRefusal, RemoteUnavailable or BadHubAnswer.
   */
  async join(
    roomId: RoomId,
    userId: UserId = this.bot,
    displayName?: string,
    via?: ServerName,
    { keepsInvite = false }: { keepsInvite?: boolean } = {},
  ): Promise<void> {
    if (serverOfUser(userId) !== this.serverName) throw new RoomRefusal(notOurs(userId));
    const room = await this.reader.room(roomId);
    const event = memberEvent(roomId, userId, userId, 'join', { displayName });
    if (room !== null && room.standing === 'joined') {
      await this.change(event);
      if (!keepsInvite) await this.held.forget(roomId, userId); // it may have come before the first of us was in the room
      return;
    }
    const invite = await this.held.find(roomId, userId);
    const hub = via ?? invite?.hubServer ?? serverOfRoom(roomId);
    await this.joins.join(roomId, hub, event);
    if (!keepsInvite) await this.held.forget(roomId, userId);
  }

  /** Leaves a room, rejects an invite, or takes a knock back (LM-04 §Rejecting Invites and Leaves). */
  async leave(roomId: RoomId, userId: UserId = this.bot): Promise<void> {
    const room = await this.reader.room(roomId);
    const event = memberEvent(roomId, userId, userId, 'leave');
    if (room !== null && room.standing === 'joined') {
      await this.change(event);
      await this.held.forget(roomId, userId); // it may have come before the first of us was in the room
      return;
    }
    const invite = await this.held.find(roomId, userId);
    if (invite === null) throw new UnknownRoom(roomId);
    await this.leaveFromOutside(invite.hubServer, event);
    await this.held.forget(roomId, userId);
  }

  /** Asks for an invite (LM-04 §Knocks). `via`: the hub; by default the server that the room id names. */
  async knock(
    roomId: RoomId,
    { userId = this.bot, via, reason }: { userId?: UserId; via?: ServerName; reason?: string } = {},
  ): Promise<void> {
    if (serverOfUser(userId) !== this.serverName) throw new RoomRefusal(notOurs(userId));
    const room = await this.reader.room(roomId);
    const event = memberEvent(roomId, userId, userId, 'knock', { reason });
    if (room !== null && room.standing === 'joined') {
      await this.change(event);
      return;
    }
    const hub = via ?? room?.hubServer ?? serverOfRoom(roomId);
    const { value } = await this.handshake('knock', hub, event);
    const stripped = isJsonObject(value) && Array.isArray(value.stripped_state) ? value.stripped_state : [];
    const row = { roomId, userId, membership: 'knock', hubServer: hub, sender: userId, isDirect: false } as const;
    await this.held.keep({ ...row, strippedState: strippedText(stripped) ?? '[]' });
  }

  /** Removes a user from the room, or takes an invite or a ban back. Rejects with RoomRefusal. */
  kick(roomId: RoomId, userId: UserId, { sender = this.bot, reason }: Removal = {}): Promise<void> {
    return this.remove(memberEvent(roomId, sender, userId, 'leave', { reason }));
  }

  /** Removes a user for good. Rejects with RoomRefusal. */
  ban(roomId: RoomId, userId: UserId, { sender = this.bot, reason }: Removal = {}): Promise<void> {
    return this.remove(memberEvent(roomId, sender, userId, 'ban', { reason }));
  }

  /** Invites of our users to rooms that we are not in, and their knocks that wait for an answer. */
  invites(): Promise<InviteEntity[]> {
    return this.held.all();
  }

  /** Called in the transaction in which a hub's refusal of an LPDU of ours is recorded. */
  onRefused(
    listener: (
      manager: EntityManager,
      refused: Pick<LpduOutEntity, 'lpduHash' | 'roomId'> & { reason: string },
    ) => Promise<void>,
  ): void {
    this.lpdus.onRefused(listener);
  }

  private async handshake(membership: 'leave' | 'knock', hub: ServerName, event: NewEvent): Promise<ParsedJson> {
    const { roomVersion: version } = await this.remote.makeMember(membership, hub, event.roomId, event.sender);
    // LM-04 §make_leave: what the event would have to be there is not known. Some hubs name no version.
    if (version !== undefined && roomVersion(version) === undefined) {
      throw new BadHubAnswer(`room version ${version} is not known here`);
    }
    const lpdu = this.lpdus.sign(hub, event);
    return this.remote.sendMember(membership, hub, lpdu, eventIdOf(lpdu));
  }

  /** A hub without make_leave is sent the event itself (LM-04 §Rejecting Invites and Leaves: “directly when it can”). */
  private async leaveFromOutside(hub: ServerName, event: NewEvent): Promise<void> {
    try {
      await this.handshake('leave', hub, event);
    } catch (error) {
      if (!(error instanceof RemoteRefusal && error.lacksEndpoint)) throw error;
      const reason = await this.remote.sendLpdu(hub, this.lpdus.sign(hub, event));
      if (reason !== undefined) throw new RoomRefusal({ rule: 'hub', reason });
    }
  }

  private async remove(event: NewEvent): Promise<void> {
    await this.checkBeforehand(await this.room(event.roomId), event);
    return this.change(event);
  }

  /** Of another server's room: what the hub would refuse is refused here, to whoever asks for it, instead of later to nobody. */
  private async checkBeforehand(room: RoomEntity, event: NewEvent): Promise<void> {
    if (room.role !== 'participant' || room.standing !== 'joined') return;
    const refusal = await this.lpdus.refusalOf(room, event);
    if (refusal !== undefined) throw new RoomRefusal(refusal);
  }

  private async change(event: NewEvent): Promise<void> {
    const sent = await this.send(event);
    if (sent.kind === 'refused') throw new RoomRefusal(sent.refusal);
  }

  private async refuse(refusal: Refusal, settle: SettleSent | undefined): Promise<Sent> {
    const sent: Sent = { kind: 'refused', refusal };
    await this.database.transaction(async (manager) => settle?.(manager, sent));
    return sent;
  }

  /** The bot where it is a member; in rooms that people entered by themselves, one of them. */
  private async inviter(roomId: RoomId): Promise<UserId> {
    if ((await this.reader.membership(roomId, this.bot)) === 'join') return this.bot;
    const [first] = await this.reader.joinedUsers(roomId, this.serverName);
    return first ?? this.bot;
  }

  private async isPublic(roomId: RoomId): Promise<boolean> {
    const rule = await this.reader.stateEvent(roomId, 'm.room.join_rules', '');
    return rule?.pdu.content.join_rule === 'public';
  }

  private async room(roomId: RoomId): Promise<RoomEntity> {
    const room = await this.reader.room(roomId);
    if (room === null || room.standing === 'joining') throw new UnknownRoom(roomId);
    return room;
  }

  /** A participant's room without a user of ours is one that we have left: nothing more comes. */
  private async noteDepartures(manager: EntityManager, events: readonly AppendedEvent[]): Promise<void> {
    for (const { roomId, pdu, rejected } of events) {
      const member = pdu.type === 'm.room.member' && !rejected ? parseUserId(pdu.state_key) : undefined;
      if (member === undefined || serverOfUser(member) !== this.serverName) continue;
      if (await this.reader.hasJoinedUser(roomId, this.serverName)) continue;
      await manager.update(RoomEntity, { roomId, role: 'participant', standing: 'joined' }, { standing: 'left' });
    }
  }
}

const notOurs = (userId: UserId): Refusal => ({
  rule: 'sender',
  reason: `${userId} is not a user of this server`,
});

const MAX_STRIPPED_BYTES = 256 * 1024;

/** Stripped state as it is kept; undefined when it is too large. */
export function strippedText(state: JsonValue | undefined): string | undefined {
  const text = JSON.stringify(Array.isArray(state) ? state : []);
  return Buffer.byteLength(text) <= MAX_STRIPPED_BYTES ? text : undefined;
}

/** Some hubs take invites at this endpoint for themselves alone: their participants send the event. */
const isNoInviteForHubs = ({ status, errcode }: RemoteRefusal): boolean => status === 400 && errcode === 'M_UNKNOWN';

const NOTHING = Promise.resolve();
const NOT_IN_ROOM: Refusal = { rule: 'membership', reason: 'we are not in this room any more' };

function memberEvent(
  roomId: RoomId,
  sender: UserId,
  target: UserId,
  membership: 'invite' | 'join' | 'leave' | 'knock' | 'ban',
  {
    displayName,
    reason,
    isDirect = false,
  }: { displayName?: string | undefined; reason?: string | undefined; isDirect?: boolean | undefined } = {},
): NewEvent {
  const content = {
    membership,
    ...(displayName === undefined ? {} : { displayname: displayName }),
    ...(reason === undefined ? {} : { reason }),
    ...(isDirect ? { is_direct: true } : {}),
  };
  return { roomId, sender, type: 'm.room.member', stateKey: target, content };
}

function toSent(outcome: Outcome): Sent {
  switch (outcome.kind) {
    case 'appended':
      return { kind: 'appended', eventId: outcome.event.eventId, position: outcome.event.position };
    case 'known':
      return { kind: 'appended', eventId: outcome.eventId, position: outcome.position };
    case 'refused':
      return outcome;
    case 'gap':
      throw new Error('an event of our own has no gap before it');
  }
}
