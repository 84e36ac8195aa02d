import { describe, expect, it } from 'vitest';
import { ADA } from '../../test/support/events.js';
import type { JsonValue } from './json.js';
import { parseEdu, parseTransaction } from './transaction.js';

describe('a transaction', () => {
  const many = (count: number): JsonValue[] => Array.from({ length: count }, () => ({}));

  // proves LM-04/api-send-txn/2
  it('has at most 50 PDUs and 100 EDUs, and may have no EDUs', () => {
    expect(parseTransaction({ pdus: many(50), edus: many(100) })).toEqual({
      ok: true,
      value: { pdus: many(50), edus: many(100) },
    });
    expect(parseTransaction({ pdus: [] })).toEqual({ ok: true, value: { pdus: [], edus: [] } });
  });

  it.each<[JsonValue, string]>([
    [null, 'the body is no object'],
    [[], 'the body is no object'],
    [{}, 'pdus is no array'],
    [{ pdus: {} }, 'pdus is no array'],
    [{ pdus: [], edus: {} }, 'edus is no array'],
    [{ pdus: [], edus: null }, 'edus is no array'],
    [{ pdus: many(51) }, 'more than 50 pdus'],
    [{ pdus: [], edus: many(101) }, 'more than 100 edus'],
  ])('is none where it is malformed', (body, reason) => {
    expect(parseTransaction(body)).toEqual({ ok: false, error: reason });
  });
});

describe('an EDU', () => {
  const edu = { type: 'm.direct_to_device', sender: ADA, content: { a: 1 } };

  it('has a type, a sender and content, and nothing else of it is read', () => {
    expect(parseEdu({ ...edu, other: 1 })).toEqual(edu);
  });

  it.each<[JsonValue]>([
    [null],
    ['x'],
    [[]],
    [{ ...edu, type: 5 }],
    [{ ...edu, sender: 'ada' }],
    [{ ...edu, content: [] }],
    [{ edu_type: 'm.typing', content: {} }],
  ])('is none where it is malformed: %j', (value) => {
    expect(parseEdu(value)).toBeUndefined();
  });
});
