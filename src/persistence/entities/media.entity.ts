import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { RoomId, ServerName } from '../../protocol/index.js';
import { bigint, identifier } from '../columns.js';

/** A file in the media folder: one of ours, for good, or another server's, for as long as there is room. */
@Entity('media')
@Index('media_origin_key', ['originKey'], { unique: true })
@Index('media_used', ['usedAt'])
export class MediaEntity {
  @PrimaryColumn(identifier)
  server!: ServerName;

  @PrimaryColumn(identifier)
  mediaId!: string;

  /** Of ours: what it was before it was ours, so that it becomes ours once. */
  @Column({ ...identifier, nullable: true })
  originKey!: string | null;

  /** Of ours: the room in which it was said, whose servers may have it. */
  @Column({ ...identifier, nullable: true })
  roomId!: RoomId | null;

  @Column(identifier)
  name!: string;

  @Column(identifier)
  mimeType!: string;

  /** Bytes. */
  @Column(bigint)
  size!: number;

  /** Of a picture, in pixels. */
  @Column({ type: 'integer', nullable: true })
  width!: number | null;

  @Column({ type: 'integer', nullable: true })
  height!: number | null;

  /** When it was wanted last, in ms since the epoch. */
  @Column(bigint)
  usedAt!: number;
}
