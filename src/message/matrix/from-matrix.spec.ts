import { describe, expect, it } from 'vitest';
import type { JsonObject, UserId } from '../../protocol/index.js';
import type { Block, Inline, MessageBody, Text } from '../message.js';
import { plainText } from '../plain-text.js';
import { fromMatrix } from './from-matrix.js';

const ADA = '@ada:globex.example' as UserId;
const PILL = '<a href="https://matrix.to/#/@ada:globex.example">Ada</a>';

const text = (body: string, more: JsonObject = {}): MessageBody | undefined =>
  fromMatrix('m.room.message', { msgtype: 'm.text', body, ...more });

/** What Element sends: HTML, and the Markdown that was typed as the fallback. */
const html = (formatted_body: string, more: JsonObject = {}): Block[] =>
  text('the fallback', { format: 'org.matrix.custom.html', formatted_body, 'm.mentions': {}, ...more })?.blocks ?? [];

const paragraph = (...content: Inline[]): Block => ({ type: 'paragraph', content });
const words = (said: string): Text => ({ type: 'text', text: said });
const bold = (said: string): Text => ({ type: 'text', text: said, marks: ['bold'] });
const shown = (formatted_body: string, more?: JsonObject): string => plainText({ blocks: html(formatted_body, more) });

describe('HTML of a Matrix client', () => {
  it('is paragraphs, lists, quotes, code and headings', () => {
    expect(
      html(
        '<h2>Plan</h2>\n<p>First<br />second\n<em>line</em></p>\n<ol start="3">\n<li>eat\n<ul>\n<li>bread</li>\n</ul>\n</li>\n<li><p>sleep</p>\n<p>well</p></li>\n</ol>\n<blockquote>\n<p>said</p>\n</blockquote>\n<pre><code class="language-ts">const a = 1;\n\n  b &lt; c\n</code></pre>\n<hr />\n',
      ),
    ).toEqual([
      { type: 'heading', level: 2, content: [words('Plan')] },
      paragraph(words('First'), { type: 'break' }, words('second '), { type: 'text', text: 'line', marks: ['italic'] }),
      {
        type: 'list',
        start: 3,
        items: [
          [paragraph(words('eat')), { type: 'list', items: [[paragraph(words('bread'))]] }],
          [paragraph(words('sleep')), paragraph(words('well'))],
        ],
      },
      { type: 'quote', blocks: [paragraph(words('said'))] },
      { type: 'code', language: 'ts', text: 'const a = 1;\n\n  b < c' },
      { type: 'rule' },
    ]);
  });

  it.each([
    ['<strong>a</strong>', ['bold']],
    ['<b>a</b>', ['bold']],
    ['<i>a</i>', ['italic']],
    ['<del>a</del>', ['strike']],
    ['<s>a</s>', ['strike']],
    ['<strike>a</strike>', ['strike']],
    ['<u>a</u>', ['underline']],
    ['<code>a</code>', ['code']],
    ['<u><del><em><b>a</b></em></del></u>', ['bold', 'italic', 'strike', 'underline']],
  ])('%s is marked', (markup, marks) => {
    expect(html(markup)).toEqual([paragraph({ type: 'text', text: 'a', marks } as Inline)]);
  });

  it('may overlap and lack end tags', () => {
    expect(html('<b>a<i>b</b>c</i>d')).toEqual([
      paragraph(
        bold('a'),
        { type: 'text', text: 'b', marks: ['bold', 'italic'] },
        { type: 'text', text: 'c', marks: ['italic'] },
        words('d'),
      ),
    ]);
    expect(html('<p>a<p>b<ul><li>c<li>d')).toEqual([
      paragraph(words('a')),
      paragraph(words('b')),
      { type: 'list', items: [[paragraph(words('c'))], [paragraph(words('d'))]] },
    ]);
  });

  it.each([
    ['colours are dropped', '<font color="#ff0000">a</font><span data-mx-color="#00ff00">b</span>', 'ab'],
    ['spoilers are marked as such', 'x <span data-mx-spoiler>dies</span>', 'x [spoiler: dies]'],
    ['spoilers have reasons', '<span data-mx-spoiler="end &amp; all">dies</span>', '[spoiler (end & all): dies]'],
    ['exponents', 'x<sup>2</sup>, H<sub>2</sub>O', 'x^2, H_2O'],
    ['details', '<details><summary>More</summary>hidden <b>x</b></details>', 'More\n\nhidden x'],
    ['maths with a fallback', '<span data-mx-maths="\\sin"><i>sin</i></span>', 'sin'],
    ['maths without one', 'a <span data-mx-maths="\\sin"></span>', 'a \\sin'],
    [
      'pictures in text',
      'a <img src="mxc://globex.example/x" alt="a cat"> b <img src="https://evil.example/1.png">',
      'a [image: a cat] b [image]',
    ],
    ['programs are dropped', 'a<script>alert(1)</script><style>p{}</style><svg><text>x</text></svg>b', 'ab'],
    ['unknown elements are their text', '<marquee>a</marquee> <constructor>b</constructor>', 'a b'],
    ['comments are dropped', 'a<!-- b --><![CDATA[c]]>d', 'ad'],
    ['white space is one space', ' a \n\t b <i> c</i>', 'a b c'],
    ['no-break spaces are kept as spaces', 'a &nbsp;b', 'a  b'],
    ['entities', '&lt;b&gt; &#64;room &notanentity; &amp;lt;', '<b> @room ¬anentity; &lt;'],
  ])('%s', (_, markup, expected) => {
    expect(shown(markup)).toBe(expected);
  });

  it('shows the rows of a table as lines', () => {
    expect(
      shown(
        '<table><caption>Prices</caption><thead><tr><th>What</th><th>How much</th></tr></thead><tbody>\n<tr><td>bread</td><td><p><b>2</b></p></td></tr></tbody></table>after',
      ),
    ).toBe('Prices\nWhat | How much\nbread |  2\n\nafter'.replace('|  2', '| 2'));
  });

  it('has emoji of its own', () => {
    expect(
      html('<img data-mx-emoticon src="mxc://globex.example/abc" alt=":parrot:" title=":parrot:" height="32">'),
    ).toEqual([paragraph({ type: 'emoji', shortcode: 'parrot', image: { mxc: 'mxc://globex.example/abc' } })]);
    expect(shown('<img data-mx-emoticon src="https://tracker.example/1.gif" alt=":parrot:">')).toBe(':parrot:');
    expect(shown('<img data-mx-emoticon src="mxc://globex.example/abc" alt="👍">')).toBe('👍');
  });

  it('goes no deeper than a message may, and keeps what lies there', () => {
    const nested = html(`${'<blockquote>'.repeat(20)}deep${'</blockquote>'.repeat(20)}`);
    expect(JSON.stringify(nested).split('"quote"').length - 1).toBe(7);
    expect(plainText({ blocks: nested })).toBe(`${'> '.repeat(7)}deep`);
  });

  it.each([
    ['100,000 nested elements', '<b>'.repeat(100_000) + 'a'],
    ['4,000 nested quotes', '<blockquote>'.repeat(4_000)],
    ['nothing visible', '<p> <br/></p>'],
    ['a program that never ends', '<script>all of it'],
    ['more parts than a message holds', '<br>a'.repeat(5_000)],
  ])('of %s gives way to the fallback', (_, markup) => {
    expect(html(markup)).toEqual([paragraph(words('the fallback'))]);
  });
});

