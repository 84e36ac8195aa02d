import { createHash, randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Not } from 'typeorm';
import { Configuration } from '../config/index.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { MediaEntity } from '../persistence/entities/index.js';
import { type RoomId, type ServerName, parseServerName } from '../protocol/index.js';
import { MediaFiles } from './media-files.js';
import { MediaError, RemoteMedia } from './remote-media.js';

const MXC = /^mxc:\/\/([^/]{1,255})\/([A-Za-z0-9_-]{1,255})$/;
const MAX_NAME_BYTES = 200;
/** One that its server does not give for so long is not waited for any more: messages are behind it. */
const PATIENCE_MS = 2 * 60_000;
const MAX_FAILING = 1_000;
const EVICTED_AT_ONCE = 50;

export interface NativeFile {
  stream: Readable;
  mimeType: string;
  name: string;
}

export interface SharedFile {
  mxc: string;
  mimeType: string;
  size: number;
  width?: number;
  height?: number;
}

export interface OpenedFile {
  stream: Readable;
  mimeType: string;
  size: number;
  name: string;
}

/** The files that people share: ours for the servers of their rooms, others' for our people (Matrix 1.11, Content repository). */
@Injectable()
export class Media {
  private readonly files: MediaFiles;
  private readonly serverName: ServerName;
  private readonly maxBytes: number;
  private readonly cacheBytes: number;
  private readonly downloads = new Map<string, Promise<MediaEntity>>();
  /** Since when a file could not be had, in ms of the clock. */
  private readonly failing = new LRUCache<string, number>({ max: MAX_FAILING });

  constructor(
    configuration: Configuration,
    private readonly database: Database,
    private readonly remote: RemoteMedia,
    private readonly clock: Clock,
  ) {
    const { directory, maxBytes, cacheBytes } = configuration.media;
    this.files = new MediaFiles(directory);
    this.serverName = configuration.serverName;
    [this.maxBytes, this.cacheBytes] = [maxBytes, cacheBytes];
  }

  /**
   * Makes a file ours, once for each key; `open` is not called for one that is. Durable when it resolves. Rejects with MediaError
   * `too_large`, and with what `open` or its stream fails with.
   */
  async keep(key: string, roomId: RoomId, open: () => Promise<NativeFile>): Promise<SharedFile> {
    const originKey = createHash('sha256').update(key).digest('hex');
    const known = await this.database.read.findOneBy(MediaEntity, { originKey });
    if (known !== null) return shared(known);
    const { stream, mimeType, name } = await open();
    const mediaId = randomBytes(18).toString('base64url');
    const file = await this.files.keep(idOf(this.serverName, mediaId), stream, mimeType, this.maxBytes);
    const row = this.rowOf(this.serverName, mediaId, { originKey, roomId, name, ...file });
    const kept = await this.database.transaction(async (manager) => {
      await manager.createQueryBuilder().insert().into(MediaEntity).values(row).orIgnore().execute();
      return manager.findOneByOrFail(MediaEntity, { originKey });
    });
    if (kept.mediaId !== mediaId) await this.files.remove(idOf(this.serverName, mediaId));
    return shared(kept);
  }

  /** A file by its `mxc:` URI, from its server when it is not here. Rejects with MediaError. */
  async open(mxc: string, maxBytes = this.maxBytes): Promise<OpenedFile> {
    const [, serverText, mediaId = ''] = MXC.exec(mxc) ?? [];
    const server = parseServerName(serverText);
    if (server === undefined) throw new MediaError('gone', 'this is no file');
    const row = server === this.serverName ? await this.own(mediaId) : await this.ofOthers(server, mediaId);
    if (row.size > Math.min(maxBytes, this.maxBytes)) {
      throw new MediaError('too_large', `the file has ${String(row.size)} bytes`);
    }
    const { mimeType, size, name } = row;
    const stream = await this.files.open(idOf(server, mediaId));
    if (stream === undefined) throw new MediaError('unavailable', 'the file is not in its folder');
    return { stream, mimeType, size, name };
  }

