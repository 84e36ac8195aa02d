import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Block,
  type Inline,
  type MessageBody,
  normalise as normal,
  plainBody,
  plainText,
} from '../../../src/message/index.js';
import { emojiName, emojiOf } from '../../../src/platform/slack/convert/emoji.js';
import { fromSlack } from '../../../src/platform/slack/convert/from-slack.js';
import type { Names } from '../../../src/platform/slack/convert/inline.js';
import { escape, mrkdwnBlocks } from '../../../src/platform/slack/convert/mrkdwn.js';
import { fallbackText, toSlack } from '../../../src/platform/slack/convert/to-slack.js';
import { type Json, isJson, objects } from '../../../src/platform/slack/json.js';
import { sharedPath, vectors } from '../../conformance/vectors.js';
import { checkBlocks } from '../../fakes/slack/blocks.js';
import { normalise } from '../../fakes/slack/mrkdwn.js';

const NAMES: Names = {
  user: (id) => ({ type: 'user', user: { nativeId: id }, name: id }),
  channel: (id) => ({ type: 'channel', channel: { nativeId: id }, name: id }),
};
const RIGHTS = { mentionEveryone: true };
const body = (...blocks: Block[]): MessageBody => ({ style: 'normal', blocks, attachments: [] });
const paragraph = (...content: Inline[]): Block => ({ type: 'paragraph', content });
const text = (said: string): Inline => ({ type: 'text', text: said });
const there = (what: MessageBody): Block[] => fromSlack({ blocks: toSlack(what, RIGHTS) }, NAMES).blocks;
const richText = (...elements: Json[]): Json => ({ blocks: [{ type: 'rich_text', elements }] });

