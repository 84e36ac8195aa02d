import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { EventId, RoomId, UserId } from '../../protocol/index.js';
import { bigint, identifier, word } from '../columns.js';

/** `broken` says why in `reason`, and is left by the admin alone. */
export type MappingState = 'active' | 'paused' | 'broken';

/** Which incidents in its room pause a mapping: those that forge or alter what was said, all, or none. */
export type PauseOn = 'none' | 'forgery' | 'any';

/** What the native side is: a channel, or a conversation between two people, or few. */
export type MappingKind = 'channel' | 'direct' | 'group';

/** When people of the channel become members of its room: when they first say something there, or all who are in the channel. */
export type MembershipMode = 'first_word' | 'mirror';

@Entity('room_mapping')
@Index('room_mapping_channel', ['platform', 'workspace', 'channelId'], { unique: true })
@Index('room_mapping_room', ['roomId'])
export class RoomMappingEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column(word)
  platform!: string;

  @Column(identifier)
  workspace!: string;

  @Column(identifier)
  channelId!: string;

  @Column(identifier)
  channelName!: string;

  @Column(identifier)
  roomId!: RoomId;

  @Column(word)
  state!: MappingState;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  @Column({ ...word, default: 'forgery' })
  pauseOn!: PauseOn;

  @Column({ ...word, default: 'channel' })
  kind!: MappingKind;

  @Column({ ...word, default: 'first_word' })
  membershipMode!: MembershipMode;

  /** JSON lists of server globs: who may take part in the room (an empty `allow`: everybody), and who may not. */
  @Column({ type: 'text', default: '[]' })
  allow!: string;

  @Column({ type: 'text', default: '[]' })
  deny!: string;

  /** How many messages from before it was shared are still to be fetched from the channel, at most. */
  @Column({ type: 'integer', default: 0 })
  historyLeft!: number;

  /** Native id of the oldest that is fetched. */
  @Column({ ...identifier, nullable: true })
  historyBefore!: string | null;

  /** The place in the inbox of the next older one. */
  @Column({ ...bigint, nullable: true })
  historySequence!: number | null;

  /** Position in the room log up to which events were carried to the channel. */
  @Column(bigint)
  carriedPosition!: number;

  @Column(bigint)
  createdAt!: number;
}

@Entity('user_mapping')
@Index('user_mapping_native', ['platform', 'workspace', 'nativeUserId'], { unique: true })
@Index('user_mapping_stale', ['staleProfile'])
export class UserMappingEntity {
  @PrimaryColumn(identifier)
  userId!: UserId;

  @Column(word)
  platform!: string;

  @Column(identifier)
  workspace!: string;

  @Column(identifier)
  nativeUserId!: string;

  @Column(identifier)
  displayName!: string;

  /** A URL, where the platform gives one. */
  @Column({ type: 'text', nullable: true })
  avatarUrl!: string | null;

  /** Their rooms do not have this name yet. */
  @Column({ type: 'boolean', default: false })
  staleProfile!: boolean;

  @Column(bigint)
  createdAt!: number;
}

/** Which native message is which event. `eventId` is null while an LPDU is on its way; then `lpduHash` names it. */
@Entity('message_mapping')
@Index('message_mapping_event', ['mappingId', 'eventId'])
@Index('message_mapping_lpdu', ['lpduHash'])
export class MessageMappingEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  mappingId!: string;

  @PrimaryColumn(identifier)
  nativeId!: string;

  @PrimaryColumn({ type: 'integer' })
  part!: number;

  @Column({ ...identifier, nullable: true })
  eventId!: EventId | null;

  @Column({ type: 'varchar', length: 64, nullable: true })
  lpduHash!: string | null;

  @Column(word)
  direction!: 'in' | 'out';
}

/** Events of the room that a native event became which is no message: an edit, a delete, a reaction. They do not come back into its channel. */
@Entity('carried_event')
@Index('carried_event_event', ['mappingId', 'eventId'])
@Index('carried_event_lpdu', ['lpduHash'])
export class CarriedEventEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  mappingId!: string;

  @PrimaryColumn(identifier)
  nativeEventId!: string;

  @PrimaryColumn({ type: 'integer' })
  part!: number;

  /** Null while an LPDU is on its way; then `lpduHash` names it. */
  @Column({ ...identifier, nullable: true })
  eventId!: EventId | null;

  @Column({ type: 'varchar', length: 64, nullable: true })
  lpduHash!: string | null;
}

/** Who reacts to a native message with what, now. `in`: a person of this company. */
@Entity('reaction')
@Index('reaction_event', ['mappingId', 'eventId'])
@Index('reaction_lpdu', ['lpduHash'])
export class ReactionEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  mappingId!: string;

  @PrimaryColumn(identifier)
  nativeId!: string;

  @PrimaryColumn(identifier)
  sender!: UserId;

  /** Of the `m.annotation`. */
  @PrimaryColumn({ ...identifier, name: 'reaction_key' })
  key!: string;

  @Column(word)
  direction!: 'in' | 'out';

  /** The `m.reaction`; null while an LPDU is on its way; then `lpduHash` names it. */
  @Column({ ...identifier, nullable: true })
  eventId!: EventId | null;

  @Column({ type: 'varchar', length: 64, nullable: true })
  lpduHash!: string | null;
}

