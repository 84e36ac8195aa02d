import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.js';
import { omit, pick, redact } from './redaction.js';

const KEPT = {
  type: 'org.example',
  room_id: '!r:a',
  sender: '@a:a',
  state_key: '',
  content: {},
  origin_server_ts: 1,
  hashes: { sha256: 'x' },
  signatures: { a: {} },
  prev_events: ['$p'],
  auth_events: ['$a'],
  hub_server: 'a',
};

describe('redaction', () => {
  // proves LM-04/redactions/1; profile/events/9
  it('keeps of an event the fields of the draft, and no other', () => {
    const event = { ...KEPT, content: { body: 'x' }, unsigned: {}, depth: 1, redacts: '$x', event_id: '$y' };
    expect(redact(event)).toEqual(KEPT);
    expect(redact({ type: 'org.example', content: {} })).toEqual({ type: 'org.example', content: {} });
  });

  // proves LM-04/redactions/1; profile/events/9
  it.each<[string, JsonObject, JsonObject]>([
    ['m.room.member', { membership: 'join', displayname: 'x', reason: 'x' }, { membership: 'join' }],
    ['m.room.join_rules', { join_rule: 'public', allow: [] }, { join_rule: 'public' }],
    ['m.room.history_visibility', { history_visibility: 'joined', x: 1 }, { history_visibility: 'joined' }],
    ['m.room.redaction', { redacts: '$x' }, {}],
    ['m.room.message', { membership: 'join', join_rule: 'x', ban: 1 }, {}],
    ['m.room.create', { creator: '@a:a', anything: { a: 1 } }, { creator: '@a:a', anything: { a: 1 } }],
    [
      'm.room.power_levels',
      {
        ban: 1,
        events: { a: 1 },
        events_default: 2,
        kick: 3,
        redact: 4,
        state_default: 5,
        users: { '@a:a': 6 },
        users_default: 7,
        invite: 8,
        notifications: { room: 9 },
      },
      {
        ban: 1,
        events: { a: 1 },
        events_default: 2,
        kick: 3,
        redact: 4,
        state_default: 5,
        users: { '@a:a': 6 },
        users_default: 7,
        invite: 8,
      },
    ],
  ])('keeps of the content of %s what its rules need', (type, content, kept) => {
    expect(redact({ type, content })).toEqual({ type, content: kept });
  });

  it('leaves the event itself as it was', () => {
    const event = { type: 'm.room.message', content: { body: 'x' }, unsigned: {} };
    redact(event);
    expect(event).toEqual({ type: 'm.room.message', content: { body: 'x' }, unsigned: {} });
  });

  it('keeps content that is no object as it is: no parser lets it through', () => {
    expect(redact({ type: 'm.room.message', content: ['x'] })).toEqual({ type: 'm.room.message', content: ['x'] });
  });
});

describe('own properties', () => {
  const hostile = JSON.parse('{"__proto__":{"a":1},"b":2}') as JsonObject;

  it('are left out by name, and __proto__ stays a member like any other', () => {
    expect(omit({ a: 1, b: 2, c: 3 }, 'a', 'c', 'd')).toEqual({ b: 2 });
    expect(JSON.stringify(omit(hostile, 'b'))).toBe('{"__proto__":{"a":1}}');
  });

  it('are picked by name, never from the prototype', () => {
    expect(pick({ a: 1, b: 2 }, ['a', 'c', 'toString', '__proto__'])).toEqual({ a: 1 });
    expect(Object.keys(pick({ a: undefined, b: 2 }, ['a', 'b']))).toEqual(['b']);
  });
});
