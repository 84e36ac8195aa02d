import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { ServerKeyEntity } from '../../persistence/entities/index.js';
import {
  type KeyId,
  type ServerName,
  type VerifyKey,
  type VerifyKeys,
  createVerifyKey,
  parseServerKeys,
} from '../../protocol/index.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { FederationClient } from './federation-client.js';

const MAX_VALIDITY_MS = 7 * 24 * 3_600_000; // LM-04 §Validity
const REFETCH_INTERVAL_MS = 60_000; // profile §3: at most once a minute
const MAX_SERVERS = 10_000;

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
  private readonly fetching = new Map<ServerName, Promise<KnownServer>>();

  constructor(
    private readonly database: Database,
    private readonly client: FederationClient,
    private readonly identity: ServerIdentity,
    private readonly clock: Clock,
  ) {}

  /** A current key of the server, by which a request may be signed now; undefined when there is none (LM-04 §Validity). */
  async requestKey(server: ServerName, keyId: KeyId): Promise<VerifyKey | undefined> {
    const usable = (known: KnownServer): VerifyKey | undefined => {
      const found = known.keys.get(keyId);
      return found?.expiredAt === null && found.validUntil > this.clock.now() ? found.key : undefined;
    };
    const known = await this.known(server);
    return usable(known) ?? usable(await this.refresh(server, known));
  }

  /** Keys for signatures on events: old ones count too. `wanted` are the key ids that the signatures name. */
  async eventKeys(server: ServerName, wanted: readonly string[]): Promise<VerifyKeys> {
    if (server === this.identity.serverName) return this.ownKeys();
    let known = await this.known(server);
    const missing = (): boolean => wanted.some((keyId) => !known.keys.has(keyId as KeyId));
    if (known.keys.size === 0 || missing()) known = await this.refresh(server, known);
    return new Map([...known.keys].map(([keyId, { key }]) => [keyId, key]));
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
    const keys = new Map<KeyId, KnownKey>();
    for (const { keyId, publicKey, validUntil, expiredAt } of rows) {
      const key = createVerifyKey(publicKey);
      if (key !== undefined) keys.set(keyId, { key, validUntil, expiredAt });
    }
    const known = { keys, askedAt: 0 };
    this.servers.set(server, known);
    return known;
  }

  /** Asks the server, unless it was asked within the last minute. One request at a time per server. */
  private refresh(server: ServerName, known: KnownServer): Promise<KnownServer> {
    if (this.clock.now() - known.askedAt < REFETCH_INTERVAL_MS) return Promise.resolve(known);
    const underWay = this.fetching.get(server);
    if (underWay !== undefined) return underWay;
    const fetched = this.fetch(server, known).finally(() => this.fetching.delete(server));
    this.fetching.set(server, fetched);
    return fetched;
  }

  private async fetch(server: ServerName, known: KnownServer): Promise<KnownServer> {
    const now = this.clock.now();
    known.askedAt = now;
    const answer = await this.client
      .send(server, { method: 'GET', path: '/_matrix/key/v2/server', unsigned: true })
      .catch(() => undefined);
    const parsed = answer && parseServerKeys(answer.value, server);
    if (!parsed?.ok) return known;
    const { validUntilTs, verifyKeys, oldVerifyKeys } = parsed.value;
    const validUntil = Math.min(validUntilTs, now + MAX_VALIDITY_MS);
    const rows = [
      ...[...verifyKeys].map(([keyId, publicKey]) => ({ keyId, publicKey, validUntil, expiredAt: null })),
      ...[...oldVerifyKeys].map(([keyId, { key, expiredTs }]) => ({
        keyId,
        publicKey: key,
        validUntil: Math.min(validUntil, expiredTs),
        expiredAt: expiredTs,
      })),
    ];
    const added = rows.filter(({ keyId, publicKey }) => this.isSameOrNew(known, keyId, publicKey));
    await this.database.transaction((manager) =>
      manager.upsert(
        ServerKeyEntity,
        added.map((row) => ({ ...row, server, fetchedAt: now })),
        ['server', 'keyId'],
      ),
    );
    const keys = new Map(known.keys);
    for (const { keyId, publicKey, validUntil: until, expiredAt } of added) {
      const key = createVerifyKey(publicKey);
      if (key !== undefined) keys.set(keyId, { key, validUntil: until, expiredAt });
    }
    const next = { keys, askedAt: now };
    this.servers.set(server, next);
    return next;
  }

  /** A key id means one key for ever: a server that swaps the key behind it is not believed. */
  private isSameOrNew(known: KnownServer, keyId: KeyId, publicKey: string): boolean {
    const before = known.keys.get(keyId);
    return before === undefined || createVerifyKey(publicKey)?.publicKey.equals(before.key.publicKey) === true;
  }
}
