import { describe, expect, it } from 'vitest';
import {
  type JsonObject,
  type KeyId,
  type ServerName,
  createSigningKey,
  createVerifyKey,
  decodeBase64,
  signObject,
  verifyObject,
} from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

interface SigningCase {
  kind: 'sign' | 'verify';
  server: ServerName;
  key_id: KeyId;
  seed: string | null;
  public_key: string;
  object: JsonObject;
  expect: { signature?: string; signed?: JsonObject; valid?: boolean };
}

describe('object signing vectors', () => {
  // proves LM-04/checking-signatures/1; LM-04/receiving-events/4; LM-04/signing/1; LM-04/signing-objects/1
  it.each(vectors<Cases<SigningCase>>('object-signing.json').cases)('$id', (vector) => {
    if (vector.kind === 'sign') {
      const key = createSigningKey(vector.key_id, decodeBase64(vector.seed ?? '') ?? new Uint8Array());
      expect(key.publicKey).toBe(vector.public_key);
      const signed = signObject(vector.object, vector.server, key);
      expect(signed.signatures[vector.server]?.[vector.key_id]).toBe(vector.expect.signature);
      if (vector.expect.signed !== undefined) expect(signed).toEqual(vector.expect.signed);
    } else {
      const key = createVerifyKey(vector.public_key);
      const keys = new Map(key === undefined ? [] : [[vector.key_id, key]]);
      expect(verifyObject(vector.object, vector.server, keys)).toBe(vector.expect.valid);
    }
  });
});
