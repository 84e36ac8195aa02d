import { describe, expect, it } from 'vitest';
import { ACME, BOB, FIELDS, GLOBEX, GRACE, aKey, anEvent, keysOf } from '../../test/support/events.js';
import { checkContentHashes, checkLpduHash } from './hashes.js';
import type { ServerName } from './identifiers.js';
import type { Pdu } from './events.js';
import {
  type SigningKey,
  buildLpdu,
  buildOwnPdu,
  checkLpduSignature,
  checkPduSignatures,
  completeLpdu,
  createSigningKey,
  createVerifyKey,
  requiredSigners,
  signEvent,
  signObject,
  verifyEvent,
  verifyObject,
  verifySignature,
} from './signing.js';

const [first, second] = [aKey(1), aKey(2, 'ed25519:2')];
const object = { a: 1, b: { c: 'x' } };

describe('a signing key', () => {
  it('comes from a seed of 32 bytes', () => {
    expect(first.publicKey).toMatch(/^[A-Za-z0-9+/]{43}$/);
    expect(() => createSigningKey(first.keyId, Buffer.alloc(31))).toThrow('a seed has 32 bytes');
    expect(() => createSigningKey(first.keyId, Buffer.alloc(64))).toThrow('a seed has 32 bytes');
  });

  it.each([['short'], ['A'.repeat(42)], ['A'.repeat(44)], ['!'.repeat(43)], ['']])(
    'is not to be had from %j as a public key',
    (text) => {
      expect(createVerifyKey(text)).toBeUndefined();
    },
  );
});

describe('a signature', () => {
  const bytes = Buffer.from('text');
  const [key] = [...keysOf(first).values()];
  const verifies = (signature: string): boolean => key !== undefined && verifySignature(bytes, signature, key);

  it('is good with and without padding', () => {
    expect(verifies(first.sign(bytes))).toBe(true);
    expect(verifies(`${first.sign(bytes)}==`)).toBe(true);
  });

  it.each([[''], ['!!!!'], ['A'.repeat(86)], [aKey(3).sign(bytes)], [`${first.sign(bytes)}AA`]])(
    'is not good as %j',
    (signature) => {
      expect(verifies(signature)).toBe(false);
    },
  );
});

describe('a signed object', () => {
  const signed = signObject(object, ACME, first);

  // proves LM-04/receiving-events/4; profile/events/11
  it('verifies, whatever other signatures stand beside', () => {
    expect(verifyObject(signed, ACME, keysOf(first))).toBe(true);
    const more = signObject(signObject(signed, GLOBEX, second), ACME, second);
    expect(Object.keys(more.signatures[ACME] ?? {})).toEqual(['ed25519:1', 'ed25519:2']);
    for (const keys of [keysOf(first), keysOf(second), keysOf(first, second)]) {
      expect(verifyObject(more, ACME, keys)).toBe(true);
    }
    expect(verifyObject(more, GLOBEX, keysOf(second))).toBe(true);
  });

  it('does not verify when anything was changed', () => {
    expect(verifyObject({ ...signed, a: 2 }, ACME, keysOf(first))).toBe(false);
    expect(verifyObject({ ...signed, c: 1 }, ACME, keysOf(first))).toBe(false);
  });

  // proves LM-04/checking-signatures/1
  it('does not verify for a server that did not sign, without a known key, or without signatures', () => {
    expect(verifyObject(signed, GLOBEX, keysOf(first))).toBe(false);
    expect(verifyObject(signed, ACME, keysOf(second))).toBe(false);
    expect(verifyObject(signed, ACME, keysOf())).toBe(false);
    expect(verifyObject(object, ACME, keysOf(first))).toBe(false);
    expect(verifyObject({ ...object, signatures: [] }, ACME, keysOf(first))).toBe(false);
    expect(verifyObject({ ...object, signatures: { [ACME]: 'x' } }, ACME, keysOf(first))).toBe(false);
    expect(verifyObject({ ...object, signatures: { [ACME]: { [first.keyId]: 5 } } }, ACME, keysOf(first))).toBe(false);
    expect(verifyObject(signed, 'toString' as ServerName, keysOf(first))).toBe(false);
  });

  // proves LM-04/checking-signatures/2
  it('does not verify when one of two known keys made a bad signature', () => {
    const signatures = { [ACME]: { ...signed.signatures[ACME], [second.keyId]: 'A'.repeat(86) } };
    expect(verifyObject({ ...signed, signatures }, ACME, keysOf(first))).toBe(true);
    expect(verifyObject({ ...signed, signatures }, ACME, keysOf(first, second))).toBe(false);
  });

  it('has no floats, unless it is a request', () => {
    const float = { n: 1.5 };
    expect(() => signObject(float, ACME, first)).toThrow('1.5 is no integer');
    const loose = signObject(float, ACME, first, { loose: true });
    expect(verifyObject(loose, ACME, keysOf(first), { loose: true })).toBe(true);
    expect(verifyObject(loose, ACME, keysOf(first))).toBe(false);
    expect(verifyObject(loose, ACME, keysOf(first), { loose: false })).toBe(false);
  });

  it('fails for what is no fault of the object', () => {
    const broken = Object.defineProperty({ ...signed }, 'a', {
      enumerable: true,
      get: () => {
        throw new TypeError('on purpose');
      },
    });
    expect(() => verifyObject(broken, ACME, keysOf(first))).toThrow('on purpose');
  });
});

