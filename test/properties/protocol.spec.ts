import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import { type JsonObject, type JsonValue, isJsonObject } from '../../src/protocol/index.js';
import { ACME, GLOBEX, aKey, aRoom, keysOf } from '../support/events.js';
import * as any from './arbitraries.js';

const [hubKey, participantKey] = [aKey(1), aKey(2)];
const keys = (server: protocol.ServerName): protocol.VerifyKeys => keysOf(server === ACME ? hubKey : participantKey);

function parse(text: string): protocol.ParsedJson {
  const parsed = protocol.parseJson(Buffer.from(text));
  if (!parsed.ok) throw new Error(parsed.error.reason);
  return parsed.value;
}

/** An event of a participant, as sent and as its hub completed it. */
const completed = fc
  .tuple(any.template, fc.array(any.eventId, { maxLength: 5 }), any.eventId)
  .map(([template, authEvents, previous]) => {
    const event = { ...template, sender: `@user:${GLOBEX}` as protocol.UserId };
    const lpdu = protocol.buildLpdu(event, ACME, GLOBEX, participantKey);
    const fields = { auth_events: authEvents, prev_events: [previous] };
    return { lpdu, pdu: protocol.completeLpdu(lpdu, fields, ACME, hubKey) };
  });

describe('canonical JSON', () => {
  it('says the same value, and of itself it is itself', () => {
    fc.assert(
      fc.property(any.json, (value) => {
        const text = protocol.canonicalJson(value);
        const { value: again, defects } = parse(text);
        expect(again).toEqual(value);
        expect(defects.defectIn(again)).toBeUndefined();
        expect(protocol.canonicalJson(again)).toBe(text);
        expect(protocol.canonicalJsonLoose(again)).toBe(text);
      }),
    );
  });

  it('does not depend on the order of members', () => {
    fc.assert(
      fc.property(any.json, fc.infiniteStream(fc.nat()), (value, orders) => {
        const other = any.reordered(value, (length) => (orders.next().value ?? 0) % length);
        expect(protocol.canonicalJson(other)).toBe(protocol.canonicalJson(value));
      }),
    );
  });

  it('tells apart what differs', () => {
    fc.assert(
      fc.property(any.json, any.json, (one, other) => {
        const same = protocol.canonicalJson(one) === protocol.canonicalJson(other);
        // JSON.stringify tells members in their order, which canonical JSON must not see.
        const sorted = (value: JsonValue) => JSON.stringify(parse(protocol.canonicalJson(value)).value);
        expect(same).toBe(sorted(one) === sorted(other));
      }),
    );
  });
});

