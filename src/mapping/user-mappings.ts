import { Injectable } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Configuration } from '../config/index.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { UserMappingEntity } from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import { MAX_IDENTIFIER_BYTES, type UserId, parseUserId } from '../protocol/index.js';

const MARKS = /\p{M}/gu;
const NOT_ALLOWED = /[^a-z0-9._=/+-]+/g;
const SUFFIX_ROOM = 12;

/** A username made to fit the grammar of a localpart (LM-04 §Users), at most `length` characters. */
export function localpartFrom(username: string, length: number): string {
  const plain = username.normalize('NFKD').replace(MARKS, '').toLowerCase().replace(NOT_ALLOWED, '_');
  const trimmed = plain.replace(/^_+|_+$/g, '').slice(0, length);
  return trimmed === '' ? 'user' : trimmed;
}

/** Which native user is which `@name:domain`: stored once, it survives renames (design §7). */
@Injectable()
export class UserMappings {
  constructor(
    private readonly configuration: Configuration,
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  /** The user id of a native user; made at first sight, with a suffix when the name is taken. */
  async ensure(
    { platform, workspace }: { platform: string; workspace: string },
    {
      id: nativeUserId,
      username,
      displayName,
      avatarUrl,
    }: { id: string; username: string; displayName: string; avatarUrl?: string },
  ): Promise<UserId> {
    const key = { platform, workspace, nativeUserId };
    const known = await this.database.read.findOneBy(UserMappingEntity, key);
    // Where the platform says nothing of a picture, the one that is known stays.
    const profile = { displayName, ...(avatarUrl === undefined ? {} : { avatarUrl }) };
    if (known?.displayName === displayName && (avatarUrl ?? known.avatarUrl) === known.avatarUrl) return known.userId;
    return this.database.transaction(async (manager) => {
      const existing = await manager.findOneBy(UserMappingEntity, key);
      if (existing !== null) {
        await manager.update(UserMappingEntity, key, profile);
        return existing.userId;
      }
      for (let attempt = 1; ; attempt++) {
        const userId = this.candidate(username, attempt);
        if (userId === undefined || (await manager.existsBy(UserMappingEntity, { userId }))) continue;
        await manager.insert(UserMappingEntity, {
          ...key,
          userId,
          avatarUrl: null,
          ...profile,
          createdAt: this.clock.now(),
        });
        return userId;
      }
    });
  }

  /** What somebody is called from now on; their rooms are to follow. */
  async change(
    manager: EntityManager,
    { userId }: UserMappingEntity,
    { displayName, avatarUrl }: { displayName: string; avatarUrl?: string },
  ): Promise<void> {
    const profile = { displayName, ...(avatarUrl === undefined ? {} : { avatarUrl }) };
    await manager.update(UserMappingEntity, { userId }, { ...profile, staleProfile: true });
    this.wakeups.wake('profile', userId);
  }

  /** Whose rooms have not followed yet. */
  stale(): Promise<UserMappingEntity[]> {
    return this.database.read.findBy(UserMappingEntity, { staleProfile: true });
  }

  /** Their rooms have this name, if they have not got another one meanwhile. */
  async followed(manager: EntityManager, { userId, displayName }: UserMappingEntity): Promise<void> {
    await manager.update(UserMappingEntity, { userId, displayName }, { staleProfile: false });
  }

  find(userId: UserId): Promise<UserMappingEntity | null> {
    return this.database.read.findOneBy(UserMappingEntity, { userId });
  }

  /** Users of these native ids, as far as they are known. */
  async ofNative(
    { platform, workspace }: { platform: string; workspace: string },
    nativeUserIds: readonly string[],
  ): Promise<UserMappingEntity[]> {
    if (nativeUserIds.length === 0) return [];
    return this.database.read.findBy(UserMappingEntity, { platform, workspace, nativeUserId: In([...nativeUserIds]) });
  }

  /** Those of this workspace among these users. */
  async ofUsers(
    { platform, workspace }: { platform: string; workspace: string },
    userIds: readonly UserId[],
  ): Promise<UserMappingEntity[]> {
    if (userIds.length === 0) return [];
    return this.database.read.findBy(UserMappingEntity, { platform, workspace, userId: In([...userIds]) });
  }

  private candidate(username: string, attempt: number): UserId | undefined {
    const { serverName, botLocalpart } = this.configuration;
    const localpart = localpartFrom(username, MAX_IDENTIFIER_BYTES - serverName.length - SUFFIX_ROOM);
    const name = attempt === 1 ? localpart : `${localpart}-${String(attempt)}`;
    return name === botLocalpart ? undefined : parseUserId(`@${name}:${serverName}`);
  }
}