describe('a signed event', () => {
  // proves LM-04/signing-events/1
  it('may lose what redaction takes, and nothing else', () => {
    const signed = signEvent(buildOwnPdu(anEvent().build(), FIELDS, ACME, first), ACME, second);
    expect(verifyEvent(signed, ACME, keysOf(second))).toBe(true);
    expect(verifyEvent({ ...signed, content: {}, unsigned: {} }, ACME, keysOf(second))).toBe(true);
    expect(verifyEvent({ ...signed, sender: BOB }, ACME, keysOf(second))).toBe(false);
  });
});

describe('an event on its way', () => {
  const participant = aKey(3);
  const hub = aKey(4);
  const keys = (server: ServerName) => keysOf(server === GLOBEX ? participant : hub);
  const lpdu = buildLpdu(anEvent().by(GRACE).build(), ACME, GLOBEX, participant);
  const pdu = completeLpdu(lpdu, FIELDS, ACME, hub);
  const own = buildOwnPdu(anEvent().build(), FIELDS, ACME, hub);
  const signedBy = (event: Pdu, ...servers: ServerName[]): Pdu => ({
    ...event,
    signatures: Object.fromEntries(
      Object.entries(event.signatures).filter(([name]) => servers.includes(name as ServerName)),
    ),
  });

  // proves LM-04/lpdu/2; profile/events/1
  it('is hashed and signed by the participant, with the hub in it', () => {
    expect(lpdu).toMatchObject({ sender: GRACE, hub_server: ACME });
    expect(Object.keys(lpdu.hashes)).toEqual(['lpdu']);
    expect(Object.keys(lpdu.signatures)).toEqual([GLOBEX]);
    expect(checkLpduHash(lpdu)).toBe('ok');
    expect(checkLpduSignature(lpdu, keys)).toBeUndefined();
    expect(checkLpduSignature({ ...lpdu, sender: '@other:globex.example' as typeof GRACE }, keys)).toBe(
      'no good signature of globex.example on the LPDU',
    );
  });

  it('is completed by the hub, and carries both signatures', () => {
    expect(pdu).toMatchObject(FIELDS);
    expect(Object.keys(pdu.signatures)).toEqual([GLOBEX, ACME]);
    expect(pdu.hashes.lpdu).toEqual(lpdu.hashes.lpdu);
    expect(checkContentHashes(pdu)).toBe('ok');
    expect(checkPduSignatures(pdu, keys)).toBeUndefined();
  });

  // proves LM-04/auth-rules-algorithm/2; LM-04/receiving-events/3
  it('does not count without either signature', () => {
    expect(checkPduSignatures(signedBy(pdu, GLOBEX), keys)).toBe('no good signature of the hub acme.example');
    expect(checkPduSignatures(signedBy(pdu, ACME), keys)).toBe('no good signature of globex.example on the LPDU');
    expect(checkPduSignatures({ ...pdu, prev_events: [] }, keys)).toBe('no good signature of the hub acme.example');
  });

  it('of the hub’s own user has neither hub_server nor an LPDU hash, and one signature', () => {
    expect(own.hub_server).toBeUndefined();
    expect(Object.keys(own.hashes)).toEqual(['sha256']);
    expect(checkContentHashes(own)).toBe('ok');
    expect(checkPduSignatures(own, keys)).toBeUndefined();
    expect(checkPduSignatures({ ...own, prev_events: [] }, keys)).toBe('no good signature of acme.example');
  });

  it('of a participant’s user without hub_server counts when its server signed the PDU', () => {
    const plain = buildOwnPdu(anEvent().by(GRACE).build(), FIELDS, GLOBEX, participant);
    expect(checkPduSignatures(plain, keys)).toBeUndefined();
    expect(checkPduSignatures(buildOwnPdu(anEvent().by(GRACE).build(), FIELDS, ACME, hub), keys)).toBe(
      'no good signature of globex.example',
    );
  });

  it('of a hub that names itself as hub_server is signed by it as a PDU (rule 1)', () => {
    const through = completeLpdu(buildLpdu(anEvent().build(), ACME, ACME, hub), FIELDS, ACME, hub);
    expect(checkPduSignatures(through, keys)).toBeUndefined();
    expect(checkPduSignatures({ ...through, prev_events: [] }, keys)).toBe('no good signature of acme.example');
  });

  // proves profile/events/11
  it('needs the signatures of the sender’s server and of the hub on a PDU that names one', () => {
    expect(requiredSigners(lpdu)).toEqual([GLOBEX]);
    expect(requiredSigners(pdu)).toEqual([GLOBEX, ACME]);
    expect(requiredSigners(own)).toEqual([ACME]);
    expect(requiredSigners({ ...own, hub_server: ACME })).toEqual([ACME]);
  });

  it('may be signed again by a hub with a new key', () => {
    const rotated: SigningKey = aKey(5, 'ed25519:5');
    const twice = signEvent(own, ACME, rotated);
    expect(Object.keys(twice.signatures[ACME] ?? {})).toEqual(['ed25519:1', 'ed25519:5']);
    expect(checkPduSignatures(twice, () => keysOf(hub, rotated))).toBeUndefined();
  });
});