describe('JSON from bytes', () => {
  /** JSON text with blanks and escapes, and what becomes of it when somebody's hand slips. */
  const nearlyJson = fc
    .tuple(
      fc.oneof(
        fc.json(),
        any.json.map((value) => JSON.stringify(value, null, '\t')),
      ),
      fc.array(fc.tuple(fc.nat(), fc.nat(2), fc.constantFrom(...Array.from('{}[]",:\\ue+-.019 \n\u0000é'))), {
        maxLength: 2,
      }),
    )
    .map(([text, slips]) =>
      slips.reduce((so, [where, remove, insert]) => {
        const at = where % (so.length + 1);
        return so.slice(0, at) + insert + so.slice(at + remove);
      }, text),
    )
    .map((text) => Buffer.from(text).toString()); // a slip may cut a surrogate pair, which UTF-8 cannot say

  it('is what JSON.parse makes of it, and is none where JSON.parse says so', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const bytes = Buffer.from(text);
        const parsed = protocol.parseJson(bytes);
        let native: unknown;
        try {
          native = JSON.parse(bytes.toString());
        } catch {
          expect(parsed.ok).toBe(false);
          return;
        }
        expect(parsed.ok && parsed.value.value).toEqual(native);
      }),
      { numRuns: 2_000 },
    );
  });

  it('has a defect, or a canonical form that JSON.parse would have found too', () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const parsed = protocol.parseJson(Buffer.from(`[${text}]`));
        if (!parsed.ok) return;
        const { value, defects } = parsed.value;
        if (defects.defectIn(value) !== undefined) return;
        expect(protocol.canonicalJson(value)).toBe(protocol.canonicalJson(JSON.parse(`[${text}]`) as JsonValue));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('redaction', () => {
  it('done twice is done once, and changes neither the event id nor what is signed', () => {
    fc.assert(
      fc.property(completed, ({ pdu }) => {
        const redacted = protocol.redact(pdu);
        expect(protocol.redact(redacted)).toEqual(redacted);
        expect(protocol.eventIdOf(redacted)).toBe(protocol.eventIdOf(pdu));
        expect(protocol.checkPduSignatures(redacted as protocol.Pdu, keys)).toBeUndefined();
      }),
    );
  });

  it('takes nothing that the event id depends on, and the id depends on nothing that it takes', () => {
    fc.assert(
      fc.property(completed, any.jsonObject, fc.string(), any.json, ({ pdu }, unsigned, name, value) => {
        const more = { ...pdu, unsigned, [`org.example.${name}`]: value };
        expect(protocol.eventIdOf(more)).toBe(protocol.eventIdOf(pdu));
        for (const field of ['origin_server_ts', 'sender', 'hashes', 'prev_events', 'auth_events', 'hub_server']) {
          expect(protocol.eventIdOf({ ...pdu, [field]: 'other' })).not.toBe(protocol.eventIdOf(pdu));
        }
      }),
    );
  });
});

describe('signatures', () => {
  it('verify, and no longer once one bit of the text or of the signature is another', () => {
    const [key] = [...keysOf(hubKey).values()];
    if (key === undefined) throw new Error('a key is a key');
    const flipped = (bytes: Uint8Array, bit: number): Buffer => {
      const out = Buffer.from(bytes);
      const at = bit % (out.length * 8);
      out[at >> 3] = (out[at >> 3] ?? 0) ^ (1 << (at & 7));
      return out;
    };
    fc.assert(
      fc.property(any.jsonObject, fc.nat(), (object, bit) => {
        const bytes = Buffer.from(protocol.canonicalJson(object));
        const signature = hubKey.sign(bytes);
        expect(protocol.verifySignature(bytes, signature, key)).toBe(true);
        expect(protocol.verifySignature(flipped(bytes, bit), signature, key)).toBe(false);
        const other = protocol.encodeBase64(flipped(Buffer.from(signature, 'base64'), bit));
        expect(protocol.verifySignature(bytes, other, key)).toBe(false);
      }),
    );
  });

  it('of an object verify in any order of its members, and not once a member is another', () => {
    fc.assert(
      fc.property(any.jsonObject, fc.infiniteStream(fc.nat()), any.text, any.json, (object, orders, name, value) => {
        const bare = protocol.omit(object, 'signatures');
        const signed = protocol.signObject(bare, ACME, hubKey);
        const shuffled = any.reordered(signed, (length) => (orders.next().value ?? 0) % length);
        expect(isJsonObject(shuffled) && protocol.verifyObject(shuffled, ACME, keysOf(hubKey))).toBe(true);
        fc.pre(name !== 'signatures');
        const changed: JsonObject = Object.fromEntries<JsonValue | undefined>([
          ...Object.entries(signed),
          [name, value],
        ]);
        const same = protocol.canonicalJson(changed) === protocol.canonicalJson(signed);
        expect(protocol.verifyObject(changed, ACME, keysOf(hubKey))).toBe(same);
      }),
    );
  });
});

describe('an LPDU', () => {
  it('is found again in the PDU that the hub made of it, by its hash and by its signature', () => {
    fc.assert(
      fc.property(completed, ({ lpdu, pdu }) => {
        expect(protocol.lpduContentHash(pdu)).toBe(lpdu.hashes.lpdu.sha256);
        expect(protocol.lpduOf(pdu)).toEqual({ ...lpdu, signatures: pdu.signatures });
        expect(protocol.checkContentHashes(pdu)).toBe('ok');
        expect(protocol.checkPduSignatures(pdu, keys)).toBeUndefined();
        const received = parse(JSON.stringify({ pdus: [pdu, lpdu] }));
        const [first = null, second = null] = (received.value as { pdus: JsonValue[] }).pdus;
        expect(protocol.parsePdu(first, received.defects)).toEqual({ ok: true, value: pdu });
        expect(protocol.parseLpdu(second, received.defects)).toEqual({ ok: true, value: lpdu });
      }),
    );
  });

  // proves LM-04/receiving-events/3
  it('cannot be changed by its hub unseen', () => {
    fc.assert(
      fc.property(completed, fc.nat(), any.json, ({ lpdu, pdu }, which, value) => {
        const names = Object.keys(lpdu).filter((name) => name !== 'signatures' && name !== 'hashes');
        const name = names[which % names.length] ?? 'content';
        fc.pre(protocol.canonicalJson(value) !== protocol.canonicalJson(lpdu[name] ?? null));
        const { signatures, ...forged } = { ...pdu, [name]: value };
        const hashes = { ...forged.hashes, sha256: protocol.pduContentHash(forged) };
        const again = protocol.signEvent(
          { ...forged, hashes, signatures: { [GLOBEX]: signatures[GLOBEX] ?? {} } },
          ACME,
          hubKey,
        );
        expect(protocol.checkContentHashes(again)).toBe('the LPDU content hash does not match');
      }),
    );
  });
});

describe('X-Matrix', () => {
  const header = fc.record({
    origin: any.serverName,
    destination: any.serverName,
    key: any.keyId,
    sig: fc.uint8Array({ minLength: 64, maxLength: 64 }).map(protocol.encodeBase64),
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(header, (fields) => {
        expect(protocol.parseXMatrix(protocol.formatXMatrix(fields))).toEqual({ ok: true, value: fields });
      }),
    );
  });

  it('is read however RFC 9110 lets it be written', () => {
    const style = fc.record({
      upper: fc.boolean(),
      quoted: fc.boolean(),
      escaped: fc.boolean(),
      before: fc.constantFrom('', ' ', '\t', ' , ', ',,'),
      around: fc.constantFrom('', ' ', ' \t'),
    });
    const styles = fc.array(style, { minLength: 4, maxLength: 4 });
    const order = fc.shuffledSubarray(['origin', 'destination', 'key', 'sig'] as const, { minLength: 4 });
    fc.assert(
      fc.property(header, order, styles, (fields, names, written) => {
        const parameters = names.map((name, index) => {
          const { upper, quoted, escaped, before, around } = written[index] ?? {};
          const plain = fields[name];
          const inner = escaped ? plain.replace(/[^a-z]/g, '\\$&') : plain;
          const value = quoted || escaped ? `"${inner}"` : plain;
          return `${before ?? ''}${upper ? name.toUpperCase() : name}${around ?? ''}=${around ?? ''}${value}${around ?? ''}`;
        });
        expect(protocol.parseXMatrix(`X-Matrix ${parameters.join(',')}`)).toEqual({ ok: true, value: fields });
      }),
    );
  });

  it('verifies the request that it was made for, and no other', () => {
    const [key] = [...keysOf(hubKey).values()];
    if (key === undefined) throw new Error('a key is a key');
    const request = fc.record({
      method: fc.constantFrom('GET', 'PUT', 'POST'),
      uri: any.text.map((path) => `/${encodeURIComponent(path)}`),
      origin: any.serverName,
      destination: any.serverName,
    });
    fc.assert(
      fc.property(request, request, fc.option(any.json, { nil: undefined }), (one, other, body) => {
        const parsed = protocol.parseXMatrix(protocol.signRequest(one, body, hubKey));
        const sig = parsed.ok ? parsed.value.sig : '';
        expect(protocol.verifyRequest(one, body, sig, key)).toBe(true);
        const same = protocol.canonicalJson({ ...one }) === protocol.canonicalJson({ ...other });
        expect(protocol.verifyRequest(other, body, sig, key)).toBe(same);
        expect(protocol.verifyRequest(one, { other: body ?? null }, sig, key)).toBe(false);
      }),
    );
  });
});

