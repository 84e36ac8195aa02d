import fc from 'fast-check';
import {
  type Attachment,
  type Block,
  type Inline,
  MARKS,
  type MessageBody,
  type Text,
  normalise,
} from '../../src/message/index.js';
import type { UserId } from '../../src/protocol/index.js';

/** Characters that somebody somewhere takes for more than text. */
const CHARACTERS = [
  ...Array.from('ab<>&"\'*_~`@#:/()[]!|\\.- '),
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\u2028',
  '\u0000',
  '\u00a0',
  '\u202e',
  '\u200b',
  '\ud800',
  'é',
  'שלום',
  '👍',
  '👩‍👩‍👧',
];
const WORDS = [
  '@room',
  '@here',
  '<!channel>',
  '<@U123>',
  '&lt;',
  '&amp;',
  '<b>',
  '</p>',
  '<mx-reply>',
  '> ',
  '* ',
  '1. ',
  ':smile:',
  '@ada:globex.example',
  '#general',
  'paypal.example',
  'matrix.to',
];

export const text = fc.string({ unit: fc.constantFrom(...CHARACTERS, ...WORDS), maxLength: 12 });
const marks = fc.subarray([...MARKS]);
export const userId = fc.constantFrom('@ada:globex.example' as UserId, '@b.c=d:acme.example:8448' as UserId);
const room = fc.constantFrom('!room:globex.example', '#general:acme.example');
const nativeId = fc.constantFrom('U123', 'C<1>', '"&');
const mxc = fc.constantFrom('mxc://globex.example/abc_DEF-1', 'mxc://acme.example:8448/x');
const url = fc.oneof(
  fc.constantFrom(
    'https://globex.example/a?b=c&d="e"#f',
    'http://paypal.example/',
    'https://google.example@evil.example/',
    'mailto:ada@globex.example',
    'javascript:alert(1)',
    'ftp://globex.example/file',
    '/relative',
    'https://[::1]/',
    'https://matrix.to/#/@ada:globex.example',
    'HTTPS://GLOBEX.example/Köln',
  ),
  text,
);

const plain: fc.Arbitrary<Text> = fc.oneof(
  text.map((text): Text => ({ type: 'text', text })),
  fc.record({ type: fc.constant('text' as const), text, marks }),
);
const emoji = fc.record(
  {
    type: fc.constant('emoji' as const),
    shortcode: fc.oneof(fc.constantFrom('party_parrot', 'wave::skin-tone-3', ':x:'), text),
    unicode: fc.constantFrom('👋', '☠️', 'no emoji'),
    image: fc.oneof(fc.record({ mxc }), fc.record({ nativeId })),
  },
  { requiredKeys: ['type', 'shortcode'] },
);

export const inline: fc.Arbitrary<Inline> = fc.oneof(
  { weight: 4, arbitrary: plain },
  emoji,
  fc.record({
    type: fc.constant('link' as const),
    url,
    content: fc.array(fc.oneof(plain, emoji), { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant('user' as const),
    user: fc.oneof(fc.record({ userId }), fc.record({ nativeId })),
    name: text,
  }),
  fc.record({
    type: fc.constant('channel' as const),
    channel: fc.oneof(fc.record({ room }), fc.record({ nativeId })),
    name: text,
  }),
  fc.record({ type: fc.constant('everyone' as const), scope: fc.constantFrom('channel' as const, 'here' as const) }),
  fc.constant({ type: 'break' as const }),
);
const content = fc.array(inline, { maxLength: 6 });

const { block } = fc.letrec<{ block: Block }>((tie) => ({
  block: fc.oneof(
    { maxDepth: 10, depthSize: 'small' },
    fc.record({ type: fc.constant('paragraph' as const), content }),
    fc.record({ type: fc.constant('heading' as const), level: fc.integer({ min: 1, max: 6 }), content }),
    fc.record(
      { type: fc.constant('code' as const), text, language: fc.oneof(fc.constantFrom('ts', 'C++'), text) },
      { requiredKeys: ['type', 'text'] },
    ),
    fc.constant({ type: 'rule' as const }),
    fc.record({ type: fc.constant('quote' as const), blocks: fc.array(tie('block'), { maxLength: 3 }) }),
    fc.record(
      {
        type: fc.constant('list' as const),
        start: fc.nat({ max: 20 }),
        items: fc.array(fc.array(tie('block'), { maxLength: 3 }), { maxLength: 3 }),
      },
      { requiredKeys: ['type', 'items'] },
    ),
  ),
}));

const source = fc.oneof(fc.record({ mxc }), fc.record({ nativeId }));
export const attachment: fc.Arbitrary<Attachment> = fc.record(
  {
    kind: fc.constantFrom(
      'image' as const,
      'video' as const,
      'audio' as const,
      'voice' as const,
      'sticker' as const,
      'file' as const,
    ),
    name: text,
    mimeType: fc.constantFrom('image/png', 'TEXT/Plain; charset=utf-8', 'nonsense'),
    source,
    size: fc.nat(),
    width: fc.nat(),
    height: fc.nat(),
    durationMs: fc.nat(),
    alt: text,
    thumbnail: source,
  },
  { requiredKeys: ['kind', 'name', 'mimeType', 'source'] },
);

/** Any body that its type allows, in normal form or not. */
export const body: fc.Arbitrary<MessageBody> = fc.record({
  style: fc.constantFrom('normal' as const, 'emote' as const, 'notice' as const),
  blocks: fc.array(block, { maxLength: 5 }),
  attachments: fc.array(attachment, { maxLength: 2 }),
});

export const normalBody = body.map(normalise);

const tag = fc.constantFrom(
  ...'a b i u s del code pre p div span h1 h6 ul ol li blockquote table tr td th br hr img details summary sup mx-reply script style font marquee title textarea plaintext constructor __proto__'.split(
    ' ',
  ),
);
const attribute = fc.oneof(
  fc.constantFrom(
    'href="https://matrix.to/#/@ada:globex.example"',
    "href='matrix:u/ada:globex.example'",
    'href="https://matrix.to/#/!room:globex.example"',
    'href=javascript:alert(1)',
    'href="https://evil.example/?a=&quot;&#x202e;"',
    'href="//evil.example"',
    'src="mxc://globex.example/a"',
    'src=x onerror=alert(1)',
    'data-mx-emoticon',
    'alt=":parrot:"',
    'data-mx-spoiler="&lt;b&gt;"',
    'class="language-x"',
    'start=99999999999',
    'data-mx-maths="x"',
    'href',
    '"',
    '=',
  ),
  text,
);
const markup = fc.oneof(
  { weight: 3, arbitrary: text },
  fc.tuple(tag, fc.array(attribute, { maxLength: 2 })).map(([name, given]) => `<${[name, ...given].join(' ')}>`),
  tag.map((name) => `</${name}>`),
  fc.constantFrom(
    '<',
    '</',
    '<!--',
    '-->',
    '<![CDATA[',
    '&',
    '&#0;',
    '&#xd800;',
    '&#x110000;',
    '&lt;a&gt;',
    '<a href="',
    '<br/>',
    '@room',
  ),
  fc.constantFrom('https://bank.example/', 'https://evil.example/x', '@ada:globex.example'),
);

/** What a hostile client may call HTML. */
export const html = fc.array(markup, { maxLength: 30 }).map((parts) => parts.join(''));
