import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Semaphore } from 'async-mutex';
import { LRUCache } from 'lru-cache';
import { type EntityManager, In, MoreThan } from 'typeorm';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { KeyAnswerEntity, ServerKeyEntity } from '../../persistence/entities/index.js';
import {
  type KeyId,
  type ServerName,
  type VerifyKey,
  type VerifyKeys,
  createVerifyKey,
  parseServerKeys,
} from '../../protocol/index.js';
import { Incidents } from '../../rooms/incidents.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { TokenBuckets } from '../token-buckets.js';
import { FederationClient } from './federation-client.js';

const MAX_VALIDITY_MS = 7 * 24 * 3_600_000; // LM-04 §Validity
const REFETCH_INTERVAL_MS = 60_000; // profile §3: at most once a minute
const MAX_SERVERS = 10_000;
const MAX_KEY_ANSWER_BYTES = 64 * 1024;
const MAX_KEY_SETS = 20;
/** Of one server, for ever: one that rotates every week needs ten years for them. */
const MAX_KEYS_OF_SERVER = 500;
/** A request that a server sends us waits for its keys no longer than this. */
const KEY_TIMEOUT_MS = 10_000;
const MAX_DETAIL = 400;
/** How long somebody who asks us as a notary waits for the other server. */
const NOTARY_WAIT_MS = 8_000;

/**
 * Anybody can make us ask anywhere, by a request in an invented name. Servers whose keys we have are not held up by that: it
 * is strangers alone who share these.
 */
const STRANGERS = { perSecond: 20, burst: 100 };
const STRANGERS_OF_SOURCE = { perSecond: 1, burst: 20 };
const MAX_STRANGERS_UNDER_WAY = 32;
const MAX_SOURCES = 10_000;
/** Strangers whom a room's hub names as senders; they wait for each other. */
const MAX_SENDERS_UNDER_WAY = 16;

/** Too many servers that we do not know were named at once. */
export class TooManyStrangers extends Error {
  constructor(readonly retryAfterMs: number) {
    super('too many servers that are not known here yet');
  }
}

interface KnownKey {
  key: VerifyKey;
  /** ms since the epoch. */
  validUntil: number;
  expiredAt: number | null;
}

interface KnownServer {
  keys: Map<KeyId, KnownKey>;
  /** When it was last asked, with success or without: failures are remembered too. */
  askedAt: number;
}

/** Verify keys of other servers: in memory, then the database, then the server itself (LM-04 §Retrieving Server Keys). */
@Injectable()
export class RemoteKeys {
  private readonly servers = new LRUCache<ServerName, KnownServer>({ max: MAX_SERVERS });
  private readonly swappers = new LRUCache<ServerName, true>({ max: MAX_SERVERS });
  private readonly fetching = new Map<ServerName, Promise<KnownServer>>();
  private readonly logger = new Logger('RemoteKeys');
  private readonly strangers: TokenBuckets;
  private readonly strangersOfSource: TokenBuckets;
  private readonly senders = new Semaphore(MAX_SENDERS_UNDER_WAY);
  private strangersUnderWay = 0;

  constructor(
    private readonly database: Database,
    private readonly client: FederationClient,
    private readonly identity: ServerIdentity,
    private readonly incidents: Incidents,
    private readonly clock: Clock,
  ) {
    const now = (): number => clock.now();
    this.strangers = new TokenBuckets(STRANGERS, 1, now);
    this.strangersOfSource = new TokenBuckets(STRANGERS_OF_SOURCE, MAX_SOURCES, now);
  }

  /**
   * A current key of the server, by which a request may be signed now; undefined when there is none (LM-04 §Validity).
   * `source`: who made us ask, by address; undefined when that is not known. Rejects with TooManyStrangers.
   */
  async requestKey(server: ServerName, keyId: KeyId, source: string | undefined): Promise<VerifyKey | undefined> {
    const usable = (known: KnownServer): VerifyKey | undefined => {
      const found = known.keys.get(keyId);
      return found?.expiredAt === null && found.validUntil > this.clock.now() ? found.key : undefined;
    };
    const known = await this.known(server);
    return usable(known) ?? usable(await this.refreshFor(source, server, known));
  }

  /** Keys for signatures on events: old ones count too. `wanted` are the key ids that the signatures name. */
  async eventKeys(server: ServerName, wanted: readonly string[]): Promise<VerifyKeys> {
    if (server === this.identity.serverName) return this.ownKeys();
    let known = await this.known(server);
    const missing = (): boolean => wanted.some((keyId) => !known.keys.has(keyId as KeyId));
    if (known.keys.size === 0 || missing()) {
      const before = known;
      known = await this.senders.runExclusive(() => this.refresh(server, before));
    }
    return new Map([...known.keys].map(([keyId, { key }]) => [keyId, key]));
  }

