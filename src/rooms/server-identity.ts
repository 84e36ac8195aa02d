import { randomBytes } from 'node:crypto';
import { type EntityManager, IsNull } from 'typeorm';
import { SigningKeyEntity } from '../persistence/entities/index.js';
import { type Database } from '../persistence/database.js';
import type { Wakeups } from '../persistence/wakeups.js';
import { type Clock } from '../persistence/clock.js';
import { CannotOpen, seal, unseal } from '../persistence/sealing.js';
import { type KeyId, type ServerName, type SigningKey, createSigningKey, parseKeyId } from '../protocol/index.js';

/** A key that signs no more; its signatures on old events stay good (LM-04 §Validity). */
export interface ExpiredKey {
  keyId: KeyId;
  publicKey: string;
  expiredAt: number;
}

interface Keys {
  current: SigningKey;
  expired: readonly ExpiredKey[];
}

/** Who we are on the wire: our server name and our signing keys. */
export class ServerIdentity {
  private constructor(
    readonly serverName: ServerName,
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
    private readonly secret: string | undefined,
    private keys: Keys,
  ) {}

  /** The key that signs. It changes with a rotation: ask for it each time. */
  get signingKey(): SigningKey {
    return this.keys.current;
  }

  get expiredKeys(): readonly ExpiredKey[] {
    return this.keys.expired;
  }

  /** Reads the keys, making the first one when there is none. Throws when a sealed key does not open with `secret`. */
  static async load(
    database: Database,
    wakeups: Wakeups,
    clock: Clock,
    serverName: ServerName,
    secret: string | undefined,
  ): Promise<ServerIdentity> {
    const keys = await database.transaction(async (manager) => {
      await alone(database, manager);
      if (!(await manager.existsBy(SigningKeyEntity, { expiredAt: IsNull() }))) await makeKey(manager, clock, secret);
      return readKeys(manager, secret);
    });
    return new ServerIdentity(serverName, database, wakeups, clock, secret, keys);
  }

  /** Takes the keys as they are now: another process on this database may have rotated them. */
  async reload(): Promise<void> {
    this.keys = await readKeys(this.database.read, this.secret);
  }

  /**
   * Makes a new key, which signs from the commit on; the one before it is published as old, and its signatures on events stay
   * good. Joins the caller's transaction.
   */
  async rotate(): Promise<KeyId> {
    return this.database.transaction(async (manager) => {
      await alone(this.database, manager);
      await manager.update(SigningKeyEntity, { expiredAt: IsNull() }, { expiredAt: this.clock.now() });
      const { keyId } = await makeKey(manager, this.clock, this.secret);
      const keys = await readKeys(manager, this.secret);
      this.database.afterCommit(() => {
        this.keys = keys;
      });
      this.wakeups.wake('keys', keyId);
      return keyId;
    });
  }
}

/** Two processes that start, or rotate, at the same time make one key after the other. */
async function alone({ engine }: Database, manager: EntityManager): Promise<void> {
  if (engine === 'postgres') await manager.query('LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE');
}

async function readKeys(manager: EntityManager, secret: string | undefined): Promise<Keys> {
  const rows = await manager.find(SigningKeyEntity, { order: { createdAt: 'DESC' } });
  const current = rows.find((row) => row.expiredAt === null);
  if (current === undefined) throw new Error('there is no signing key');
  const expired = rows.flatMap(({ keyId, publicKey, expiredAt }) =>
    expiredAt === null ? [] : [{ keyId, publicKey, expiredAt }],
  );
  return { current: createSigningKey(current.keyId, opened(current, secret)), expired };
}

async function makeKey(manager: EntityManager, clock: Clock, secret: string | undefined): Promise<SigningKeyEntity> {
  const keyId = parseKeyId(`ed25519:${randomBytes(4).toString('hex')}`);
  if (keyId === undefined) throw new Error('a fresh key id does not fit the grammar');
  const seed = randomBytes(32);
  const row: SigningKeyEntity = {
    keyId,
    privateKey: seal(seed, secret),
    publicKey: createSigningKey(keyId, seed).publicKey,
    createdAt: clock.now(),
    expiredAt: null,
  };
  await manager.insert(SigningKeyEntity, row);
  return row;
}

function opened({ keyId, privateKey }: SigningKeyEntity, secret: string | undefined): Uint8Array {
  try {
    return unseal(privateKey, secret);
  } catch (error) {
    throw error instanceof CannotOpen ? new Error(`signing key ${keyId} ${error.message}`) : error;
  }
}