  /** The room in which a file of ours was said; undefined when there is no such file. */
  async roomOf(mediaId: string): Promise<RoomId | undefined> {
    const row = await this.database.read.findOneBy(MediaEntity, { server: this.serverName, mediaId });
    return row?.roomId ?? undefined;
  }

  private async own(mediaId: string): Promise<MediaEntity> {
    const row = await this.database.read.findOneBy(MediaEntity, { server: this.serverName, mediaId });
    if (row === null) throw new MediaError('gone', 'there is no such file');
    return row;
  }

  private async ofOthers(server: ServerName, mediaId: string): Promise<MediaEntity> {
    const id = idOf(server, mediaId);
    const known = await this.database.read.findOneBy(MediaEntity, { server, mediaId });
    if (known !== null && (await this.files.has(id))) {
      await this.database.transaction((manager) =>
        manager.update(MediaEntity, { server, mediaId }, { usedAt: this.clock.now() }),
      );
      return known;
    }
    const running = this.downloads.get(id) ?? this.download(server, mediaId);
    this.downloads.set(id, running);
    try {
      return await running;
    } finally {
      this.downloads.delete(id);
    }
  }

  private async download(server: ServerName, mediaId: string): Promise<MediaEntity> {
    const id = idOf(server, mediaId);
    try {
      const { stream, mimeType, name } = await this.remote.download(server, mediaId);
      const file = await this.files.keep(id, stream, mimeType, this.maxBytes);
      const row = this.rowOf(server, mediaId, { originKey: null, roomId: null, name, ...file });
      await this.database.transaction((manager) => manager.upsert(MediaEntity, row, ['server', 'mediaId']));
      this.failing.delete(id);
      await this.evict(mediaId);
      return row;
    } catch (error) {
      if (error instanceof MediaError && error.code !== 'unavailable') throw error;
      const since = this.failing.get(id) ?? this.clock.now();
      this.failing.set(id, since);
      const reason = error instanceof Error ? error.message : String(error);
      const late = this.clock.now() - since > PATIENCE_MS;
      throw new MediaError(late ? 'gone' : 'unavailable', `${server} does not give the file: ${reason}`);
    }
  }

  /** Other servers' files beyond the quota go: the one that was not wanted for longest first. What has just come stays. */
  private async evict(newest: string): Promise<void> {
    const others = { server: Not(this.serverName) };
    let size = (await this.database.read.sum(MediaEntity, 'size', others)) ?? 0;
    while (size > this.cacheBytes) {
      const oldest = await this.database.read.find(MediaEntity, {
        where: { ...others, mediaId: Not(newest) },
        order: { usedAt: 'ASC' },
        take: EVICTED_AT_ONCE,
      });
      if (oldest.length === 0) return;
      for (const { server, mediaId, size: bytes } of oldest) {
        if (size <= this.cacheBytes) return;
        await this.database.transaction((manager) => manager.delete(MediaEntity, { server, mediaId }));
        await this.files.remove(idOf(server, mediaId));
        size = size - bytes;
      }
    }
  }

  private rowOf(
    server: ServerName,
    mediaId: string,
    { name, ...file }: Omit<MediaEntity, 'server' | 'mediaId' | 'usedAt'>,
  ): MediaEntity {
    const short = Buffer.from(name)
      .subarray(0, MAX_NAME_BYTES)
      .toString('utf8')
      .replace(/\uFFFD+$/, '');
    return { server, mediaId, ...file, name: short === '' ? 'file' : short, usedAt: this.clock.now() };
  }
}

const idOf = (server: ServerName, mediaId: string): string => `${server}/${mediaId}`;

const shared = ({ server, mediaId, mimeType, size, width, height }: MediaEntity): SharedFile => ({
  mxc: `mxc://${server}/${mediaId}`,
  mimeType,
  size,
  ...(width === null ? {} : { width }),
  ...(height === null ? {} : { height }),
});
