import { describe, expect, it } from 'vitest';
import { ACME, GLOBEX, aKey, keysOf } from '../../test/support/events.js';
import type { JsonValue } from './json.js';
import { canonicalJsonLoose } from './canonical-json.js';
import {
  formatXMatrix,
  parseXMatrix,
  requestObject,
  signCanonicalRequest,
  signRequest,
  verifyRequest,
} from './x-matrix.js';

const key = aKey(1);
const REQUEST = { method: 'PUT', uri: '/path?x=%20', origin: GLOBEX, destination: ACME };
const GOOD = 'origin="globex.example",destination="acme.example",key="ed25519:1",sig="c2ln"';

const read = (header: string): unknown => {
  const parsed = parseXMatrix(header);
  return parsed.ok ? parsed.value : parsed.error;
};
const FIELDS = { origin: GLOBEX, destination: ACME, key: 'ed25519:1', sig: 'c2ln' };

describe('an X-Matrix header', () => {
  // proves LM-04/transport-auth/2; profile/requests/2
  it.each([
    ['as we write it', `X-Matrix ${GOOD}`],
    ['of any case', 'x-MATRIX Origin="globex.example",DESTINATION="acme.example",Key="ed25519:1",SIG="c2ln"'],
    ['with tokens', 'X-Matrix origin=globex.example,destination=acme.example,key=ed25519:1,sig=c2ln'],
    ['in any order', 'X-Matrix sig=c2ln,key="ed25519:1",destination=acme.example,origin="globex.example"'],
    ['with `signature`', `X-Matrix ${GOOD.replace('sig=', 'signature=')}`],
    ['with spaces and tabs', `X-Matrix   ${GOOD.replaceAll(',', ' \t, \t').replaceAll('=', ' =\t')}\t `],
    ['with empty elements', `X-Matrix ,, ${GOOD},\t, `],
    ['with an escape', `X-Matrix ${GOOD.replace('globex', 'glo\\b\\ex')}`],
    ['with unknown parameters', `X-Matrix a=1,${GOOD},b="x,y\\"=",c-d=e`],
    ['with an unknown parameter twice', `X-Matrix a=1,${GOOD},a=2,A="3"`],
  ])('is read %s', (_what, header) => {
    expect(read(header)).toEqual(FIELDS);
  });

  it.each([
    ['of another scheme', `Bearer ${GOOD}`, 'not of the scheme X-Matrix'],
    ['of a longer scheme', `X-MatrixOrigin ${GOOD}`, 'not of the scheme X-Matrix'],
    ['with something before it', ` X-Matrix ${GOOD}`, 'not of the scheme X-Matrix'],
    ['without a space', 'X-Matrix', 'not of the scheme X-Matrix'],
    ['with nothing in it', 'X-Matrix ', 'origin is no server name'],
    ['with a parameter twice', `X-Matrix ${GOOD},Origin=a.example`, 'origin is given twice'],
    ['with a sig twice', `X-Matrix ${GOOD},sig=a`, 'sig is given twice'],
    ['without a comma', `X-Matrix ${GOOD.replace(',', ' ')}`, 'not a list of name=value'],
    ['with a name alone', `X-Matrix ${GOOD},name`, 'not a list of name=value'],
    ['with a value alone', `X-Matrix ${GOOD},=x`, 'not a list of name=value'],
    ['with an empty token', `X-Matrix ${GOOD},name=`, 'not a list of name=value'],
    ['with an open quote', `X-Matrix ${GOOD},name="x`, 'not a list of name=value'],
    ['with an open escape', `X-Matrix ${GOOD},name="x\\`, 'not a list of name=value'],
    ['with something behind a quote', `X-Matrix ${GOOD},name="x"y`, 'not a list of name=value'],
    ['with a quote inside of a token', `X-Matrix ${GOOD},name=x"y`, 'not a list of name=value'],
    ['with a space inside of a token', `X-Matrix ${GOOD},name=x y`, 'not a list of name=value'],
    ['without origin', `X-Matrix ${GOOD.replace('origin', 'x')}`, 'origin is no server name'],
    ['with an address as origin', `X-Matrix ${GOOD.replace('globex.example', '10.0.0.1')}`, 'origin is no server name'],
    ['without destination', `X-Matrix ${GOOD.replace('destination', 'x')}`, 'destination is no server name'],
    ['without key', `X-Matrix ${GOOD.replace('key', 'x')}`, 'key is no key id'],
    ['with a key of another algorithm', `X-Matrix ${GOOD.replace('ed25519', 'rsa')}`, 'key is no key id'],
    ['without sig', `X-Matrix ${GOOD.replace('sig', 'x')}`, 'sig is no base64'],
    ['with a sig that is no base64', `X-Matrix ${GOOD.replace('c2ln', '!')}`, 'sig is no base64'],
  ])('is refused %s', (_what, header, reason) => {
    expect(read(header)).toBe(reason);
  });

  it('has at most 4096 characters', () => {
    const padded = `X-Matrix ${GOOD},`.padEnd(4_096, ',');
    expect(read(padded)).toEqual(FIELDS);
    expect(read(`${padded},`)).toBe('the header is too long');
  });

  // proves profile/requests/2
  it('is written quoted, without spaces after commas', () => {
    const parsed = parseXMatrix(`X-Matrix ${GOOD}`);
    expect(parsed.ok && formatXMatrix(parsed.value)).toBe(`X-Matrix ${GOOD}`);
  });
});

