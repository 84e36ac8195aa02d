import { describe, expect, it } from 'vitest';
import { MAX_ATTACHMENTS, MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES } from './message.js';
import { parseMessageBody } from './parse-body.js';

const saying = (...content: unknown[]): unknown => ({ blocks: [{ type: 'paragraph', content }] });
const file = { kind: 'file', name: 'a', mimeType: 'text/plain', source: { nativeId: 'F1' } };
const nested = (depth: number): unknown =>
  depth === 0 ? { type: 'rule' } : { type: 'quote', blocks: [nested(depth - 1)] };

describe('a message from outside', () => {
  it('may leave out what it does not have, and hold what nobody knows', () => {
    expect(
      parseMessageBody({ blocks: [{ type: 'code', text: 'x', language: null, colour: 'red' }], extra: 1 }),
    ).toEqual({
      ok: true,
      value: { style: 'normal', blocks: [{ type: 'code', text: 'x' }], attachments: [] },
    });
  });

  it('holds all that a message can', () => {
    const body = {
      style: 'emote',
      blocks: [
        {
          type: 'paragraph',
          content: [
            { type: 'text', text: 'a', marks: ['bold'] },
            { type: 'break' },
            { type: 'user', user: { userId: '@ada:globex.example' }, name: 'Ada' },
            { type: 'user', user: { nativeId: 'U1' }, name: 'Bob' },
            { type: 'channel', channel: { room: '#a:globex.example' }, name: 'a' },
            { type: 'channel', channel: { nativeId: 'C1' }, name: 'b' },
            { type: 'everyone', scope: 'here' },
            { type: 'emoji', shortcode: 'tada', unicode: '🎉', image: { mxc: 'mxc://globex.example/a' } },
            { type: 'link', url: 'mailto:a@b.example', content: [{ type: 'text', text: 'x' }] },
          ],
        },
        { type: 'list', start: 0, items: [[{ type: 'rule' }]] },
      ],
      attachments: [{ ...file, size: 0, width: 1, height: 2, durationMs: 3, alt: 'b', thumbnail: { nativeId: 'F2' } }],
    };
    expect(parseMessageBody(body)).toEqual({ ok: true, value: body });
  });

  it.each<[unknown, string]>([
    [null, ''],
    [[], ''],
    ['text', ''],
    [{ style: 'loud' }, 'style'],
    [{ blocks: {} }, 'blocks'],
    [{ blocks: [null] }, 'blocks[0]'],
    [{ blocks: [{ type: 'html' }] }, 'blocks[0].type'],
    [{ blocks: [{ type: 'paragraph' }] }, 'blocks[0].content'],
    [{ blocks: [{ type: 'heading', level: 7, content: [] }] }, 'blocks[0].level'],
    [{ blocks: [{ type: 'list', start: 1.5, items: [] }] }, 'blocks[0].start'],
    [{ blocks: [{ type: 'list', items: [{}] }] }, 'blocks[0].items[0]'],
    [{ blocks: [{ type: 'code', text: 7 }] }, 'blocks[0].text'],
    [saying({ type: 'text', text: 'a', marks: ['blink'] }), 'blocks[0].content[0].marks'],
    [saying({ type: 'mention' }), 'blocks[0].content[0].type'],
    [saying({ type: 'user', user: {}, name: 'a' }), 'blocks[0].content[0].user'],
    [saying({ type: 'user', user: { userId: 'ada' }, name: 'a' }), 'blocks[0].content[0].user'],
    [saying({ type: 'user', user: { nativeId: '' }, name: 'a' }), 'blocks[0].content[0].user.nativeId'],
    [saying({ type: 'channel', channel: { room: '@a:b.example' }, name: 'a' }), 'blocks[0].content[0].channel'],
    [saying({ type: 'everyone', scope: 'world' }), 'blocks[0].content[0].scope'],
    [saying({ type: 'emoji', shortcode: 'a', image: { mxc: 'https://a.example/' } }), 'blocks[0].content[0].image'],
    [
      saying({ type: 'link', url: 'https://a.example', content: [{ type: 'everyone', scope: 'here' }] }),
      'blocks[0].content[0].content',
    ],
    [{ attachments: [{ ...file, kind: 'virus' }] }, 'attachments[0].kind'],
    [{ attachments: [{ ...file, size: -1 }] }, 'attachments[0].size'],
    [{ attachments: [{ ...file, source: {} }] }, 'attachments[0].source'],
    [{ attachments: Array.from({ length: MAX_ATTACHMENTS + 1 }, () => file) }, 'attachments'],
    [{ blocks: Array.from({ length: MAX_NODES + 1 }, () => ({ type: 'rule' })) }, `blocks[${String(MAX_NODES)}]`],
    [{ blocks: [{ type: 'code', text: 'é'.repeat(MAX_TEXT_BYTES / 2 + 1) }] }, 'blocks[0].text'],
    [{ blocks: [nested(MAX_DEPTH)] }, `blocks[0]${'.blocks[0]'.repeat(MAX_DEPTH - 1)}.blocks`],
    [{ blocks: [nested(5_000)] }, `blocks[0]${'.blocks[0]'.repeat(MAX_DEPTH - 1)}.blocks`],
  ])('is refused where it is wrong (%#)', (value, path) => {
    expect(parseMessageBody(value)).toEqual({
      ok: false,
      error: { path, reason: expect.stringMatching(/^(?:no|neither|more|nested|a link)/) },
    });
  });
});
