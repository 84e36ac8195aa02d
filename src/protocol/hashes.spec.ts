import { describe, expect, it } from 'vitest';
import { ACME, FIELDS, GLOBEX, GRACE, aKey, anEvent } from '../../test/support/events.js';
import { checkContentHashes, checkLpduHash, eventIdOf, lpduContentHash, lpduOf, pduContentHash } from './hashes.js';
import { buildLpdu, buildOwnPdu, completeLpdu } from './signing.js';

const lpdu = buildLpdu(anEvent().by(GRACE).message('hi').build(), ACME, GLOBEX, aKey(2));
const pdu = completeLpdu(lpdu, FIELDS, ACME, aKey(1));
const own = buildOwnPdu(anEvent().build(), FIELDS, ACME, aKey(1));
const other = 'A'.repeat(43);

describe('the content hash of an LPDU', () => {
  it('is the same inside of the PDU: what the hub adds does not count', () => {
    expect(lpduContentHash(pdu)).toBe(lpdu.hashes.lpdu.sha256);
    expect(lpduContentHash({ ...pdu, unsigned: { age: 1 }, signatures: {} })).toBe(lpdu.hashes.lpdu.sha256);
  });

  // proves LM-04/content-hashes/1; profile/events/3
  it.each(['type', 'sender', 'origin_server_ts', 'content', 'hub_server', 'org.example.unknown'])(
    'covers %s',
    (key) => {
      expect(lpduContentHash({ ...lpdu, [key]: 'other' })).not.toBe(lpdu.hashes.lpdu.sha256);
    },
  );

  it('is checked', () => {
    expect(checkLpduHash(lpdu)).toBe('ok');
    expect(checkLpduHash({ ...lpdu, content: {} })).toBe('the LPDU content hash does not match');
    expect(checkLpduHash({ ...lpdu, hashes: { lpdu: { sha256: other } } })).toBe(
      'the LPDU content hash does not match',
    );
    expect(checkLpduHash({ ...lpdu, hashes: { lpdu: { sha256: '!' } } })).toBe('the LPDU content hash does not match');
  });
});

describe('the content hash of a PDU', () => {
  it.each(['auth_events', 'prev_events', 'content', 'org.example.unknown'])('covers %s', (key) => {
    expect(pduContentHash({ ...pdu, [key]: [] })).not.toBe(pdu.hashes.sha256);
  });

  // proves LM-04/content-hashes/1; profile/events/4
  it('covers of the hashes lpdu alone, whole', () => {
    const { lpdu: inner } = pdu.hashes;
    expect(pduContentHash({ ...pdu, hashes: { sha256: other, md5: 'x', ...(inner ? { lpdu: inner } : {}) } })).toBe(
      pdu.hashes.sha256,
    );
    expect(pduContentHash({ ...pdu, hashes: { lpdu: { sha256: other } } })).not.toBe(pdu.hashes.sha256);
    expect(pduContentHash({ ...own, hashes: { sha256: other } })).toBe(own.hashes.sha256);
    expect(pduContentHash({ ...own, unsigned: {}, signatures: {} })).toBe(own.hashes.sha256);
  });

  it('is checked, and that of the LPDU in it', () => {
    expect(checkContentHashes(pdu)).toBe('ok');
    expect(checkContentHashes(own)).toBe('ok');
    expect(checkContentHashes({ ...own, content: {} })).toBe('the content hash does not match');
    const forged = { ...pdu, hashes: { lpdu: { sha256: other }, sha256: '' } };
    expect(checkContentHashes({ ...forged, hashes: { ...forged.hashes, sha256: pduContentHash(forged) } })).toBe(
      'the LPDU content hash does not match',
    );
  });

  it('may come with padding or in the URL-safe alphabet', () => {
    const padded = (hash: string): string => `${hash}=`;
    const urlSafe = (hash: string): string => hash.replaceAll('+', '-').replaceAll('/', '_');
    for (const form of [padded, urlSafe]) {
      expect(checkContentHashes({ ...own, hashes: { sha256: form(own.hashes.sha256) } })).toBe('ok');
      const hashes = { lpdu: { sha256: form(lpdu.hashes.lpdu.sha256) } };
      expect(checkLpduHash({ ...lpdu, hashes })).toBe('ok');
      const outer = { ...pdu, hashes: { ...hashes, sha256: '' } };
      expect(checkContentHashes({ ...outer, hashes: { ...hashes, sha256: pduContentHash(outer) } })).toBe('ok');
    }
  });
});

describe('the LPDU in a PDU', () => {
  it('is what the participant sent, with more signatures', () => {
    expect(lpduOf(pdu)).toEqual({ ...lpdu, signatures: pdu.signatures });
  });

  it('is none in an event of the hub’s own user', () => {
    expect(lpduOf(own)).toBeUndefined();
    expect(lpduOf({ ...own, hub_server: ACME })).toBeUndefined();
    expect(lpduOf({ ...own, hashes: { ...own.hashes, lpdu: { sha256: other } } })).toBeUndefined();
  });
});

describe('an event id', () => {
  // proves LM-04/pdu/12; LM-04/reference-hashes/1
  it('is the URL-safe hash of the redacted event without its signatures', () => {
    expect(eventIdOf(pdu)).toMatch(/^\$[A-Za-z0-9_-]{43}$/);
    expect(eventIdOf({ ...pdu, signatures: {}, unsigned: {}, content: {} })).toBe(eventIdOf(pdu));
    expect(eventIdOf({ ...pdu, hashes: {} })).not.toBe(eventIdOf(pdu));
  });
});
