import { describe, expect, it } from 'vitest';
import { ACME, ADA, BOB, FIELDS, GLOBEX, GRACE, ROOM, aKey, anEvent } from '../../test/support/events.js';
import { canonicalJson } from './canonical-json.js';
import { MAX_PDU_BYTES, eventFault, isState, membershipOf, parseLpdu, parsePdu, typeFault } from './events.js';
import { type JsonObject, type JsonValue, parseJson } from './json.js';
import { buildLpdu, buildOwnPdu, completeLpdu } from './signing.js';

const ownPdu = (event = anEvent()): JsonObject => buildOwnPdu(event.build(), FIELDS, ACME, aKey(1));
const lpdu = (event = anEvent().by(GRACE)) => buildLpdu(event.build(), ACME, GLOBEX, aKey(2));
const pdu = (): JsonObject => completeLpdu(lpdu(), FIELDS, ACME, aKey(1));

function without(event: JsonObject, ...keys: string[]): JsonObject {
  return Object.fromEntries(Object.entries(event).filter(([key]) => !keys.includes(key)));
}

const pduFault = (value: JsonValue): string | undefined => {
  const parsed = parsePdu(value);
  return parsed.ok ? undefined : parsed.error.reason;
};
const lpduFault = (value: JsonValue): string | undefined => {
  const parsed = parseLpdu(value);
  return parsed.ok ? undefined : parsed.error.reason;
};

const SHORT = 'is no text of at most 255 bytes';
const WRONG: [field: string, value: JsonValue | undefined, reason: string][] = [
  ['room_id', undefined, 'room_id is no room id'],
  ['room_id', '!room', 'room_id is no room id'],
  ['room_id', '!ro om:acme.example', 'room_id is no room id'],
  ['sender', undefined, 'sender is no user id'],
  ['sender', 'ada', 'sender is no user id'],
  ['sender', '@Ada:acme.example', 'sender is no user id'],
  ['type', undefined, `type ${SHORT}`],
  ['type', 5, `type ${SHORT}`],
  ['type', 'x'.repeat(256), `type ${SHORT}`],
  ['type', 'ü'.repeat(128), `type ${SHORT}`],
  ['type', 'a\u0000b', `type ${SHORT}`],
  ['state_key', null, `state_key ${SHORT}`],
  ['state_key', 5, `state_key ${SHORT}`],
  ['state_key', 'x'.repeat(256), `state_key ${SHORT}`],
  ['state_key', 'ü'.repeat(128), `state_key ${SHORT}`],
  ['state_key', '\u0000', `state_key ${SHORT}`],
  ['origin_server_ts', undefined, 'origin_server_ts is no integer'],
  ['origin_server_ts', '1', 'origin_server_ts is no integer'],
  ['origin_server_ts', 1.5, 'origin_server_ts is no integer'],
  ['origin_server_ts', 2 ** 53, 'origin_server_ts is no integer'],
  ['content', undefined, 'content is no object'],
  ['content', [], 'content is no object'],
  ['content', 'text', 'content is no object'],
  ['hub_server', '', 'hub_server is no server name'],
  ['hub_server', null, 'hub_server is no server name'],
  ['hub_server', '10.0.0.1', 'hub_server is no server name'],
  ['hashes', undefined, 'hashes is no object'],
  ['hashes', 'abc', 'hashes is no object'],
  ['signatures', undefined, 'signatures is no object of objects of text'],
  ['signatures', [], 'signatures is no object of objects of text'],
  ['signatures', { a: 'b' }, 'signatures is no object of objects of text'],
  ['signatures', { a: {}, b: { 'ed25519:1': 'x', 'ed25519:2': 5 } }, 'signatures is no object of objects of text'],
];

