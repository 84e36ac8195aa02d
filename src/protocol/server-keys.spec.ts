import { describe, expect, it } from 'vitest';
import { ACME, GLOBEX, aKey } from '../../test/support/events.js';
import type { JsonObject, JsonValue } from './json.js';
import { buildServerKeys, parseServerKeys } from './server-keys.js';
import { signObject } from './signing.js';

const [current, next, old] = [aKey(1), aKey(2, 'ed25519:2'), aKey(3, 'ed25519:old')];
const built = (more: Partial<Parameters<typeof buildServerKeys>[0]> = {}): JsonObject =>
  buildServerKeys({
    serverName: ACME,
    keys: [current, next],
    oldKeys: [{ keyId: old.keyId, publicKey: old.publicKey, expiredAt: 5 }],
    validUntilTs: 1_000,
    linearized: true,
    ...more,
  });

function fault(value: JsonValue, server = ACME): string | undefined {
  const parsed = parseServerKeys(value, server);
  return parsed.ok ? undefined : parsed.error;
}

/** The answer with other fields, signed anew. */
const resigned = (fields: JsonObject): JsonObject =>
  signObject({ ...built(), ...fields, signatures: {} }, ACME, current);

describe('the answer with a server’s keys', () => {
  // proves LM-04/api-self-key/2; profile/endpoints/2
  it('tells current keys and old ones, signed with every current key', () => {
    expect(built()).toMatchObject({
      server_name: ACME,
      valid_until_ts: 1_000,
      'm.linearized': true,
      verify_keys: { 'ed25519:1': { key: current.publicKey }, 'ed25519:2': { key: next.publicKey } },
      old_verify_keys: { 'ed25519:old': { key: old.publicKey, expired_ts: 5 } },
    });
    expect(Object.keys((built().signatures as Record<string, object>)[ACME] ?? {})).toEqual(['ed25519:1', 'ed25519:2']);
  });

  it('does not say m.linearized where that is switched off', () => {
    expect(built({ linearized: false })).not.toHaveProperty(['m.linearized']);
  });

  it('is read as it was written', () => {
    expect(parseServerKeys(built(), ACME)).toEqual({
      ok: true,
      value: {
        validUntilTs: 1_000,
        verifyKeys: new Map([
          [current.keyId, current.publicKey],
          [next.keyId, next.publicKey],
        ]),
        oldVerifyKeys: new Map([[old.keyId, { key: old.publicKey, expiredTs: 5 }]]),
      },
    });
  });

  it.each<[string, () => JsonValue, string]>([
    ['no object', () => [], 'not an object'],
    ['of another server', () => built({ serverName: GLOBEX }), 'the keys are those of "globex.example"'],
    ['of nobody', () => resigned({ server_name: 5 }), 'the keys are those of 5'],
    ['without a validity', () => resigned({ valid_until_ts: 'x' }), 'valid_until_ts is no integer'],
    ['valid until a fraction', () => resigned({ valid_until_ts: null }), 'valid_until_ts is no integer'],
    ['valid for ever', () => ({ ...built(), valid_until_ts: 2 ** 60 }), 'valid_until_ts is no integer'],
    [
      'changed after it was signed',
      () => ({ ...built(), valid_until_ts: 2_000 }),
      'not signed by the keys that it lists',
    ],
    ['not signed', () => ({ ...built(), signatures: {} }), 'not signed by the keys that it lists'],
    ['without keys', () => resigned({ verify_keys: {} }), 'not signed by the keys that it lists'],
    ['with keys that are no object', () => resigned({ verify_keys: [] }), 'not signed by the keys that it lists'],
    [
      'signed with an old key alone',
      () => signObject({ ...built(), signatures: {} }, ACME, old),
      'not signed by the keys that it lists',
    ],
  ])('is refused when it is %s', (_what, make, reason) => {
    expect(fault(make())).toBe(reason);
  });

  it('loses the keys that are none, and keeps the rest', () => {
    const { verify_keys: keys } = built();
    const answer = resigned({
      verify_keys: {
        ...(keys as JsonObject),
        'curve25519:1': { key: next.publicKey },
        'ed25519:short': { key: 'AAAA' },
        'ed25519:none': 'x',
        'ed25519:number': { key: 5 },
      },
      old_verify_keys: {
        'ed25519:good': { key: old.publicKey, expired_ts: 7 },
        'ed25519:when': { key: old.publicKey },
        'ed25519:word': { key: old.publicKey, expired_ts: 'x' },
        'ed25519:what': { key: 'x', expired_ts: 7 },
        'ed25519:none': 5,
      },
    });
    const parsed = parseServerKeys(answer, ACME);
    if (!parsed.ok) throw new Error(parsed.error);
    expect([...parsed.value.verifyKeys.keys()]).toEqual(['ed25519:1', 'ed25519:2']);
    expect([...parsed.value.oldVerifyKeys.keys()]).toEqual(['ed25519:good']);
  });

  it('may have no old keys', () => {
    const parsed = parseServerKeys(resigned({ old_verify_keys: 'x' }), ACME);
    expect(parsed.ok && parsed.value.oldVerifyKeys.size).toBe(0);
  });

  it('has at most 100 keys, old ones counted', () => {
    const many = (count: number): JsonObject =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [
          `ed25519:k${String(index)}`,
          { key: old.publicKey, expired_ts: 1 },
        ]),
      );
    expect(fault(resigned({ old_verify_keys: many(98) }))).toBeUndefined();
    expect(fault(resigned({ old_verify_keys: many(99) }))).toBe('too many keys');
    expect(fault(resigned({ verify_keys: many(101), old_verify_keys: {} }))).toBe('too many keys');
  });
});