describe('a message of Slack', () => {
  it('is read from its blocks, with everything that rich text has', () => {
    const style = { bold: true };
    const item = (said: string): Json => ({ type: 'rich_text_section', elements: [{ type: 'text', text: said }] });
    const message = richText(
      {
        type: 'rich_text_section',
        elements: [
          { type: 'text', text: 'Hi ', style },
          { type: 'user', user_id: 'U1' },
          { type: 'text', text: '\nsee ' },
          { type: 'link', url: 'https://example.org', text: 'this' },
          { type: 'emoji', name: 'wave', unicode: '1f44b-1f3fc', skin_tone: 3 },
          { type: 'emoji', name: 'party_parrot' },
          { type: 'broadcast', range: 'here' },
          { type: 'text', text: '\n' },
        ],
      },
      { type: 'rich_text_list', style: 'bullet', indent: 0, elements: [item('a')] },
      { type: 'rich_text_list', style: 'ordered', indent: 1, offset: 1, elements: [item('b')] },
      { type: 'rich_text_list', style: 'bullet', indent: 0, elements: [item('c')] },
      { type: 'rich_text_quote', elements: [{ type: 'text', text: 'said' }] },
      { type: 'rich_text_preformatted', elements: [{ type: 'text', text: 'let x;\n' }], language: 'js' },
    );
    expect(fromSlack({ ...message, text: 'not this' }, NAMES).blocks).toEqual([
      paragraph(
        { type: 'text', text: 'Hi ', marks: ['bold'] },
        { type: 'user', user: { nativeId: 'U1' }, name: 'U1' },
        { type: 'break' },
        text('see '),
        { type: 'link', url: 'https://example.org', content: [{ type: 'text', text: 'this' }] },
        { type: 'emoji', shortcode: 'wave', unicode: '👋🏼' },
        { type: 'emoji', shortcode: 'party_parrot' },
        { type: 'everyone', scope: 'here' },
      ),
      {
        type: 'list',
        items: [
          [paragraph(text('a')), { type: 'list', start: 2, items: [[paragraph(text('b'))]] }],
          [paragraph(text('c'))],
        ],
      },
      { type: 'quote', blocks: [paragraph(text('said'))] },
      { type: 'code', text: 'let x;', language: 'js' },
    ]);
  });

  it('is read from its mrkdwn when it has no blocks', () => {
    const said =
      '*bold* _it_ ~no~ `a*b` <@U1|ada> <#C1|general> <!channel> <https://example.org|there> :wave: 5 * 3 * 2 &lt;b&gt;\n&gt; quoted\n```code &amp; more```';
    expect(fromSlack({ text: said }, NAMES).blocks).toEqual([
      paragraph(
        { type: 'text', text: 'bold', marks: ['bold'] },
        text(' '),
        { type: 'text', text: 'it', marks: ['italic'] },
        text(' '),
        { type: 'text', text: 'no', marks: ['strike'] },
        text(' '),
        { type: 'text', text: 'a*b', marks: ['code'] },
        text(' '),
        { type: 'user', user: { nativeId: 'U1' }, name: 'U1' },
        text(' '),
        { type: 'channel', channel: { nativeId: 'C1' }, name: 'C1' },
        text(' '),
        { type: 'everyone', scope: 'channel' },
        text(' '),
        { type: 'link', url: 'https://example.org', content: [{ type: 'text', text: 'there' }] },
        text(' '),
        { type: 'emoji', shortcode: 'wave', unicode: '👋' },
        text(' 5 * 3 * 2 <b>'),
      ),
      { type: 'quote', blocks: [paragraph(text('quoted'))] },
      { type: 'code', text: 'code & more' },
    ]);
  });

  it('has the text of a bot’s attachments, a shared message as a quote, and no previews of links', () => {
    const attachments = [
      { from_url: 'https://example.org', title: 'A preview', fallback: 'preview' },
      { pretext: 'Build', title: 'failed', text: '*3* tests' },
      { is_share: true, from_url: 'https://x.slack.com/archives/C1/p1', author_name: 'Ada', text: 'hello' },
    ];
    expect(plainText(fromSlack({ text: '', attachments }, NAMES))).toBe(
      '> Build\n> failed\n> 3 tests\n\n> Ada:\n> \n> hello',
    );
  });

  it('has files with what is known of them, and none that is deleted', () => {
    const files = [
      { id: 'F1', name: 'a.png', mimetype: 'image/png', size: 5, original_w: 2, original_h: 3, alt_txt: 'A' },
      { id: 'F2', name: 'v.webm', mimetype: 'audio/webm', subtype: 'slack_audio', duration_ms: 1_000 },
      { id: 'F3', mode: 'tombstone' },
    ];
    expect(fromSlack({ files }, NAMES).attachments).toEqual([
      {
        kind: 'image',
        name: 'a.png',
        mimeType: 'image/png',
        source: { nativeId: 'F1' },
        size: 5,
        width: 2,
        height: 3,
        alt: 'A',
      },
      { kind: 'voice', name: 'v.webm', mimeType: 'audio/webm', source: { nativeId: 'F2' }, durationMs: 1_000 },
    ]);
  });

  const samples = ['api', 'events'].flatMap((folder) =>
    readdirSync(sharedPath(`vectors/slack/slack-samples/${folder}`))
      .filter((name) => name.endsWith('.json'))
      .map((name) => `slack/slack-samples/${folder}/${name}`),
  );

  it.each(samples)('is read wherever it stands in a published sample: %s', (name) => {
    for (const message of everyObject(vectors<unknown>(name))) {
      const { blocks } = fromSlack(message, NAMES);
      expect(() => checkBlocks(toSlack(body(...blocks), RIGHTS), () => true)).not.toThrow();
    }
  });

  it('of any shape is a body', () => {
    const keys = [
      'text',
      'blocks',
      'elements',
      'type',
      'files',
      'attachments',
      'style',
      'indent',
      'url',
      'rich_text',
      'name',
    ];
    const object = fc.object({
      key: fc.constantFrom(...keys),
      maxDepth: 5,
      values: [
        fc.string(),
        fc.integer(),
        fc.constantFrom('rich_text', 'rich_text_list', 'rich_text_section', 'text', 'link', 'mrkdwn', 'section'),
      ],
    });
    fc.assert(fc.property(object, (message) => void plainText(fromSlack(isJson(message) ? message : {}, NAMES))));
  });

  it('of hostile mrkdwn takes time in proportion to its length', () => {
    for (const part of ['*', '_a ', '<', '<@', '`', '```', '&gt;', ':', ':a', '*a* ', '~\n', '<!', '<https://']) {
      const said = part.repeat(Math.ceil(100_000 / part.length));
      expect(plainText({ blocks: mrkdwnBlocks(said, NAMES) }).length).toBeLessThanOrEqual(2 * said.length);
    }
  });
});

const said = fc
  .string({ unit: fc.constantFrom(...Array.from('ab <>&*_~`|@!#:\\-1é漢😀')), minLength: 1, maxLength: 12 })
  .filter((each) => each.trim() !== '');
const marks = fc.subarray(['bold', 'italic', 'strike', 'underline', 'code'] as const);
const inline: fc.Arbitrary<Inline> = fc.oneof(
  fc
    .record({ type: fc.constant('text' as const), text: said, marks })
    .map(({ marks: some, ...rest }) => (some.length === 0 ? rest : { ...rest, marks: some })),
  fc.constantFrom<Inline>(
    { type: 'user', user: { nativeId: 'U1' }, name: 'U1' },
    { type: 'channel', channel: { nativeId: 'C1' }, name: 'C1' },
    { type: 'everyone', scope: 'here' },
    { type: 'emoji', shortcode: 'wave', unicode: '👋🏽' },
  ),
  said.map((each): Inline => ({
    type: 'link',
    url: 'https://example.org/a?b=c',
    content: [{ type: 'text', text: each }],
  })),
);
const line = fc.array(inline, { minLength: 1, maxLength: 4 });
const block: fc.Arbitrary<Block> = fc.oneof(
  line.map((content): Block => ({ type: 'paragraph', content })),
  line.map((content): Block => ({ type: 'quote', blocks: [{ type: 'paragraph', content }] })),
  fc.array(line, { minLength: 1, maxLength: 3 }).chain((items) =>
    fc.option(fc.integer({ min: 1, max: 50 })).map((start): Block => ({
      type: 'list',
      ...(start === null ? {} : { start }),
      items: items.map((content) => [{ type: 'paragraph', content }]),
    })),
  ),
  said.map((each): Block => ({ type: 'code', text: each })),
);

