import { type KeyId, type ServerName, parseKeyId } from './identifiers.js';
import { type JsonObject, type JsonValue, isJsonObject } from './json.js';
import { type Result, err, ok } from './result.js';
import { type SigningKey, type VerifyKey, createVerifyKey, signObject, verifyObject } from './signing.js';

const MAX_KEYS = 100;

export interface ServerKeys {
  /** ms since the epoch, as the server said. */
  validUntilTs: number;
  /** Unpadded base64 by key id. */
  verifyKeys: ReadonlyMap<KeyId, string>;
  oldVerifyKeys: ReadonlyMap<KeyId, { key: string; expiredTs: number }>;
}

export interface OwnKeys {
  serverName: ServerName;
  keys: readonly SigningKey[];
  oldKeys: readonly { keyId: KeyId; publicKey: string; expiredAt: number }[];
  validUntilTs: number;
  /** Whether to say `m.linearized` (profile §4). */
  linearized: boolean;
}

/** The answer to GET /_matrix/key/v2/server, signed with every current key (LM-04 §Retrieving Server Keys). */
export function buildServerKeys({ serverName, keys, oldKeys, validUntilTs, linearized }: OwnKeys): JsonObject {
  const bare: JsonObject = {
    server_name: serverName,
    valid_until_ts: validUntilTs,
    ...(linearized ? { 'm.linearized': true } : {}),
    verify_keys: Object.fromEntries(keys.map((key) => [key.keyId, { key: key.publicKey }])),
    old_verify_keys: Object.fromEntries(
      oldKeys.map(({ keyId, publicKey, expiredAt }) => [keyId, { key: publicKey, expired_ts: expiredAt }]),
    ),
  };
  return keys.reduce((object, key) => signObject(object, serverName, key), bare);
}

/** Another server's keys, checked: the name is its own, and its listed keys signed the answer. */
export function parseServerKeys(value: JsonValue, serverName: ServerName): Result<ServerKeys, string> {
  if (!isJsonObject(value)) return err('not an object');
  if (value.server_name !== serverName) return err(`the keys are those of ${JSON.stringify(value.server_name)}`);
  const { valid_until_ts: validUntilTs } = value;
  if (typeof validUntilTs !== 'number' || !Number.isSafeInteger(validUntilTs))
    return err('valid_until_ts is no integer');
  const verifyKeys = new Map<KeyId, string>();
  const usable = new Map<KeyId, VerifyKey>();
  const oldVerifyKeys = new Map<KeyId, { key: string; expiredTs: number }>();
  const current = isJsonObject(value.verify_keys) ? value.verify_keys : {};
  const old = isJsonObject(value.old_verify_keys) ? value.old_verify_keys : {};
  if (Object.keys(current).length + Object.keys(old).length > MAX_KEYS) return err('too many keys');
  for (const [id, entry] of Object.entries(current)) {
    const key = parseKey(id, entry);
    if (key === undefined) continue;
    verifyKeys.set(key.keyId, key.publicKey);
    usable.set(key.keyId, key.verifyKey);
  }
  for (const [id, entry] of Object.entries(old)) {
    const key = parseKey(id, entry);
    const expiredTs = isJsonObject(entry) ? entry.expired_ts : undefined;
    if (key !== undefined && Number.isSafeInteger(expiredTs)) {
      oldVerifyKeys.set(key.keyId, { key: key.publicKey, expiredTs: expiredTs as number });
    }
  }
  if (!verifyObject(value, serverName, usable)) return err('not signed by the keys that it lists');
  return ok({ validUntilTs, verifyKeys, oldVerifyKeys });
}

function parseKey(
  id: string,
  entry: JsonValue | undefined,
): { keyId: KeyId; publicKey: string; verifyKey: VerifyKey } | undefined {
  const keyId = parseKeyId(id);
  const publicKey = isJsonObject(entry) ? entry.key : undefined;
  if (keyId === undefined || typeof publicKey !== 'string') return undefined;
  const verifyKey = createVerifyKey(publicKey);
  return verifyKey && { keyId, publicKey, verifyKey };
}
