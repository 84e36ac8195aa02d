import { describe, expect, it } from 'vitest';
import type { UserId } from '../../protocol/index.js';
import type { Attachment, Block, Inline, MessageBody } from '../message.js';
import { plainText } from '../plain-text.js';
import { fromMatrix } from './from-matrix.js';
import { MAX_CONTENT_BYTES, bytesOf } from './size.js';
import { type MatrixContent, toMatrix } from './to-matrix.js';

const ADA: Inline = { type: 'user', user: { userId: '@ada:globex.example' as UserId }, name: 'Ada' };
const PICTURE: Attachment = {
  kind: 'image',
  name: 'cat.png',
  mimeType: 'image/png',
  source: { mxc: 'mxc://acme.example/cat' },
  size: 10,
  width: 3,
  height: 4,
};

const paragraph = (...content: Inline[]): Block => ({ type: 'paragraph', content });
const words = (text: string): Inline => ({ type: 'text', text });

function sent(body: Partial<MessageBody>): MatrixContent[] {
  const converted = toMatrix({ style: 'normal', blocks: [], attachments: [], ...body });
  if (!converted.ok) throw new Error('too large');
  return converted.value;
}
const said = (...content: Inline[]): unknown => sent({ blocks: [paragraph(...content)] })[0]?.content;

describe('a message in Matrix', () => {
  it('is plain where nothing in it is rich', () => {
    expect(said(words('a <b>'), { type: 'break' }, words('c'))).toEqual({
      msgtype: 'm.text',
      body: 'a <b>\nc',
      'm.mentions': {},
    });
    const url = 'https://globex.example/a?b';
    expect(said(words('see '), { type: 'link', url, content: [{ type: 'text', text: url }] })).not.toHaveProperty(
      'format',
    );
  });

  it.each([
    ['emote', 'm.emote'],
    ['notice', 'm.notice'],
  ] as const)('is an %s when it is one', (style, msgtype) => {
    expect(sent({ style, blocks: [paragraph(words('x'))] })[0]?.content).toMatchObject({ msgtype, body: 'x' });
  });

  it('has HTML of the list that clients allow, everything else escaped', () => {
    const blocks: Block[] = [
      { type: 'heading', level: 1, content: [words('<Plan>')] },
      paragraph({ type: 'text', text: 'a"&  b', marks: ['bold', 'code'] }, { type: 'break' }, words(' c')),
      { type: 'list', start: 2, items: [[paragraph(words('x')), { type: 'list', items: [[paragraph(words('y'))]] }]] },
      { type: 'quote', blocks: [paragraph(words('q')), { type: 'code', text: '<i>\n', language: 'html' }] },
      { type: 'rule' },
    ];
    expect(sent({ blocks })[0]?.content.formatted_body).toBe(
      '<h1>&lt;Plan&gt;</h1><p><strong><code>a&quot;&amp; \u00a0b</code></strong><br>\u00a0c</p><ol start="2"><li>x<ul><li>y</li></ul></li></ol><blockquote><p>q</p><pre><code class="language-html">&lt;i&gt;</code></pre></blockquote><hr>',
    );
  });

  it('mentions with a pill and in m.mentions', () => {
    expect(said(words('Hi '), ADA, words(' '), { type: 'everyone', scope: 'here' })).toEqual({
      msgtype: 'm.text',
      body: 'Hi Ada @room',
      format: 'org.matrix.custom.html',
      formatted_body: 'Hi <a href="https://matrix.to/#/@ada:globex.example">Ada</a> @room',
      'm.mentions': { user_ids: ['@ada:globex.example'], room: true },
    });
  });

  it('names what has no Matrix address', () => {
    expect(
      said(
        { type: 'user', user: { nativeId: 'U1' }, name: 'Bob' },
        words(' '),
        { type: 'channel', channel: { nativeId: 'C1' }, name: 'general' },
        words(' '),
        { type: 'emoji', shortcode: 'parrot', image: { nativeId: 'F1' } },
      ),
    ).toEqual({ msgtype: 'm.text', body: '@Bob #general :parrot:', 'm.mentions': {} });
    expect(sent({ attachments: [{ ...PICTURE, source: { nativeId: 'F1' } }] })).toEqual([
      { type: 'm.room.message', content: { msgtype: 'm.text', body: '[image: cat.png]', 'm.mentions': {} } },
    ]);
  });

  it('leads to rooms and shows emoji of its own', () => {
    expect(
      said(
        { type: 'channel', channel: { room: '#a b&:acme.example' }, name: 'a' },
        { type: 'emoji', shortcode: 'parrot', image: { mxc: 'mxc://acme.example/p' } },
      ),
    ).toMatchObject({
      body: '#a:parrot:',
      formatted_body:
        '<a href="https://matrix.to/#/%23a%20b%26:acme.example">#a</a><img data-mx-emoticon src="mxc://acme.example/p" alt=":parrot:" title=":parrot:" height="32">',
    });
  });

  it('is none when there is nothing in it', () => {
    expect(sent({ blocks: [paragraph(words(' '))] })).toEqual([]);
  });
});

