import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { EventId, RoomAlias, RoomId, ServerName, UserId } from '../../protocol/index.js';
import { bigint, identifier, word } from '../columns.js';

export type RoomRole = 'hub' | 'participant';
/** Our side of a room: `joining` while a send_join is under way, `left` when our last user is gone. */
export type RoomStanding = 'joining' | 'joined' | 'left';

@Entity('room')
export class RoomEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  @Column({ type: 'varchar', length: 128 })
  version!: string;

  @Column(word)
  role!: RoomRole;

  @Column(identifier)
  hubServer!: ServerName;

  @Column(word)
  standing!: RoomStanding;

  /** Position of the newest event of the log, -1 while it is empty. With `headEventId` the value that appends compare and swap. */
  @Column(bigint)
  headPosition!: number;

  @Column({ ...identifier, nullable: true })
  headEventId!: EventId | null;

  @Column(bigint)
  createdAt!: number;
}

/** The room log: one row per event, in order; for a participant also the state that the hub gave at the join. */
@Entity('event')
@Index('event_state_at', ['roomId', 'type', 'stateKey', 'position'])
@Index('event_lpdu_hash', ['roomId', 'lpduHash'])
export class EventEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  @PrimaryColumn(bigint)
  position!: number;

  @Index('event_id', { unique: true })
  @Column(identifier)
  eventId!: EventId;

  @Column(identifier)
  type!: string;

  @Column({ ...identifier, nullable: true })
  stateKey!: string | null;

  @Column(identifier)
  sender!: UserId;

  @Column({ type: 'varchar', length: 64, nullable: true })
  lpduHash!: string | null;

  /** State that came with a send_join answer rather than by the chain. */
  @Column({ type: 'boolean' })
  snapshot!: boolean;

  /** The authorization rules refuse it: it holds its place in the hub's chain, and counts for nothing (LM-04 §Conventions). */
  @Column({ type: 'boolean' })
  rejected!: boolean;

  /** The PDU as it is served. */
  @Column({ type: 'text' })
  json!: string;

  @Column(bigint)
  receivedAt!: number;
}

/** Current state. `server` and `membership` are filled for m.room.member, so that fan-out is an index look-up. */
@Entity('room_state')
@Index('room_state_members', ['roomId', 'server', 'membership'])
export class RoomStateEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  @PrimaryColumn(identifier)
  type!: string;

  @PrimaryColumn(identifier)
  stateKey!: string;

  @Column(bigint)
  position!: number;

  @Column({ ...identifier, nullable: true })
  server!: ServerName | null;

  @Column({ ...word, nullable: true })
  membership!: string | null;
}

/** An invite of one of our users to a room that we are not in, or a knock of theirs that waits for an answer. */
@Entity('invite')
export class InviteEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  @PrimaryColumn(identifier)
  userId!: UserId;

  @Column({ ...word, default: 'invite' })
  membership!: 'invite' | 'knock';

  @Column(identifier)
  hubServer!: ServerName;

  @Column(identifier)
  sender!: UserId;

  @Column({ type: 'text' })
  strippedState!: string;

  /** Of an invite: its sender means to talk with this user alone, or with few. */
  @Column({ type: 'boolean', default: false })
  isDirect!: boolean;

  @Column(bigint)
  receivedAt!: number;
}

/** A name of ours for a room. */
@Entity('room_alias')
@Index('room_alias_room', ['roomId'])
export class RoomAliasEntity {
  @PrimaryColumn(identifier)
  alias!: RoomAlias;

  @Column(identifier)
  roomId!: RoomId;

  @Column(bigint)
  createdAt!: number;
}

/** PDUs of a room that is being joined, or behind a gap that the hub has not filled yet. */
@Entity('pending_pdu')
export class PendingPduEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  @PrimaryColumn(identifier)
  eventId!: EventId;

  @Column(bigint)
  sequence!: number;

  @Column({ type: 'text' })
  json!: string;
}

/** The hub sent events whose predecessors it has not given yet. The row is gone when the room goes on. */
@Entity('room_gap')
export class RoomGapEntity {
  @PrimaryColumn(identifier)
  roomId!: RoomId;

  /** ms since the epoch */
  @Column(bigint)
  since!: number;

  /** How often the hub was asked in vain, and how often of those it answered. */
  @Column({ type: 'integer' })
  attempts!: number;

  @Column({ type: 'integer' })
  refusals!: number;

  @Column(bigint)
  nextAttemptAt!: number;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  /** The newest event that was not kept, because too many were: the hub is asked for it once the others are applied. */
  @Column({ ...identifier, nullable: true })
  newestEventId!: EventId | null;
}

/** Something a server did that the protocol forbids, with what was received as evidence. */
@Entity('incident')
@Index('incident_server', ['server', 'kind', 'id'])
export class IncidentEntity {
  @PrimaryColumn(bigint)
  id!: number;

  @Column(word)
  kind!: string;

  @Column(identifier)
  server!: ServerName;

  @Column({ ...identifier, nullable: true })
  roomId!: RoomId | null;

  @Column({ ...identifier, nullable: true })
  eventId!: EventId | null;

  @Column({ type: 'text' })
  detail!: string;

  /** JSON of what was received, and of what it contradicts: bounded, and never listed or logged. */
  @Column({ type: 'text', nullable: true })
  evidence!: string | null;

  /** How often it was seen. */
  @Column({ type: 'integer', default: 1 })
  count!: number;

  /** ms since the epoch, the first time */
  @Column(bigint)
  at!: number;

  @Column({ ...bigint, default: 0 })
  lastAt!: number;
}
