import { describe, expect, it } from 'vitest';
import type { EventId, JsonObject } from '../../protocol/index.js';
import { annotation, asEdit, asReply, asThreaded, relationOf } from './relations.js';
import { bytesOf } from './size.js';

const [EVENT, OTHER] = ['$event' as EventId, '$other' as EventId];
const HELLO: JsonObject = { msgtype: 'm.text', body: 'hello', 'm.mentions': {} };

describe('a relation to another event', () => {
  it('is read as it was written', () => {
    expect(relationOf(HELLO)).toEqual({ kind: 'none' });
    expect(relationOf(asReply(HELLO, EVENT))).toEqual({ kind: 'reply', eventId: EVENT });
    expect(relationOf(annotation(EVENT, '👍'))).toEqual({ kind: 'annotation', eventId: EVENT, key: '👍' });
    expect(relationOf(asEdit(HELLO, EVENT))).toEqual({ kind: 'edit', eventId: EVENT, newContent: HELLO });
    const thread = { kind: 'thread', root: EVENT, alsoToRoom: false };
    expect(relationOf(asThreaded(HELLO, { root: EVENT }))).toEqual(thread);
    expect(relationOf(asThreaded(HELLO, { root: EVENT, last: OTHER }))).toEqual(thread);
    expect(relationOf(asThreaded(HELLO, { root: EVENT, inReplyTo: OTHER }))).toEqual({ ...thread, inReplyTo: OTHER });
    expect(relationOf(asThreaded(HELLO, { root: EVENT, alsoToRoom: true }))).toEqual({ ...thread, alsoToRoom: true });
  });

  it('is a reply for clients without threads', () => {
    expect(asThreaded(HELLO, { root: EVENT, last: OTHER })['m.relates_to']).toEqual({
      rel_type: 'm.thread',
      event_id: EVENT,
      is_falling_back: true,
      'm.in_reply_to': { event_id: OTHER },
    });
  });

  it.each([
    ['nothing', undefined],
    ['no object', 'x'],
    ['a list', [{ event_id: EVENT }]],
    ['no event id', { rel_type: 'm.thread', event_id: 'event' }],
    ['no key', { rel_type: 'm.annotation', event_id: EVENT }],
    ['an empty key', { rel_type: 'm.annotation', event_id: EVENT, key: '' }],
    ['a long key', { rel_type: 'm.annotation', event_id: EVENT, key: 'x'.repeat(256) }],
    ['an edit without content', { rel_type: 'm.replace', event_id: EVENT }],
    ['a kind that nobody knows', { rel_type: 'com.example.x', event_id: EVENT }],
    ['a reply to nothing', { 'm.in_reply_to': { event_id: 7 } }],
  ])('that is malformed is none: %s', (_, relation) => {
    expect(relationOf({ ...HELLO, 'm.relates_to': relation })).toEqual({ kind: 'none' });
  });
});

describe('an edit', () => {
  it('has a fallback for clients without edits', () => {
    const rich = { ...HELLO, format: 'org.matrix.custom.html', formatted_body: '<b>hello</b>' };
    expect(asEdit(rich, EVENT)).toEqual({
      ...rich,
      body: '* hello',
      formatted_body: '* <b>hello</b>',
      'm.new_content': rich,
      'm.relates_to': { rel_type: 'm.replace', event_id: EVENT },
    });
  });

  it('notifies those alone whom it mentions anew', () => {
    const [ada, bob] = ['@ada:globex.example', '@bob:acme.example'];
    const now = { ...HELLO, 'm.mentions': { user_ids: [ada, bob], room: true } };
    const before = { ...HELLO, 'm.mentions': { user_ids: [ada], room: true } };
    expect(asEdit(now, EVENT, before)).toMatchObject({ 'm.mentions': { user_ids: [bob] }, 'm.new_content': now });
    expect(asEdit(now, EVENT, now)['m.mentions']).toEqual({});
  });

  it('keeps the whole new text in an event, and shortens the fallback', () => {
    const long = { ...HELLO, body: 'é'.repeat(25_000) };
    const edit = asEdit(long, EVENT);
    expect(edit).toMatchObject({ msgtype: 'm.text', body: expect.stringMatching(/^\* é+…$/), 'm.new_content': long });
    expect(bytesOf(edit)).toBeLessThan(60_000);
  });
});
