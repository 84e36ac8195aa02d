import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import {
  type JsonObject,
  type KeyId,
  type Lpdu,
  type Pdu,
  type ServerName,
  isJsonObject,
} from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

interface Form {
  input: JsonObject & { signatures?: Pdu['signatures'] };
  hash_canonical: string;
  hash: string;
  signing_canonical: string;
  event: JsonObject;
  redacted: JsonObject;
}
interface EventCase {
  form: 'pdu' | 'lpdu';
  lpdu: (Form & { reference_id: string }) | null;
  pdu: Form & { canonical: string; event_id: string };
  signatures: { server: ServerName; key_id: KeyId; sig: string; covers: 'lpdu' | 'pdu' }[];
}
type Keys = Record<ServerName, Record<KeyId, { seed: string; public_key: string }>>;

const { cases, keys } = vectors<Cases<EventCase> & { keys: Keys }>('lm-events.json');

const signingText = (event: JsonObject): string =>
  protocol.canonicalJson(protocol.omit(protocol.redact(event), 'signatures'));

function keysOf(server: ServerName): protocol.VerifyKeys {
  return new Map(
    Object.entries(keys[server] ?? {}).flatMap(([id, { public_key: publicKey }]) => {
      const key = protocol.createVerifyKey(publicKey);
      return key === undefined ? [] : [[id, key] as const];
    }),
  );
}

function signingKey(server: ServerName, keyId: KeyId): protocol.SigningKey {
  return protocol.createSigningKey(keyId, protocol.decodeBase64(keys[server]?.[keyId]?.seed ?? '') ?? new Uint8Array());
}

describe('Linearized Matrix events, step by step', () => {
  // proves LM-04/content-hashes/1; LM-04/pdu/12; LM-04/receiving-events/3; LM-04/redactions/1
  // proves LM-04/reference-hashes/1; LM-04/signing-events/1; profile/events/2, 3, 4, 6, 9
  it.each(cases)('$id', ({ lpdu, pdu, signatures }) => {
    if (lpdu !== null) {
      expect(protocol.canonicalJson(protocol.omit(lpdu.input, 'signatures', 'hashes'))).toBe(lpdu.hash_canonical);
      expect(protocol.lpduContentHash(lpdu.input)).toBe(lpdu.hash);
      expect(protocol.redact(lpdu.event)).toEqual(lpdu.redacted);
      expect(signingText(lpdu.event)).toBe(lpdu.signing_canonical);
      expect(protocol.eventIdOf(lpdu.event)).toBe(lpdu.reference_id);
      const parsed = protocol.parseLpdu(lpdu.event);
      expect(parsed).toEqual({ ok: true, value: lpdu.event });
      expect(protocol.checkLpduHash(lpdu.event as Lpdu)).toBe('ok');
      expect(protocol.checkLpduSignature(lpdu.event as Lpdu, keysOf)).toBeUndefined();
    }
    const { lpdu: lpduHash } = isJsonObject(pdu.input.hashes) ? pdu.input.hashes : {};
    const hashed = protocol.omit(pdu.input, 'signatures', 'hashes');
    expect(protocol.canonicalJson(lpduHash === undefined ? hashed : { ...hashed, hashes: { lpdu: lpduHash } })).toBe(
      pdu.hash_canonical,
    );
    expect(protocol.pduContentHash(pdu.input)).toBe(pdu.hash);
    expect(protocol.parsePdu(pdu.event)).toEqual({ ok: true, value: pdu.event });
    expect(protocol.redact(pdu.event)).toEqual(pdu.redacted);
    expect(signingText(pdu.event)).toBe(pdu.signing_canonical);
    expect(protocol.canonicalJson(pdu.event)).toBe(pdu.canonical);
    expect(protocol.eventIdOf(pdu.event)).toBe(pdu.event_id);
    for (const { server, key_id: keyId, sig, covers } of signatures) {
      const text = covers === 'lpdu' ? lpdu?.signing_canonical : pdu.signing_canonical;
      expect(signingKey(server, keyId).sign(Buffer.from(text ?? ''))).toBe(sig);
    }
    expect(protocol.checkContentHashes(pdu.event as Pdu)).toBe('ok');
    expect(protocol.checkPduSignatures(pdu.event as Pdu, keysOf)).toBeUndefined();
    const found = protocol.lpduOf(pdu.event as Pdu);
    if (lpdu !== null) expect(found?.hashes.lpdu.sha256).toBe(lpdu.hash);
    else expect(found).toBeUndefined();
  });

  // proves LM-04/receiving-events/1
  it.each(cases.filter(({ lpdu }) => lpdu !== null))(
    '$id is what our hub makes of the LPDU',
    ({ lpdu, pdu, signatures }) => {
      const hub = signatures.find(({ covers }) => covers === 'pdu');
      const input = lpdu?.event as Lpdu;
      const fields = pdu.event as Pdu;
      if (hub === undefined) throw new Error('the case has no signature of a hub');
      const completed = protocol.completeLpdu(
        input,
        { auth_events: fields.auth_events, prev_events: fields.prev_events },
        hub.server,
        signingKey(hub.server, hub.key_id),
      );
      expect(completed).toEqual(pdu.event);
    },
  );
});
