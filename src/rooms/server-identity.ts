import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { type EntityManager, IsNull } from 'typeorm';
import { SigningKeyEntity } from '../persistence/entities/index.js';
import { type Database } from '../persistence/database.js';
import type { Wakeups } from '../persistence/wakeups.js';
import { type Clock } from '../persistence/clock.js';
import {
  type KeyId,
  type ServerName,
  type SigningKey,
  createSigningKey,
  decodeBase64,
  encodeBase64,
  parseKeyId,
} from '../protocol/index.js';

const SEALED = 'v1:';

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
  return { current: createSigningKey(current.keyId, unseal(current, secret)), expired };
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

/** AES-256-GCM under sha256(secret): iv (12 bytes), tag (16 bytes), ciphertext. */
function seal(seed: Uint8Array, secret: string | undefined): string {
  if (secret === undefined) return encodeBase64(seed);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), iv);
  const body = Buffer.concat([cipher.update(seed), cipher.final()]);
  return SEALED + encodeBase64(Buffer.concat([iv, cipher.getAuthTag(), body]));
}

function unseal(row: SigningKeyEntity, secret: string | undefined): Uint8Array {
  const sealed = row.privateKey.startsWith(SEALED);
  const bytes = decodeBase64(sealed ? row.privateKey.slice(SEALED.length) : row.privateKey);
  if (bytes === undefined) throw new Error(`signing key ${row.keyId} is damaged in the database`);
  if (!sealed) return bytes;
  if (secret === undefined) throw new Error(`signing key ${row.keyId} is sealed: set SIGNING_KEY_SECRET`);
  const decipher = createDecipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
  } catch {
    throw new Error(`signing key ${row.keyId} does not open with this SIGNING_KEY_SECRET`);
  }
}
