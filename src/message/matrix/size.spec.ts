import { describe, expect, it } from 'vitest';
import { type EventId, MAX_PDU_BYTES, canonicalJson } from '../../protocol/index.js';
import { asEdit, asThreaded } from './relations.js';
import { MAX_CONTENT_BYTES, bytesOf } from './size.js';

const longest = 'a'.repeat(255);
const eventId = `$${'a'.repeat(43)}` as EventId;

/** The largest event around a content: names as long as they may be, two signatures and one of a proxy. */
const pdu = (content: ReturnType<typeof asEdit>): string =>
  canonicalJson({
    type: 'm.room.message',
    room_id: longest,
    sender: longest,
    hub_server: longest,
    origin_server_ts: Number.MAX_SAFE_INTEGER,
    auth_events: Array.from({ length: 8 }, () => eventId),
    prev_events: [eventId],
    hashes: { sha256: 'a'.repeat(43), lpdu: { sha256: 'a'.repeat(43) } },
    signatures: Object.fromEntries(
      ['1', '2', '3'].map((n) => [n + longest.slice(1), { [`ed25519:${longest.slice(8)}`]: 'a'.repeat(86) }]),
    ),
    content,
  });

describe('the largest content', () => {
  const content = { msgtype: 'm.text', body: '' };
  const largest = { ...content, body: 'x'.repeat(MAX_CONTENT_BYTES - bytesOf(content)) };

  it.each([
    ['as it is', largest],
    ['in a thread', asThreaded(largest, { root: eventId, last: eventId, alsoToRoom: true })],
    ['as an edit', asEdit(largest, eventId)],
    [
      'as an edit whose fallback just fits',
      asEdit({ ...content, body: 'x'.repeat(MAX_CONTENT_BYTES / 2 + 1_800) }, eventId),
    ],
  ])('fits into an event %s', (_, event) => {
    expect(bytesOf(largest)).toBe(MAX_CONTENT_BYTES);
    expect(Buffer.byteLength(pdu(event))).toBeLessThanOrEqual(MAX_PDU_BYTES);
  });
});
