import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import type { JsonValue, KeyId, ServerName } from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

interface Input {
  header: string;
  method: string;
  uri: string;
  origin: ServerName;
  destination: ServerName;
  content: JsonValue;
  key: KeyId;
  key_id: KeyId;
  seed: string;
  public_key: string;
  sig: string;
}
interface RequestCase {
  kind: 'parse' | 'serialise' | 'sign' | 'verify';
  input: Input;
  expect: Record<string, unknown> & {
    ok?: boolean;
    header?: string;
    sig?: string;
    sig_with_empty_content?: string;
    valid?: boolean;
  };
}

const fields = (header: string | undefined): Record<string, unknown> => {
  const parsed = protocol.parseXMatrix(header ?? '');
  return parsed.ok ? { ok: true, ...parsed.value } : { ok: false };
};

describe('X-Matrix vectors', () => {
  // proves LM-04/transport-auth/1; profile/requests/1, 2, 3
  it.each(vectors<Cases<RequestCase>>('request-auth.json').cases)('$id', ({ kind, input, expect: expected }) => {
    const body = input.content ?? undefined;
    switch (kind) {
      case 'parse':
        if (expected.ok === false) {
          expect(fields(input.header)).toEqual({ ok: false });
          return;
        }
        {
          expect(fields(input.header)).toMatchObject(withoutNull(expected));
          return;
        }
      case 'serialise': {
        expect(fields(protocol.formatXMatrix(input))).toEqual(fields(expected.header));
        return;
      }
      case 'sign': {
        const key = protocol.createSigningKey(input.key_id, protocol.decodeBase64(input.seed) ?? new Uint8Array());
        expect(fields(protocol.signRequest(input, body, key)).sig).toBe(expected.sig);
        const verifyKey = protocol.createVerifyKey(key.publicKey);
        for (const sig of [expected.sig, expected.sig_with_empty_content]) {
          if (sig && verifyKey) expect(protocol.verifyRequest(input, body, sig, verifyKey)).toBe(true);
        }
        return;
      }
      case 'verify': {
        const verifyKey = protocol.createVerifyKey(input.public_key);
        expect(verifyKey && protocol.verifyRequest(input, body, input.sig, verifyKey)).toBe(expected.valid);
      }
    }
  });
});

function withoutNull(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