/**
 * A native event. `held`: history that is not complete; `waiting`: to be carried; `submitted`: with the hub; `carried`: in the room log; `ignored`: nothing to carry
 * (unmapped channel, our own message); `refused`: the author was told; `discarded`: by the admin, and the author was told.
 */
export type InboxState = 'held' | 'waiting' | 'submitted' | 'carried' | 'ignored' | 'refused' | 'discarded';

@Entity('inbox')
@Index('inbox_queue', ['state', 'platform', 'workspace', 'channelId', 'sequence'])
@Index('inbox_lpdu', ['lpduHash'])
@Index('inbox_age', ['receivedAt'])
export class InboxEntity {
  @PrimaryColumn(word)
  platform!: string;

  @PrimaryColumn(identifier)
  workspace!: string;

  @PrimaryColumn(identifier)
  nativeEventId!: string;

  /** The lane in which it waits: its channel, or `person:` and the id of whom alone it concerns. */
  @Column(identifier)
  channelId!: string;

  /** Order of arrival. */
  @Column(bigint)
  sequence!: number;

  /** JSON of the platform port's InboundEvent. */
  @Column({ type: 'text' })
  payload!: string;

  @Column(word)
  state!: InboxState;

  /** Of a refusal, or of the last failure. */
  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  /** How often in a row it could not be carried; what comes after it in its channel waits. */
  @Column({ type: 'integer', default: 0 })
  attempts!: number;

  @Column({ ...bigint, nullable: true })
  failingSince!: number | null;

  @Column({ type: 'varchar', length: 64, nullable: true })
  lpduHash!: string | null;

  @Column(bigint)
  receivedAt!: number;
}

/** Where we are in a platform's stream of events. Moved in the transaction that fills the inbox. */
@Entity('platform_cursor')
export class PlatformCursorEntity {
  @PrimaryColumn(word)
  platform!: string;

  @PrimaryColumn(identifier)
  workspace!: string;

  @Column(identifier)
  cursor!: string;
}

/** `intent`: to be made, or made with the outcome unknown; `dead`: the chat refused it for good; `discarded`: by the admin. */
export type DeliveryState = 'intent' | 'done' | 'dead' | 'discarded';

/** What is called: `notice` is a message of the gateway itself. */
export type DeliveryKind = 'message' | 'notice' | 'edit' | 'delete' | 'react' | 'topic' | 'member';

/** A call to a platform: written before the call, settled after it. Its id is the idempotency key. */
@Entity('delivery')
@Index('delivery_target', ['mappingId', 'subject', 'part'], { unique: true })
@Index('delivery_state', ['state', 'createdAt'])
@Index('delivery_queue', ['mappingId', 'state'])
export class DeliveryEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 36 })
  mappingId!: string;

  @Column(word)
  kind!: DeliveryKind;

  /** The event that is carried, or what the notice is about. */
  @Column(identifier)
  subject!: string;

  @Column({ type: 'integer' })
  part!: number;

  /** Position in the room log at which it has its place; null: it is made as soon as it can be. */
  @Column({ ...bigint, nullable: true })
  position!: number | null;

  /** JSON: of a message or a notice the platform port's OutboundMessage, else bridge/operations.ts. */
  @Column({ type: 'text' })
  payload!: string;

  @Column(word)
  state!: DeliveryState;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column(bigint)
  nextAttemptAt!: number;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  @Column({ ...identifier, nullable: true })
  nativeId!: string | null;

  @Column(bigint)
  createdAt!: number;
}

/** `dead`: this person cannot be reached. */
export type PersonalNoticeState = 'intent' | 'done' | 'dead';

/** What the gateway tells one person alone: an answer to a command, an invite. Its id is the idempotency key of the call. */
@Entity('personal_notice')
@Index('personal_notice_subject', ['platform', 'workspace', 'subject'], { unique: true })
@Index('personal_notice_queue', ['state', 'platform', 'workspace', 'nativeUserId', 'createdAt'])
export class PersonalNoticeEntity {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column(word)
  platform!: string;

  @Column(identifier)
  workspace!: string;

  @Column(identifier)
  nativeUserId!: string;

  /** Where it is told; null: in a conversation of the gateway with this person. */
  @Column({ ...identifier, nullable: true })
  channelId!: string | null;

  /** What it is about: of that it is told once. */
  @Column(identifier)
  subject!: string;

  /** JSON of the platform port's OutboundMessage. */
  @Column({ type: 'text' })
  payload!: string;

  @Column(word)
  state!: PersonalNoticeState;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column(bigint)
  nextAttemptAt!: number;

  @Column({ type: 'text', nullable: true })
  reason!: string | null;

  @Column(bigint)
  createdAt!: number;
}
