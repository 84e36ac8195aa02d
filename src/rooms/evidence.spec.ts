import { describe, expect, it } from 'vitest';
import { type JsonObject, eventIdOf } from '../protocol/index.js';
import { evidenceText } from './evidence.js';

const anEvent = (body: string, more: JsonObject = {}): JsonObject => ({
  type: 'm.room.message',
  room_id: '!r:a.example',
  sender: '@a:a.example',
  content: { body },
  ...more,
});

const parsed = (text: string) => JSON.parse(text) as Record<string, JsonObject[]>;

describe('evidence', () => {
  it('is kept as it was received, beside what it contradicts', () => {
    const evidence = { received: [anEvent('changed')], known: [anEvent('sent')] };
    expect(parsed(evidenceText(evidence))).toEqual(evidence);
  });

  it('that is too long is cut to its redacted form, which still has its event id', () => {
    const long = anEvent('x'.repeat(100_000));
    const text = evidenceText({ received: [long] });
    expect(Buffer.byteLength(text)).toBeLessThan(65_536);
    const [cut] = parsed(text).received ?? [];
    expect(cut).toMatchObject({ cut: true, bytes: JSON.stringify(long).length });
    expect(eventIdOf(cut?.redacted as JsonObject)).toBe(eventIdOf(long));
  });

  it.each([
    ['quotation marks', '"'.repeat(80_000)],
    ['wide characters', '\u{1F600}'.repeat(40_000)],
  ])('of which the redacted form is too long as well is cut to its beginning: %s', (_what, filling) => {
    const text = evidenceText({ received: [anEvent('x', { sender: filling }), { type: 7, filling }] });
    expect(Buffer.byteLength(text)).toBeLessThan(65_536);
    const [first, second] = parsed(text).received ?? [];
    expect(first).toMatchObject({ cut: true, begins: expect.stringMatching(/^\{"type":"m.room.message"/) as unknown });
    expect(second).toMatchObject({ cut: true, begins: expect.stringMatching(/^\{"type":7/) as unknown });
  });

  it('says how many objects it leaves out', () => {
    const text = evidenceText({ received: Array.from({ length: 1_000 }, (_, n) => anEvent(String(n))) });
    expect(parsed(text).received).toHaveLength(10);
    expect(parsed(text).left_out).toBe(990);
  });
});