describe('an event', () => {
  // proves LM-04/pdu/2, 3, 4, 5, 7
  it.each(WRONG)('whose %s is %j is refused: %s', (field, value, reason) => {
    const change = (event: JsonObject): JsonObject =>
      value === undefined ? without(event, field) : { ...event, [field]: value };
    expect(eventFault(change(pdu()))).toBe(reason);
    expect(pduFault(change(pdu()))).toBe(reason);
    expect(lpduFault(change(lpdu()))).toBe(reason);
  });

  // proves LM-04/pdu/3, 4
  it('may have the longest type and state key, the shortest, and a time before 1970', () => {
    for (const text of ['x'.repeat(255), 'ü'.repeat(127), '']) {
      expect(pduFault(ownPdu(anEvent().state(text, text)))).toBeUndefined();
    }
    expect(pduFault(ownPdu(anEvent().with({ origin_server_ts: -1 })))).toBeUndefined();
  });

  it.each([[null], ['text'], [1], [[]]])('is an object: %j is none', (value) => {
    expect(pduFault(value)).toBe('not an object');
    expect(lpduFault(value)).toBe('not an object');
  });

  // proves profile/events/5, 6
  it('has of unsigned and event_id nothing left, and of unknown keys everything', () => {
    const event = ownPdu(anEvent().with({ 'org.example.key': { a: 1 } }));
    const parsed = parsePdu({ ...event, unsigned: { age: 5 }, event_id: '$made-up' });
    expect(parsed).toEqual({ ok: true, value: event });
  });

  // proves LM-04/pdu/11; profile/events/10
  it('has at most 65536 bytes in canonical form, signatures included', () => {
    const spare = MAX_PDU_BYTES - Buffer.byteLength(canonicalJson(ownPdu(anEvent().message(''))));
    const ofSize = (more: number): JsonObject => ownPdu(anEvent().message('x'.repeat(spare + more)));
    expect(Buffer.byteLength(canonicalJson(ofSize(0)))).toBe(65_536);
    expect(pduFault(ofSize(0))).toBeUndefined();
    expect(parsePdu(ofSize(1))).toEqual({ ok: false, error: { code: 'too_large', reason: 'larger than 65536 bytes' } });
    expect(pduFault({ ...ofSize(0), unsigned: { padding: 'x'.repeat(100) } })).toBeUndefined();
    const inBytes = ownPdu(anEvent().message('ü'.repeat(spare / 2 + 1)));
    expect(parsePdu(inBytes)).toMatchObject({ error: { code: 'too_large' } });
  });

  it.each([
    ['a float', { n: 1.5 }, '1.5 is no integer within ±(2^53−1)'],
    ['negative zero', { n: -0 }, 'negative zero'],
    ['a lone surrogate', { n: '\ud800' }, 'lone surrogate'],
  ])('with %s in it has no canonical form, and is refused', (_what, content, reason) => {
    expect(parsePdu({ ...pdu(), content })).toEqual({ ok: false, error: { code: 'bad_json', reason } });
  });

  it('is refused for what only its text shows: a key twice, a float that is an integer', () => {
    const text = JSON.stringify(pdu());
    const parse = (changed: string) => {
      const json = parseJson(Buffer.from(changed));
      if (!json.ok) throw new Error(json.error.reason);
      return parsePdu(json.value.value, json.value.defects);
    };
    expect(parse(text).ok).toBe(true);
    const error = (reason: string) => ({ ok: false, error: { code: 'bad_json', reason } });
    expect(parse(text.replace('{"type"', '{"type":"x","type"').replace('"sender"', '"type":"x","sender"'))).toEqual(
      error('duplicate key'),
    );
    expect(parse(text.replace('"origin_server_ts":1', '"origin_server_ts":1.0'))).toEqual(error('float'));
  });
});

it('an event fails for what is no fault of it', () => {
  const content = Object.defineProperty({}, 'a', {
    enumerable: true,
    get: () => {
      throw new TypeError('on purpose');
    },
  });
  expect(() => pduFault({ ...pdu(), content })).toThrow('on purpose');
});

