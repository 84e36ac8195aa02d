import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { SigningKeyEntity } from '../persistence/entities/index.js';
import { type Database } from '../persistence/database.js';
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

/** Who we are on the wire: our server name and our signing keys. */
export class ServerIdentity {
  private constructor(
    readonly serverName: ServerName,
    /** The key that signs. */
    readonly signingKey: SigningKey,
    readonly expiredKeys: readonly ExpiredKey[],
  ) {}

  /** Reads the keys, making the first one when there is none. Throws when a sealed key does not open with `secret`. */
  static async load(
    database: Database,
    clock: Clock,
    serverName: ServerName,
    secret: string | undefined,
  ): Promise<ServerIdentity> {
    return database.transaction(async (manager) => {
      const rows = await manager.find(SigningKeyEntity, { order: { createdAt: 'DESC' } });
      const current = rows.find((row) => row.expiredAt === null) ?? (await makeKey(manager, clock, secret));
      const expired = rows.flatMap(({ keyId, publicKey, expiredAt }) =>
        expiredAt === null ? [] : [{ keyId, publicKey, expiredAt }],
      );
      return new ServerIdentity(serverName, createSigningKey(current.keyId, unseal(current, secret)), expired);
    });
  }
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
