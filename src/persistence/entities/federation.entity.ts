import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { EventId, KeyId, RoomId, ServerName } from '../../protocol/index.js';
import { bigint, identifier, word } from '../columns.js';

/** `pending`: not in an answered transaction yet; `sent`: the hub answered, its PDU has not come back; `refused`: it never will. */
export type LpduState = 'pending' | 'sent' | 'refused';

/** What we sent to a hub and have not seen come back. Deleted by the append of its PDU. */
@Entity('lpdu_out')
@Index('lpdu_out_queue', ['hubServer', 'state', 'sequence'])
@Index('lpdu_out_room', ['roomId', 'type', 'stateKey'])
export class LpduOutEntity {
  /** hashes.lpdu.sha256 */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  lpduHash!: string;

  @Column(identifier)
  roomId!: RoomId;

  @Column(identifier)
  hubServer!: ServerName;

  /** The id by which the hub names it in `failed_pdus`. */
  @Column(identifier)
  referenceId!: EventId;

  @Column(identifier)
  type!: string;

  @Column({ ...identifier, nullable: true })
  stateKey!: string | null;

  @Column(bigint)
  sequence!: number;

  @Column(word)
  state!: LpduState;

  @Column({ type: 'text' })
  json!: string;

  @Column({ type: 'text', nullable: true })
  refusal!: string | null;

  /** How many transactions with it the hub has answered with 200. */
  @Column({ type: 'integer', default: 0 })
  taken!: number;

  /** When it did so last, in ms since the epoch; null while it is pending. */
  @Column({ ...bigint, nullable: true })
  sentAt!: number | null;

  /** When the echo of a later one came, which the hub can only have appended after it. */
  @Column({ ...bigint, nullable: true })
  overtakenAt!: number | null;

  /** How often the hub was asked for its echo in vain since then, and when to ask next. */
  @Column({ type: 'integer', default: 0 })
  asked!: number;

  @Column({ ...bigint, default: 0 })
  askAt!: number;

  @Column(bigint)
  createdAt!: number;
}

/** Retry state of a server. A row without `failingSince` is healthy. */
@Entity('destination')
export class DestinationEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  @Column({ ...bigint, nullable: true })
  failingSince!: number | null;

  @Column({ type: 'integer' })
  attempts!: number;

  @Column(bigint)
  nextAttemptAt!: number;

  @Column({ type: 'text', nullable: true })
  lastError!: string | null;

  @Column({ ...bigint, nullable: true })
  lastSuccessAt!: number | null;
}

/** A cursor on a room's log: what lies between it and the head (or `untilPosition`, once the server has no user left) is to be sent. */
@Entity('destination_room')
@Index('destination_room_by_room', ['roomId'])
export class DestinationRoomEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  @PrimaryColumn(identifier)
  roomId!: RoomId;

  /** Position of the last event that the server has acknowledged. */
  @Column(bigint)
  cursor!: number;

  @Column({ ...bigint, nullable: true })
  untilPosition!: number | null;
}

/** The one transaction in flight to a server: its exact body until it is answered. */
@Entity('transaction_out')
export class TransactionOutEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  @Column(identifier)
  txnId!: string;

  @Column({ type: 'text' })
  body!: string;

  /** JSON: {lpdus: hash[], cursors: {roomId: position}} — what an answer settles. */
  @Column({ type: 'text' })
  settles!: string;

  @Column(bigint)
  createdAt!: number;
}

/** The exact answer given to a transaction, so that the same request is answered the same and processed once. */
@Entity('transaction_in')
@Index('transaction_in_age', ['receivedAt'])
export class TransactionInEntity {
  @PrimaryColumn(identifier)
  origin!: ServerName;

  @PrimaryColumn(word)
  endpoint!: string;

  @PrimaryColumn(identifier)
  txnId!: string;

  /** sha256 of the body as received. */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  bodyHash!: string;

  /** Of HTTP; with 200 `answer` is what was answered, else {errcode, error}. */
  @Column({ type: 'integer', default: 200 })
  status!: number;

  @Column({ type: 'text' })
  answer!: string;

  @Column(bigint)
  receivedAt!: number;
}

/** A verify key of another server. */
@Entity('server_key')
export class ServerKeyEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  @PrimaryColumn(identifier)
  keyId!: KeyId;

  /** Unpadded base64. */
  @Column({ type: 'varchar', length: 64 })
  publicKey!: string;

  /** ms since the epoch; the lesser of what the server said and 7 days after the fetch. */
  @Column(bigint)
  validUntil!: number;

  /** Set when the server lists it in old_verify_keys. */
  @Column({ ...bigint, nullable: true })
  expiredAt!: number | null;

  @Column(bigint)
  fetchedAt!: number;
}

/** What a server answered about its keys, as a notary passes it on: the newest answer for each set of keys that it ever had. */
@Entity('key_answer')
export class KeyAnswerEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  /** sha256 of its key ids. */
  @PrimaryColumn({ type: 'varchar', length: 64 })
  keySet!: string;

  /** The signed object as the server gave it. */
  @Column({ type: 'text' })
  json!: string;

  /** ms since the epoch; the lesser of what the server said and 7 days after the fetch. */
  @Column(bigint)
  validUntil!: number;

  @Column(bigint)
  fetchedAt!: number;
}

/** Our own keys. */
@Entity('signing_key')
export class SigningKeyEntity {
  @PrimaryColumn(identifier)
  keyId!: KeyId;

  /** The seed in unpadded base64, or `v1:` + its AES-256-GCM form when SIGNING_KEY_SECRET is set. */
  @Column({ type: 'text' })
  privateKey!: string;

  @Column({ type: 'varchar', length: 64 })
  publicKey!: string;

  @Column(bigint)
  createdAt!: number;

  @Column({ ...bigint, nullable: true })
  expiredAt!: number | null;
}
