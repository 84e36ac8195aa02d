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
    sig_with_empty_content?: string | null;
    public_key?: string;
    signed_text?: string;
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
        expect(fields(input.header)).toEqual(withoutNull(expected));
        return;
      case 'serialise':
        expect(fields(protocol.formatXMatrix(input))).toEqual(fields(expected.header));
        expect(fields(expected.header)).toMatchObject({ ok: true });
        return;
      case 'sign': {
        const key = protocol.createSigningKey(input.key_id, protocol.decodeBase64(input.seed) ?? new Uint8Array());
        expect(key.publicKey).toBe(expected.public_key);
        expect(protocol.canonicalJsonLoose(protocol.requestObject(input, body))).toBe(expected.signed_text);
        expect(fields(protocol.signRequest(input, body, key)).sig).toBe(expected.sig);
        const verifyKey = protocol.createVerifyKey(key.publicKey);
        const sigs = [expected.sig, expected.sig_with_empty_content].filter((sig) => typeof sig === 'string');
        expect(sigs).toHaveLength(body === undefined ? 2 : 1);
        for (const sig of sigs) expect(verifyKey && protocol.verifyRequest(input, body, sig, verifyKey)).toBe(true);
        return;
      }
      case 'verify': {
        const verifyKey = protocol.createVerifyKey(input.public_key);
        expect(verifyKey && protocol.verifyRequest(input, body, input.sig, verifyKey)).toBe(expected.valid);
        return;
      }
      default:
        throw new Error(`nothing tests a case of the kind ${String(kind)}`);
    }
  });
});

function withoutNull(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