  /**
   * What a server says of its keys, for whoever asks us as a notary: asked for now when nothing that is kept is valid until
   * `validUntil` (ms since the epoch), or when half of its life is over, and `source` has not made us ask too often. Bounded in
   * time; never rejects for the server's sake.
   */
  async keyAnswers(server: ServerName, validUntil: number, source: string | undefined): Promise<KeyAnswerEntity[]> {
    const kept = await this.storedAnswers(server);
    const [newest] = kept;
    const fresh =
      newest !== undefined && this.clock.since(newest.fetchedAt) < (newest.validUntil - newest.fetchedAt) / 2;
    if (newest !== undefined && fresh && newest.validUntil >= validUntil) return kept;
    const asked = this.refreshFor(source, server, await this.known(server)).catch((error: unknown) => {
      if (!(error instanceof TooManyStrangers)) throw error;
    });
    await Promise.race([asked, sleep(NOTARY_WAIT_MS, undefined, { ref: false })]);
    return this.storedAnswers(server);
  }

  private storedAnswers(server: ServerName): Promise<KeyAnswerEntity[]> {
    return this.database.read.find(KeyAnswerEntity, {
      where: { server },
      order: { fetchedAt: 'DESC' },
      take: MAX_KEY_SETS,
    });
  }

  private ownKeys(): VerifyKeys {
    const { signingKey, expiredKeys } = this.identity;
    const all = [{ keyId: signingKey.keyId, publicKey: signingKey.publicKey }, ...expiredKeys];
    return new Map(
      all.flatMap(({ keyId, publicKey }) => {
        const key = createVerifyKey(publicKey);
        return key === undefined ? [] : [[keyId, key] as const];
      }),
    );
  }

  private async known(server: ServerName): Promise<KnownServer> {
    const cached = this.servers.get(server);
    if (cached !== undefined) return cached;
    const rows = await this.database.read.findBy(ServerKeyEntity, { server });
    const meanwhile = this.servers.get(server);
    if (meanwhile !== undefined) return meanwhile;
    const keys = new Map<KeyId, KnownKey>();
    for (const { keyId, publicKey, validUntil, expiredAt } of rows) {
      const key = createVerifyKey(publicKey);
      if (key !== undefined) keys.set(keyId, { key, validUntil, expiredAt });
    }
    const known = { keys, askedAt: 0 };
    this.servers.set(server, known);
    return known;
  }

  /** Asks for somebody who is not authenticated. Rejects with TooManyStrangers. */
  private async refreshFor(source: string | undefined, server: ServerName, known: KnownServer): Promise<KnownServer> {
    const asked = this.clock.since(known.askedAt) < REFETCH_INTERVAL_MS || this.fetching.has(server);
    if (known.keys.size > 0 || asked) return this.refresh(server, known);
    const wait =
      (source === undefined ? 0 : this.strangersOfSource.take(source)) ||
      (this.strangersUnderWay < MAX_STRANGERS_UNDER_WAY ? 0 : KEY_TIMEOUT_MS) ||
      this.strangers.take('');
    if (wait > 0) throw new TooManyStrangers(wait);
    this.strangersUnderWay++;
    try {
      return await this.refresh(server, known);
    } finally {
      this.strangersUnderWay--;
    }
  }

  /** Asks the server, unless it was asked within the last minute. One request at a time per server. */
  private refresh(server: ServerName, known: KnownServer): Promise<KnownServer> {
    const underWay = this.fetching.get(server);
    if (underWay !== undefined) return underWay;
    if (this.clock.since(known.askedAt) < REFETCH_INTERVAL_MS) return Promise.resolve(known);
    const fetched = this.fetch(server, known).finally(() => this.fetching.delete(server));
    this.fetching.set(server, fetched);
    return fetched;
  }

