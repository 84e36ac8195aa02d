import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigint, identifier } from '../columns.js';

/** A secret that came while the gateway ran. */
@Entity('secret')
export class SecretEntity {
  @PrimaryColumn(identifier)
  name!: string;

  /** As `sealing.ts` writes it. */
  @Column({ type: 'text' })
  value!: string;

  @Column(bigint)
  changedAt!: number;
}