describe('a mention', () => {
  const mentioned = { 'm.mentions': { user_ids: [ADA] } };

  it('is a pill of whom the message says that it mentions', () => {
    expect(html(`Hello ${PILL}!`, mentioned)).toEqual([
      paragraph(words('Hello '), { type: 'user', user: { userId: ADA }, name: 'Ada' }, words('!')),
    ]);
  });

  it.each([
    'https://matrix.to/#/%40ada%3Aglobex.example',
    'https://matrix.to/#/@ada:globex.example?via=globex.example',
    'matrix:u/ada:globex.example?action=chat',
    'matrix:user/ada:globex.example',
    'MATRIX://globex.example/u/ada%3Aglobex.example',
  ])('is read from %s', (uri) => {
    expect(html(`<a href="${uri}">Ada</a>`, mentioned)).toEqual([
      paragraph({ type: 'user', user: { userId: ADA }, name: 'Ada' }),
    ]);
  });

  it.each([
    ['nobody', {}],
    ['somebody else', { 'm.mentions': { user_ids: ['@eve:globex.example'] } }],
    ['nobody that can be read', { 'm.mentions': { user_ids: 'ada', room: 'true' } }],
    ['null', { 'm.mentions': null }],
    ['a list', { 'm.mentions': [ADA] }],
  ])('is none where m.mentions names %s', (_, more) => {
    expect(html(`Hello ${PILL} @room @ada:globex.example`, { 'm.mentions': undefined, ...more })).toEqual([
      paragraph(words('Hello Ada @room @ada:globex.example')),
    ]);
  });

  it('has the name that the room knows, whatever the pill says', () => {
    const content = {
      body: 'x',
      format: 'org.matrix.custom.html',
      formatted_body: PILL.replace('>Ada<', '>The CEO<'),
      ...mentioned,
    };
    const body = fromMatrix('m.room.message', { msgtype: 'm.text', ...content }, () => 'Ada Lovelace');
    expect(body?.blocks).toEqual([paragraph({ type: 'user', user: { userId: ADA }, name: 'Ada Lovelace' })]);
  });

  it('is an id in plain text, and @room where the room is mentioned', () => {
    expect(
      text('@room: ask @ada:globex.example, not joe@room.example', { 'm.mentions': { user_ids: [ADA], room: true } })
        ?.blocks,
    ).toEqual([
      paragraph(
        { type: 'everyone', scope: 'channel' },
        words(': ask '),
        { type: 'user', user: { userId: ADA }, name: 'ada' },
        words(', not joe@room.example'),
      ),
    ]);
  });

  it('is never in code', () => {
    expect(html('<code>@room</code><pre>@room</pre>', { 'm.mentions': { room: true } })).toEqual([
      paragraph({ type: 'text', text: '@room', marks: ['code'] }),
      { type: 'code', text: '@room' },
    ]);
  });

  it('of a room is a channel', () => {
    expect(html('<a href="https://matrix.to/#/%23general:globex.example">#general</a>')).toEqual([
      paragraph({ type: 'channel', channel: { room: '#general:globex.example' }, name: 'general' }),
    ]);
  });

  it('of a message stays a link', () => {
    const url = 'https://matrix.to/#/!room:globex.example/$event?via=globex.example';
    expect(html(`<a href="${url}">that</a>`)).toEqual([paragraph({ type: 'link', url, content: [words('that')] })]);
  });
});