  private async fetch(server: ServerName, known: KnownServer): Promise<KnownServer> {
    const now = this.clock.now();
    known.askedAt = now;
    const answer = await this.client
      .send(server, {
        method: 'GET',
        path: '/_matrix/key/v2/server',
        unsigned: true,
        maxBytes: MAX_KEY_ANSWER_BYTES,
        deadlineMs: KEY_TIMEOUT_MS,
      })
      .catch(() => undefined);
    const parsed = answer && parseServerKeys(answer.value, server);
    if (!parsed?.ok) return known;
    const { validUntilTs, verifyKeys, oldVerifyKeys } = parsed.value;
    const validUntil = Math.min(validUntilTs, now + MAX_VALIDITY_MS);
    const current = [...verifyKeys].map(([keyId, publicKey]) => ({ keyId, publicKey, validUntil, expiredAt: null }));
    const old = [...oldVerifyKeys].map(([keyId, { key, expiredTs }]) => ({
      keyId,
      publicKey: key,
      validUntil: Math.min(validUntil, expiredTs),
      expiredAt: expiredTs,
    }));
    // A key in both lists has expired.
    const rows = [...current.filter(({ keyId }) => !oldVerifyKeys.has(keyId)), ...old];
    const listed = rows.filter(({ keyId, publicKey }) => this.isSameOrNew(known, keyId, publicKey));
    const swapped = rows.filter((row) => !listed.includes(row)).map(({ keyId }) => keyId);
    const added = this.withinBounds(server, known, listed);
    const ids = new Set(rows.map(({ keyId }) => keyId));
    const answered: KeyAnswerEntity = {
      server,
      keySet: sha256(JSON.stringify([...ids].sort())),
      json: JSON.stringify(answer?.value),
      validUntil,
      fetchedAt: now,
    };
    const keys = new Map(known.keys);
    // The newest answer alone says what may sign a request: a key that is gone from it was taken back.
    for (const [keyId, each] of keys) if (!ids.has(keyId)) keys.set(keyId, { ...each, validUntil: 0 });
    const withdrawn = [...known.keys.keys()].filter((keyId) => !ids.has(keyId));
    await this.database.transaction(async (manager) => {
      if (added.length > 0) {
        const fetched = added.map((row) => ({ ...row, server, fetchedAt: now }));
        await manager.upsert(ServerKeyEntity, fetched, ['server', 'keyId']);
      }
      if (withdrawn.length > 0) {
        const where = { server, keyId: In(withdrawn), validUntil: MoreThan(0) };
        await manager.update(ServerKeyEntity, where, { validUntil: 0 });
      }
      if (swapped.length === 0) await this.keepAnswer(manager, answered);
    });
    if (swapped.length > 0) await this.recordSwap(server, swapped);
    for (const { keyId, publicKey, validUntil: until, expiredAt } of added) {
      const key = createVerifyKey(publicKey);
      if (key !== undefined) keys.set(keyId, { key, validUntil: until, expiredAt });
    }
    const next = { keys, askedAt: now };
    this.servers.set(server, next);
    return next;
  }

  /** What of a list may be kept beside what is known: a server that makes up keys locks itself out, and nobody else. */
  private withinBounds<T extends { keyId: KeyId }>(server: ServerName, known: KnownServer, rows: readonly T[]): T[] {
    const fresh = rows.filter(({ keyId }) => !known.keys.has(keyId));
    const room = MAX_KEYS_OF_SERVER - known.keys.size;
    if (fresh.length > room)
      this.logger.warn({ server, keys: known.keys.size }, 'it has too many keys; no more are taken');
    const over = new Set(fresh.slice(Math.max(0, room)));
    return rows.filter((row) => !over.has(row));
  }

  /** A server that makes up key after key does not fill our disk. */
  private async keepAnswer(manager: EntityManager, answered: KeyAnswerEntity): Promise<void> {
    const { server, keySet } = answered;
    const known = await manager.existsBy(KeyAnswerEntity, { server, keySet });
    if (!known && (await manager.countBy(KeyAnswerEntity, { server })) >= MAX_KEY_SETS) {
      const [oldest] = await manager.find(KeyAnswerEntity, { where: { server }, order: { fetchedAt: 'ASC' }, take: 1 });
      if (oldest !== undefined) await manager.delete(KeyAnswerEntity, { server, keySet: oldest.keySet });
    }
    await manager.upsert(KeyAnswerEntity, answered, ['server', 'keySet']);
  }

  private async recordSwap(server: ServerName, keyIds: readonly KeyId[]): Promise<void> {
    if (this.swappers.has(server)) return; // once is enough to know it
    this.swappers.set(server, true);
    const detail = `it published another key under ${keyIds.join(', ').slice(0, MAX_DETAIL)}`;
    await this.incidents.record({ kind: 'key_swap', server, roomId: null, eventId: null, detail });
  }

  /** A key id means one key for ever: a server that swaps the key behind it is not believed. */
  private isSameOrNew(known: KnownServer, keyId: KeyId, publicKey: string): boolean {
    const before = known.keys.get(keyId);
    return before === undefined || createVerifyKey(publicKey)?.publicKey.equals(before.key.publicKey) === true;
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64');