describe('a signed request', () => {
  const [verifyKey] = [...keysOf(key).values()];
  const verifies = (sig: string, body: JsonValue | undefined, request = REQUEST): boolean =>
    verifyKey !== undefined && verifyRequest(request, body, sig, verifyKey);
  const sigOf = (body: JsonValue | undefined): string => {
    const parsed = parseXMatrix(signRequest(REQUEST, body, key));
    if (!parsed.ok) throw new Error(parsed.error);
    expect(parsed.value).toMatchObject({ origin: GLOBEX, destination: ACME, key: 'ed25519:1' });
    return parsed.value.sig;
  };

  it('is signed alike from its content and from the canonical form of its content', () => {
    for (const body of [undefined, {}, [], 'text', { z: 1, a: [1.5, { c: 'd', b: null }], origin: 'x' }]) {
      const canonical = body === undefined ? undefined : canonicalJsonLoose(body);
      expect(signCanonicalRequest(REQUEST, canonical, key)).toBe(signRequest(REQUEST, body, key));
      const parsed = parseXMatrix(signCanonicalRequest(REQUEST, canonical, key));
      expect(parsed.ok && verifies(parsed.value.sig, body)).toBe(true);
    }
  });

  it('is signed over method, path, origin, destination and body', () => {
    expect(requestObject(REQUEST, { a: 1 })).toEqual({ ...REQUEST, content: { a: 1 } });
    const sig = sigOf({ a: 1 });
    expect(verifies(sig, { a: 1 })).toBe(true);
    expect(verifies(sig, { a: 2 })).toBe(false);
    expect(verifies(sig, undefined)).toBe(false);
    for (const change of [{ method: 'POST' }, { uri: '/path?x= ' }, { origin: ACME }, { destination: GLOBEX }]) {
      expect(verifies(sig, { a: 1 }, { ...REQUEST, ...change })).toBe(false);
    }
  });

  // proves profile/requests/1
  it('without a body is signed without content, and verified with `{}` too', () => {
    expect(requestObject(REQUEST)).toEqual(REQUEST);
    expect(verifies(sigOf(undefined), undefined)).toBe(true);
    expect(verifies(sigOf({}), undefined)).toBe(true);
    expect(verifies(sigOf([]), undefined)).toBe(false);
    expect(verifies(sigOf(undefined), {})).toBe(false);
  });

  it('may have floats in its body, and null for one', () => {
    expect(verifies(sigOf({ n: 1.5 }), { n: 1.5 })).toBe(true);
    expect(verifies(sigOf(null), null)).toBe(true);
    expect(verifies(sigOf(null), undefined)).toBe(false);
  });

  it('does not verify where its body has no canonical form', () => {
    expect(verifies(sigOf({}), { a: '\ud800' })).toBe(false);
  });

  it('fails for what is no fault of the request', () => {
    const broken = Object.defineProperty({}, 'a', {
      enumerable: true,
      get: () => {
        throw new TypeError('on purpose');
      },
    });
    expect(() => verifies('c2ln', broken)).toThrow('on purpose');
  });
});