describe('a link', () => {
  it.each([
    ['<a href="https://globex.example/x">this</a>', 'this (https://globex.example/x)'],
    ['<a href="javascript:alert(1)">this</a>', 'this'],
    ['<a href="JaVaScRiPt:alert(1)">this</a>', 'this'],
    ['<a href="data:text/html,x">this</a>', 'this'],
    ['<a href="/relative">this</a>', 'this'],
    ['<a href="ftp://globex.example/x">this</a>', 'this (ftp://globex.example/x)'],
    ['<a>this</a>', 'this'],
    [
      '<a href="https://evil.example/">https://bank.example/</a>',
      'https://bank.example/ (evil.example) (https://evil.example/)',
    ],
    ['<a href="https://evil.example/">bank.e\u200bxample</a>', 'bank.example (evil.example) (https://evil.example/)'],
    ['<a href="https://evil.example/">bank。example</a>', 'bank。example (evil.example) (https://evil.example/)'],
    ['<a href="https://evil.example/">\u202eelpmaxe.knab</a>', 'elpmaxe.knab (evil.example) (https://evil.example/)'],
    [
      '<a href="https://bank.example@evil.example/">log in</a>',
      'log in (evil.example) (https://bank.example@evil.example/)',
    ],
    ['<a href="https://github.example/a/main.ts">main.ts</a>', 'main.ts (https://github.example/a/main.ts)'],
  ])('%s', (markup, expected) => {
    expect(shown(markup)).toBe(expected);
  });

  it('is made of an address in text, without the punctuation behind it', () => {
    const url = 'https://en.wiki.example/A_(b)';
    expect(text(`(see ${url}).`)?.blocks).toEqual([
      paragraph(words('(see '), { type: 'link', url, content: [words(url)] }, words(').')),
    ]);
  });

  it('with a user name in it says where it leads', () => {
    expect(plainText(text('https://bank.example@evil.example/') ?? { blocks: [] })).toBe(
      'https://bank.example@evil.example/ (evil.example) (https://bank.example@evil.example/)',
    );
  });
});

