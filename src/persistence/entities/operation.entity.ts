import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigint, identifier, word } from '../columns.js';

/** One holder of a resource across processes. The token grows with every change of holder (fencing). */
@Entity('lease')
export class LeaseEntity {
  /** `kind/key`; a key can be as long as a platform, a workspace and a channel, each percent-encoded. */
  @PrimaryColumn({ type: 'varchar', length: 2_048 })
  resource!: string;

  @Column(identifier)
  holder!: string;

  @Column(bigint)
  token!: number;

  @Column(bigint)
  expiresAt!: number;
}

/** Who changed what. */
@Entity('audit_log')
export class AuditLogEntity {
  @PrimaryColumn(bigint)
  id!: number;

  @Column(identifier)
  actor!: string;

  @Column(word)
  action!: string;

  @Column({ type: 'text' })
  detail!: string;

  @Column(bigint)
  at!: number;
}