describe('no parser throws', () => {
  /** Values as a hostile body may hold them, and events that are wrong in some places alone. */
  const hostile = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>,
    fc
      .tuple(
        completed,
        fc.constantFrom('type', 'content', 'hashes', 'signatures', 'auth_events', 'sender'),
        fc.jsonValue(),
      )
      .map(([{ pdu }, field, value]) => ({ ...pdu, [field]: value })),
  );

  it.each<[string, (value: JsonValue) => unknown]>([
    ['parsePdu', (value) => protocol.parsePdu(value)],
    ['parseLpdu', (value) => protocol.parseLpdu(value)],
    ['parseTransaction', protocol.parseTransaction],
    ['parseEdu', protocol.parseEdu],
    ['parseServerKeys', (value) => protocol.parseServerKeys(value, ACME)],
    ['parseServerName', protocol.parseServerName],
    ['parseUserId', protocol.parseUserId],
    ['parseRoomId', protocol.parseRoomId],
    ['parseRoomAlias', protocol.parseRoomAlias],
    ['parseEventId', protocol.parseEventId],
    ['parseKeyId', protocol.parseKeyId],
    ['roomVersion', protocol.roomVersion],
    [
      'checkAuthRules',
      (value) =>
        isJsonObject(value) &&
        protocol.checkAuthRules(value, { state: aRoom(), roomVersion: protocol.DEFAULT_ROOM_VERSION }),
    ],
    ['verifyEvent', (value) => isJsonObject(value) && protocol.verifyEvent(value, ACME, keysOf(hubKey))],
  ])('%s, whatever the value', (_name, parser) => {
    fc.assert(fc.property(hostile, (value) => void parser(value)));
  });

  it.each<[string, (text: string) => unknown]>([
    ['parseXMatrix', protocol.parseXMatrix],
    ['parseXMatrix, of its scheme', (text) => protocol.parseXMatrix(`X-Matrix ${text}`)],
    ['decodeBase64', protocol.decodeBase64],
    ['createVerifyKey', protocol.createVerifyKey],
    ['parseServerName', protocol.parseServerName],
    ['parseUserId', (text) => protocol.parseUserId(`@${text}`)],
  ])('%s, whatever the text', (_name, parser) => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...Array.from('a=",\\ :.1[')) }),
    );
    fc.assert(fc.property(text, (each) => void parser(each)));
  });

  it('parseJson, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        protocol.parseJson(bytes);
      }),
    );
  });
});