describe('a message', () => {
  it.each([
    ['m.text', 'normal'],
    ['m.notice', 'notice'],
    ['m.emote', 'emote'],
    ['m.server_notice', 'notice'],
    ['com.example.new', 'normal'],
    [undefined, 'normal'],
  ])('of type %s is %s', (msgtype, style) => {
    const content: JsonObject = { body: 'hi', ...(msgtype === undefined ? {} : { msgtype }) };
    expect(fromMatrix('m.room.message', content)).toEqual({ style, blocks: [paragraph(words('hi'))], attachments: [] });
  });

  // proves LM-04/pdu/9
  it.each<[JsonObject]>([
    [{}],
    [{ body: 5 }],
    [{ body: null }],
    [{ body: ['text'] }],
    [{ body: { toString: 'text' } }],
    [{ msgtype: 'm.text' }],
    [{ msgtype: 'm.text', body: {}, format: 'org.matrix.custom.html', formatted_body: ['<b>x</b>'] }],
  ])('says nothing when its content is %j', (content) => {
    expect(fromMatrix('m.room.message', content)).toBeUndefined();
  });

  it('that was redacted says nothing', () => {
    expect(fromMatrix('m.room.message', {})).toBeUndefined();
    expect(fromMatrix('m.room.encrypted', {})).toBeUndefined();
    expect(
      fromMatrix('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: '$a', key: '👍' } }),
    ).toBeUndefined();
  });

  it('that is a reply is read without what it quotes', () => {
    const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: '$a' } } };
    const quoted = '> <@ada:globex.example> so?\n> > deeper\n\nyes\n> and this is mine';
    expect(plainText(text(quoted, reply) ?? { blocks: [] })).toBe('yes\n> and this is mine');
    expect(plainText(text('> * <@ada:globex.example> waves\n\nyes', reply) ?? { blocks: [] })).toBe('yes');
    expect(plainText(text('> a quotation\n\nyes', reply) ?? { blocks: [] })).toBe('> a quotation\n\nyes');
    expect(plainText(text(quoted) ?? { blocks: [] })).toBe(quoted);
    const rich = {
      ...reply,
      format: 'org.matrix.custom.html',
      formatted_body: `<mx-reply><blockquote>${PILL}<br>so?</blockquote></mx-reply><b>yes</b>`,
    };
    expect(text(quoted, rich)?.blocks).toEqual([paragraph(bold('yes'))]);
  });

  it('with HTML of another format is its body', () => {
    expect(text('plain', { format: 'com.example.bb', formatted_body: '[b]x[/b]' })?.blocks).toEqual([
      paragraph(words('plain')),
    ]);
  });

  it('of thousands of lines ends in a block of code', () => {
    const body = text(Array.from({ length: 3_000 }, (_, n) => `line ${String(n)}`).join('\n\n'));
    expect(body?.blocks.at(-1)?.type).toBe('code');
    expect(plainText(body ?? { blocks: [] })).toContain('line 2999');
  });
});