describe('a file in Matrix', () => {
  it('has the text beside it as its caption', () => {
    expect(sent({ blocks: [paragraph(words('my cat'))], attachments: [PICTURE] })).toEqual([
      {
        type: 'm.room.message',
        content: {
          msgtype: 'm.image',
          body: 'my cat',
          filename: 'cat.png',
          url: 'mxc://acme.example/cat',
          info: { mimetype: 'image/png', size: 10, w: 3, h: 4 },
          'm.mentions': {},
        },
      },
    ]);
  });

  it.each([
    ['several files', { attachments: [PICTURE, PICTURE] }, ['m.text', 'm.image', 'm.image']],
    [
      'a text that is the name',
      { blocks: [paragraph(words('cat.png'))], attachments: [PICTURE] },
      ['m.text', 'm.image'],
    ],
    ['an emote', { style: 'emote' as const, attachments: [PICTURE] }, ['m.emote', 'm.image']],
  ])('follows its text in an event of its own: %s', (_, body, msgtypes) => {
    const events = sent({ blocks: [paragraph(words('my cat'))], ...body });
    expect(events.map(({ content }) => content.msgtype)).toEqual(msgtypes);
  });

  it('may be a sticker or a voice message', () => {
    const sticker: Attachment = { ...PICTURE, kind: 'sticker', alt: 'A cat' };
    expect(sent({ blocks: [paragraph(words('x'))], attachments: [sticker] })[1]).toMatchObject({
      type: 'm.sticker',
      content: { body: 'A cat', filename: 'cat.png', url: 'mxc://acme.example/cat' },
    });
    expect(sent({ attachments: [{ ...PICTURE, kind: 'voice', durationMs: 5 }] })[0]?.content).toMatchObject({
      msgtype: 'm.audio',
      info: { duration: 5 },
      'org.matrix.msc3245.voice': {},
    });
  });
});

describe('a long message', () => {
  it('is several events, each of which fits, and nothing is lost', () => {
    const lines = Array.from({ length: 4_000 }, (_, n) => `<${String(n)}> "é"`).join('\n');
    const events = sent({ blocks: [{ type: 'code', text: lines }], attachments: [PICTURE] });
    expect(events.length).toBeGreaterThan(1);
    expect(Math.max(...events.map(({ content }) => bytesOf(content)))).toBeLessThanOrEqual(MAX_CONTENT_BYTES);
    const back = events.flatMap(({ type, content }) => fromMatrix(type, content)?.blocks ?? []);
    expect(back.map((block) => plainText({ blocks: [block] })).join('\n')).toBe(lines);
    expect(events.at(-1)?.content).toMatchObject({ msgtype: 'm.image', filename: 'cat.png' });
  });

  it('is refused when it is a file in truth', () => {
    const blocks: Block[] = [{ type: 'code', text: 'x'.repeat(400_000) }];
    const refused = toMatrix({ style: 'normal', blocks, attachments: [] });
    expect(refused).toMatchObject({ ok: false, error: { kind: 'too_large', limit: MAX_CONTENT_BYTES } });
  });
});
