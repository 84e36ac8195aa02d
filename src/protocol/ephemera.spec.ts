import { describe, expect, it } from 'vitest';
import { ADA, GRACE, ROOM } from '../../test/support/events.js';
import { type Ephemeral, eduOf, ephemeraOf } from './ephemera.js';
import type { EventId } from './identifiers.js';
import type { JsonObject } from './json.js';

const EVENT = `$${'a'.repeat(43)}` as EventId;
const TOLD: Ephemeral[] = [
  { type: 'typing', roomId: ROOM, userId: ADA, typing: true },
  { type: 'typing', roomId: ROOM, userId: ADA, typing: false },
  { type: 'read', roomId: ROOM, userId: ADA, eventId: EVENT },
];

describe('what is ephemeral', () => {
  it.each(TOLD)('is an EDU and comes out of it: %j', (told) => {
    expect(ephemeraOf(eduOf(told, 1))).toEqual([told]);
  });

  it('is Matrix’s content in the envelope of the draft', () => {
    expect(TOLD.slice(1).map((told) => eduOf(told, 5))).toEqual([
      { type: 'm.typing', sender: ADA, content: { room_id: ROOM, user_id: ADA, typing: false } },
      {
        type: 'm.receipt',
        sender: ADA,
        content: { [ROOM]: { 'm.read': { [ADA]: { event_ids: [EVENT], data: { ts: 5 } } } } },
      },
    ]);
  });

  it('is told of the sender alone', () => {
    expect(
      ephemeraOf({ ...eduOf({ type: 'typing', roomId: ROOM, userId: GRACE, typing: true }, 1), sender: ADA }),
    ).toEqual([]);
    const receipts = { 'm.read': { [GRACE]: { event_ids: [EVENT] } } };
    expect(ephemeraOf({ type: 'm.receipt', sender: ADA, content: { [ROOM]: receipts } })).toEqual([]);
  });

  it('is told of a bounded number of rooms', () => {
    const rooms = Array.from({ length: 1_000 }, (_, n) => `!${'r'.repeat(10)}${String(n)}:a.example`);
    const content = Object.fromEntries(rooms.map((room) => [room, { 'm.read': { [ADA]: { event_ids: [EVENT] } } }]));
    expect(ephemeraOf({ type: 'm.receipt', sender: ADA, content })).toHaveLength(20);
  });

  it.each<[string, JsonObject]>([
    ['m.typing', {}],
    ['m.typing', { room_id: ROOM, typing: 'yes' }],
    ['m.typing', { room_id: 5, typing: true }],
    ['m.receipt', { [ROOM]: 5 }],
    ['m.receipt', { [ROOM]: { 'm.read': [] } }],
    ['m.receipt', { [ROOM]: { 'm.read': { [ADA]: { event_ids: {} } } } }],
    ['m.receipt', { [ROOM]: { 'm.read': { [ADA]: { event_ids: ['x'] } } } }],
    ['m.receipt', { [ROOM]: { 'm.read.private': { [ADA]: { event_ids: [EVENT] } } } }],
    ['m.presence', { room_id: ROOM, typing: true }],
  ])('is nothing where it is malformed or unknown: %s %j', (type, content) => {
    expect(ephemeraOf({ type, sender: ADA, content })).toEqual([]);
  });
});