describe('a file', () => {
  const url = 'mxc://globex.example/abc';

  it('has its name, type, size and shape', () => {
    const info = { mimetype: 'image/jpeg', size: 31_037, w: 394, h: 398, thumbnail_url: 'mxc://globex.example/thumb' };
    expect(fromMatrix('m.room.message', { msgtype: 'm.image', body: 'cat.jpg', url, info })).toEqual({
      style: 'normal',
      blocks: [],
      attachments: [
        {
          kind: 'image',
          name: 'cat.jpg',
          mimeType: 'image/jpeg',
          source: { mxc: url },
          size: 31_037,
          width: 394,
          height: 398,
          thumbnail: { mxc: 'mxc://globex.example/thumb' },
        },
      ],
    });
  });

  it('has a caption when its name stands apart', () => {
    const content = { msgtype: 'm.video', body: 'my **dog**', filename: 'dog.mp4', url };
    expect(
      fromMatrix('m.room.message', { ...content, format: 'org.matrix.custom.html', formatted_body: 'my <b>dog</b>' }),
    ).toMatchObject({
      blocks: [paragraph(words('my '), bold('dog'))],
      attachments: [{ kind: 'video', name: 'dog.mp4' }],
    });
    expect(fromMatrix('m.room.message', { ...content, body: 'dog.mp4' })?.blocks).toEqual([]);
  });

  it('is a voice message when it says so', () => {
    expect(
      fromMatrix('m.room.message', {
        msgtype: 'm.audio',
        body: 'Voice message',
        url,
        info: { duration: 1_500 },
        'org.matrix.msc3245.voice': {},
      }),
    ).toMatchObject({ attachments: [{ kind: 'voice', durationMs: 1_500 }] });
  });

  it('that cannot be fetched is named', () => {
    const file = { url: 'mxc://globex.example/secret', key: {}, v: 'v2' };
    expect(
      plainText(fromMatrix('m.room.message', { msgtype: 'm.file', body: 'plans.pdf', file }) ?? { blocks: [] }),
    ).toBe('[file: plans.pdf]');
    expect(
      plainText(fromMatrix('m.sticker', { body: 'Landing', url: 'https://tracker.example/' }) ?? { blocks: [] }),
    ).toBe('[sticker: Landing]');
  });

  it('may lie about everything', () => {
    const info = { mimetype: 'text/<script>', size: -1, w: 1e300, h: '3', duration: 1.5, thumbnail_url: 7 };
    const body = fromMatrix('m.room.message', { msgtype: 'm.image', body: '../../etc/pass\u202ewd\n', url, info });
    expect(body?.attachments).toEqual([
      { kind: 'image', name: '.._.._etc_passwd', mimeType: 'application/octet-stream', source: { mxc: url } },
    ]);
  });

  it('is a sticker', () => {
    expect(
      fromMatrix('m.sticker', { body: 'Landing', url, info: { mimetype: 'image/png', w: 140, h: 200 } }),
    ).toMatchObject({
      blocks: [],
      attachments: [{ kind: 'sticker', name: 'Landing', width: 140 }],
    });
  });
});

describe('what a chat has no place for is readable:', () => {
  const said = (type: string, content: JsonObject): string => plainText(fromMatrix(type, content) ?? { blocks: [] });

  it('a location', () => {
    expect(said('m.room.message', { msgtype: 'm.location', body: 'Big Ben', geo_uri: 'geo:51.5008,0.1247;u=35' })).toBe(
      '📍 Big Ben (51.5008, 0.1247)',
    );
    expect(said('m.room.message', { msgtype: 'm.location', geo_uri: 'geo:x' })).toBe('📍 Location');
  });

  it('a poll, in its stable and its first form', () => {
    const answers = ['Yes', 'No'];
    const expected = '📊 Lunch?\n\n1. Yes\n2. No';
    expect(
      said('m.poll.start', {
        'm.text': [{ body: 'Lunch?' }],
        'm.poll': {
          question: { 'm.text': [{ body: 'Lunch?' }] },
          answers: answers.map((body, n) => ({ 'm.id': String(n), 'm.text': [{ body }] })),
        },
      }),
    ).toBe(expected);
    expect(
      said('org.matrix.msc3381.poll.start', {
        'org.matrix.msc1767.text': 'Lunch?\n1. Yes\n2. No',
        'org.matrix.msc3381.poll.start': {
          question: { 'org.matrix.msc1767.text': 'Lunch?', body: 'Lunch?' },
          answers: answers.map((body, n) => ({ id: String(n), 'org.matrix.msc1767.text': body })),
        },
      }),
    ).toBe(expected);
    expect(
      said('org.matrix.msc3381.poll.end', { 'org.matrix.msc3381.poll.end': {}, 'org.matrix.msc1767.text': 'Yes won' }),
    ).toBe('Yes won');
    expect(said('m.poll.end', { 'm.poll.end': {} })).toBe('The poll has ended.');
    expect(
      fromMatrix('m.poll.response', {
        'm.selections': ['0'],
        'm.relates_to': { rel_type: 'm.reference', event_id: '$a' },
      }),
    ).toBeUndefined();
  });

  it('an event of a type that nobody knows', () => {
    expect(said('com.example.card', { body: 'A card' })).toBe('A card');
    expect(
      said('com.example.card', { 'm.text': [{ mimetype: 'text/html', body: '<b>A</b>' }, { body: 'A card' }] }),
    ).toBe('A card');
    expect(fromMatrix('com.example.card', { card: 1 })).toBeUndefined();
  });

  it('an encrypted message', () => {
    expect(said('m.room.encrypted', { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x' })).toContain('encrypted');
  });
});
