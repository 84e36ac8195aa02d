import { describe, expect, it } from 'vitest';
import { plainBody } from '../message/index.js';
import type { JsonObject, Pdu } from '../protocol/index.js';
import { outboundMessage } from './outbound-message.js';

const shown = (fields: JsonObject, membershipBefore?: string) =>
  outboundMessage(
    {
      roomId: '!r:globex.example' as never,
      position: 1,
      eventId: '$e' as never,
      rejected: false,
      pdu: {
        type: 'm.room.message',
        sender: '@grace:globex.example',
        origin_server_ts: 7,
        ...fields,
      } as unknown as Pdu,
    },
    { displayName: undefined, membershipBefore, serverName: 'acme.example', maxTextBytes: 100 },
  );

describe('an event in a channel', () => {
  // proves LM-04/pdu/9
  it.each<[JsonObject]>([
    [{}],
    [{ body: 5 }],
    [{ body: null }],
    [{ body: ['text'] }],
    [{ body: { toString: 'text' } }],
    [{ msgtype: 'm.text' }],
  ])('is not shown when its content is %j', (content) => {
    expect(shown({ content })).toBeUndefined();
  });

  // proves LM-04/pdu/9
  it.each<[JsonObject, string]>([
    [{ body: 'hello', msgtype: 'm.text' }, 'hello'],
    [{ body: 'cat', msgtype: 'm.image' }, '[cat] (this kind of message cannot be shown here yet)'],
    [{ body: 'cat', msgtype: 5 }, '[cat] (this kind of message cannot be shown here yet)'],
    [{ body: '€'.repeat(40), msgtype: 'm.text' }, `${'€'.repeat(31)}…`],
  ])('is shown as text when its content is %j', (content, text) => {
    expect(shown({ content })).toMatchObject({ kind: 'message', body: plainBody(text) });
  });

  // proves LM-04/pdu/9
  it.each<[JsonObject]>([[{ membership: 5 }], [{}], [{ membership: 'join', displayname: { x: 1 } }]])(
    'of a membership with the content %j does no harm',
    (content) => {
      const notice = shown({ type: 'm.room.member', state_key: '@grace:globex.example', content }, 'leave');
      if (notice !== undefined)
        expect(notice).toEqual({ kind: 'notice', body: plainBody('grace (globex.example) joined.') });
    },
  );
});