describe('a PDU', () => {
  // proves LM-04/pdu/10
  it('of a hub has hub_server, both hashes, and one previous event', () => {
    expect(pduFault(pdu())).toBeUndefined();
    expect(pduFault({ ...pdu(), hashes: { sha256: (pdu().hashes as JsonObject).sha256 ?? '' } })).toBe(
      'hashes.lpdu is missing',
    );
    expect(pduFault({ ...pdu(), prev_events: [] })).toBe('prev_events is not exactly one event');
    expect(pduFault({ ...pdu(), prev_events: ['$a', '$b'] })).toBe('prev_events is not exactly one event');
  });

  // proves LM-04/pdu/8, 10; profile/events/2
  it('of a hub’s own user has no hub_server and no hashes.lpdu, and any number of previous events up to 20', () => {
    const events = (count: number): string[] => Array.from({ length: count }, (_, index) => `$${String(index)}`);
    expect(pduFault(ownPdu())).toBeUndefined();
    expect(pduFault(without(pdu(), 'hub_server'))).toBe('hashes.lpdu without hub_server');
    expect(pduFault({ ...ownPdu(), prev_events: events(0) })).toBeUndefined();
    expect(pduFault({ ...ownPdu(), prev_events: events(20) })).toBeUndefined();
    expect(pduFault({ ...ownPdu(), prev_events: events(21) })).toBe('prev_events is no list of event ids');
    expect(pduFault({ ...ownPdu(), auth_events: events(10) })).toBeUndefined();
    expect(pduFault({ ...ownPdu(), auth_events: events(11) })).toBe('auth_events is no list of event ids');
  });

  it.each([[undefined], ['$a'], [{}], [[5]], [['$a', 'b']], [['$a b']]])(
    'whose auth_events or prev_events are %j is refused',
    (value) => {
      const change = (key: string): JsonObject =>
        value === undefined ? without(ownPdu(), key) : { ...ownPdu(), [key]: value };
      expect(pduFault(change('auth_events'))).toBe('auth_events is no list of event ids');
      expect(pduFault(change('prev_events'))).toBe('prev_events is no list of event ids');
    },
  );

  it.each([[undefined], [5], ['abc'], ['!'.repeat(43)], ['A'.repeat(44)], ['A'.repeat(80)]])(
    'whose hash is %j is refused: it is no base64 of 32 bytes',
    (sha256: JsonValue | undefined) => {
      const { hashes } = pdu();
      const sha = sha256 === undefined ? {} : { sha256 };
      expect(pduFault({ ...pdu(), hashes: { ...without(hashes as JsonObject, 'sha256'), ...sha } })).toBe(
        'hashes.sha256 is missing',
      );
      expect(pduFault({ ...pdu(), hashes: { ...(hashes as JsonObject), lpdu: sha } })).toBe('hashes.lpdu is missing');
      expect(lpduFault({ ...lpdu(), hashes: { lpdu: sha } })).toBe('hashes.lpdu is missing');
    },
  );

  it('may give its hashes with padding', () => {
    const { sha256 } = pdu().hashes as { sha256: string };
    expect(pduFault({ ...ownPdu(), hashes: { sha256: `${sha256}=` } })).toBeUndefined();
  });
});

describe('an LPDU', () => {
  // proves LM-04/lpdu/1, 2; profile/events/1
  it('has hub_server and hashes.lpdu, and nothing that is the hub’s to add', () => {
    expect(lpduFault(lpdu())).toBeUndefined();
    expect(lpduFault(without(lpdu(), 'hub_server'))).toBe('hub_server is missing');
    expect(lpduFault({ ...lpdu(), auth_events: [] })).toBe('an LPDU has no auth_events or prev_events');
    expect(lpduFault({ ...lpdu(), prev_events: [] })).toBe('an LPDU has no auth_events or prev_events');
    expect(lpduFault({ ...lpdu(), hashes: {} })).toBe('hashes.lpdu is missing');
    expect(lpduFault({ ...lpdu(), hashes: { lpdu: 'abc' } })).toBe('hashes.lpdu is missing');
    expect(lpduFault({ ...lpdu(), hashes: { ...lpdu().hashes, sha256: 'abc' } })).toBe(
      'an LPDU has no hash but hashes.lpdu',
    );
  });
});

describe('the state key', () => {
  // proves LM-04/ev-create/3; LM-04/ev-member/1; LM-04/ev-power-levels/1
  it.each([
    ['m.room.create', '', undefined],
    ['m.room.create', undefined, 'the state_key of m.room.create is ""'],
    ['m.room.create', 'x', 'the state_key of m.room.create is ""'],
    ['m.room.power_levels', '', undefined],
    ['m.room.power_levels', undefined, 'the state_key of m.room.power_levels is ""'],
    ['m.room.power_levels', 'x', 'the state_key of m.room.power_levels is ""'],
    ['m.room.member', BOB, undefined],
    ['m.room.member', '', 'the state_key of m.room.member is a user id'],
    ['m.room.member', undefined, 'the state_key of m.room.member is a user id'],
    ['m.room.join_rules', 'x', undefined],
    ['m.room.message', undefined, undefined],
    ['org.example', 'x', undefined],
  ])('of %s may be %j: %j', (type, stateKey, fault) => {
    const event = stateKey === undefined ? { type } : { type, state_key: stateKey };
    expect(typeFault(event)).toBe(fault);
    if (fault !== undefined) expect(eventFault({ ...without(ownPdu(), 'state_key'), ...event })).toBe(fault);
  });

  it('makes an event a state event, also when it is empty', () => {
    expect(isState(anEvent().state('m.room.name', '').build())).toBe(true);
    expect(isState(anEvent().build())).toBe(false);
  });
});

describe('a membership', () => {
  it('is what the content says, if it says it in words', () => {
    expect(membershipOf({ content: { membership: 'join' } })).toBe('join');
    expect(membershipOf({ content: { membership: 5 } })).toBeUndefined();
    expect(membershipOf({ content: {} })).toBeUndefined();
  });
});

it('the events of these tests are what they claim to be', () => {
  expect(ownPdu()).toMatchObject({ room_id: ROOM, sender: ADA });
  expect(pdu()).toMatchObject({ sender: GRACE, hub_server: ACME });
});