describe('a body for Slack', () => {
  it('comes back from Slack as it went there', () => {
    // Lists beside each other are one list for Slack; so are they here.
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
        fc.pre(blocks.every(({ type }, n) => type !== 'list' || blocks[n - 1]?.type !== 'list'));
        expect(there(body(...blocks))).toEqual(normal(body(...blocks)).blocks);
      }),
    );
  });

  it('is one that Slack takes, whatever it holds', () => {
    const deep = fc.letrec<{ block: Block }>((tie) => ({
      block: fc.oneof(
        { maxDepth: 3 },
        block,
        fc.constant<Block>({ type: 'rule' }),
        line.map((content): Block => ({ type: 'heading', level: 2, content })),
        fc.array(tie('block'), { maxLength: 3 }).map((blocks): Block => ({ type: 'quote', blocks })),
        fc
          .array(fc.array(tie('block'), { maxLength: 3 }), { maxLength: 3 })
          .map((items): Block => ({ type: 'list', items })),
      ),
    })).block;
    fc.assert(
      fc.property(fc.array(deep, { maxLength: 60 }), fc.constantFrom('normal', 'emote', 'notice'), (blocks, style) => {
        expect(() => checkBlocks(toSlack({ style, blocks }, RIGHTS), () => true)).not.toThrow();
      }),
    );
  });

  it('mentions nobody whom the body does not', () => {
    const hostile = fc.string({
      unit: fc.constantFrom(
        '<',
        '>',
        '!',
        '@',
        '#',
        'U1',
        'C1',
        'channel',
        'here',
        '|',
        'subteam^S1',
        '&lt;',
        '*',
        '_',
        '`',
        ':',
        ' ',
      ),
    });
    fc.assert(
      fc.property(hostile, (forged) => {
        const what = body(
          paragraph(
            text(forged),
            { type: 'user', user: { nativeId: forged }, name: forged },
            { type: 'link', url: 'https://a.example', content: [{ type: 'text', text: forged }] },
          ),
          { type: 'code', text: forged },
        );
        fc.pre(!/^[UW][A-Z0-9]+$/.test(forged));
        const kinds = everyObject(toSlack(what, { mentionEveryone: false })).map(({ type }) => type);
        for (const kind of ['user', 'usergroup', 'broadcast', 'mrkdwn', 'section']) expect(kinds).not.toContain(kind);
        // Slack finds nothing in the text either.
        expect(normalise(fallbackText(what))).not.toMatch(/<[@!#]/);
      }),
    );
  });

  it('mentions everybody only where that is allowed', () => {
    const what = body(paragraph({ type: 'everyone', scope: 'channel' }));
    expect(JSON.stringify(toSlack(what, { mentionEveryone: false }))).not.toContain('broadcast');
    expect(JSON.stringify(toSlack(what, { mentionEveryone: true }))).toContain('"range":"channel"');
  });

  it('has nested lists as indented ones, whose numbers go on', () => {
    const what = body({
      type: 'list',
      start: 3,
      items: [[paragraph(text('a')), { type: 'list', items: [[paragraph(text('deep'))]] }], [paragraph(text('b'))]],
    });
    const [rich] = toSlack(what, RIGHTS);
    expect(objects(rich?.elements).map(({ style, indent, offset }) => [style, indent, offset])).toEqual([
      ['ordered', 0, 2],
      ['bullet', 1, undefined],
      ['ordered', 0, 3],
    ]);
  });

  it('of plain text says it as it is', () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 4 }), (lines) => {
        const what = plainBody(lines.join('\n'));
        expect(plainText({ blocks: there(what) })).toBe(plainText(normal(what)));
        expect(fallbackText(what)).toBe(escape(plainText(what)));
      }),
    );
  });
});

describe('an emoji', () => {
  it.each(['👋', '👋🏽', '❤️', '👍', '🇳🇱', '👩‍💻', '1️⃣'])('has a name in Slack that leads back to it: %s', (unicode) => {
    const name = emojiName({ type: 'emoji', shortcode: 'x', unicode });
    expect(name).toBeDefined();
    expect(emojiOf(name ?? '')?.unicode?.replaceAll('\ufe0f', '')).toBe(unicode.replaceAll('\ufe0f', ''));
  });

  it('that is none of Unicode keeps its name, and no other text is one', () => {
    expect(emojiOf('party_parrot')).toEqual({ type: 'emoji', shortcode: 'party_parrot' });
    for (const name of ['', 'a b', '<!channel>', 'x'.repeat(101)]) expect(emojiOf(name)).toBeUndefined();
  });
});

/** Every object in a value, itself included. */
function everyObject(value: unknown): Json[] {
  if (Array.isArray(value)) return value.flatMap(everyObject);
  return isJson(value) ? [value, ...Object.values(value).flatMap(everyObject)] : [];
}
