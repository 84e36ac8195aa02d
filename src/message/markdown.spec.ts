import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromMarkdown } from './markdown.js';
import { parseMessageBody } from './parse-body.js';
import { plainText } from './plain-text.js';

describe('Markdown', () => {
  it('is blocks and marks', () => {
    expect(
      fromMarkdown(
        '# Plan\n\n**eat** and *sl**ee**p* ~~not~~ `a  b`\nnext line\n\n3. x\n   - y\n4. z\n\n> quoted\n\n```TS title\nconst a;\n```\n\n---\n\n- [x] done\n- [ ] open\n',
      ),
    ).toEqual([
      { type: 'heading', level: 1, content: [{ type: 'text', text: 'Plan' }] },
      {
        type: 'paragraph',
        content: [
          { type: 'text', text: 'eat', marks: ['bold'] },
          { type: 'text', text: ' and ' },
          { type: 'text', text: 'sl', marks: ['italic'] },
          { type: 'text', text: 'ee', marks: ['bold', 'italic'] },
          { type: 'text', text: 'p', marks: ['italic'] },
          { type: 'text', text: ' ' },
          { type: 'text', text: 'not', marks: ['strike'] },
          { type: 'text', text: ' ' },
          { type: 'text', text: 'a  b', marks: ['code'] },
          { type: 'break' },
          { type: 'text', text: 'next line' },
        ],
      },
      {
        type: 'list',
        start: 3,
        items: [
          [
            { type: 'paragraph', content: [{ type: 'text', text: 'x' }] },
            { type: 'list', items: [[{ type: 'paragraph', content: [{ type: 'text', text: 'y' }] }]] },
          ],
          [{ type: 'paragraph', content: [{ type: 'text', text: 'z' }] }],
        ],
      },
      { type: 'quote', blocks: [{ type: 'paragraph', content: [{ type: 'text', text: 'quoted' }] }] },
      { type: 'code', text: 'const a;', language: 'ts' },
      { type: 'rule' },
      {
        type: 'list',
        items: [
          [{ type: 'paragraph', content: [{ type: 'text', text: '☑ done' }] }],
          [{ type: 'paragraph', content: [{ type: 'text', text: '☐ open' }] }],
        ],
      },
    ]);
  });

  it.each([
    ['[this](https://globex.example/x)', 'this (https://globex.example/x)'],
    ['[this](javascript:alert(1))', 'this'],
    ['[https://bank.example](https://evil.example)', 'https://bank.example (evil.example) (https://evil.example)'],
    ['see https://globex.example/x.', 'see https://globex.example/x.'],
    ['![a cat](https://globex.example/x.png)', 'a cat (https://globex.example/x.png)'],
    ['<b>bold</b> <script>x</script>', '<b>bold</b> <script>x</script>'],
    ['<div>\nblock\n</div>', '<div>\nblock\n</div>'],
    ['a [ref][1]\n\n[1]: https://globex.example', 'a [ref][1]\n\n[1]: https://globex.example'],
    ['a | b\n-|-\n**1** | 2', 'a | b\n1 | 2'],
    [':tada: :+1: :nothing: at 10:30:15', '🎉 👍 :nothing: at 10:30:15'],
    ['`:tada:`', ':tada:'],
    ['@everyone <@U1> <!channel>', '@everyone <@U1> <!channel>'],
    ['snake_case_name 2 * 3 * 4', 'snake_case_name 2 * 3 * 4'],
  ])('%s', (markdown, expected) => {
    expect(plainText({ blocks: fromMarkdown(markdown) })).toBe(expected);
  });

  it('has the mentions that its reader knows, and none in code and links', () => {
    const here = fromMarkdown('**@here** `@here` [@here](https://a.example)', (text) =>
      text.text === '@here' ? [{ type: 'everyone', scope: 'here' }] : [text],
    );
    expect(JSON.stringify(here).split('everyone').length - 1).toBe(1);
  });

  it.each([
    '>',
    '> ',
    '- ',
    '* a\n',
    '~a',
    '[',
    '[a](',
    '![',
    '<a ',
    '`a',
    '**a*',
    '_a_',
    '](',
    '&amp;',
    '|a',
    '[^a]',
    '\\',
    '\n',
    '    ',
  ])('takes %j ten thousand times', (unit) => {
    const blocks = fromMarkdown(unit.repeat(10_000));
    expect(parseMessageBody({ blocks }).ok).toBe(true);
  });

  it('is a normal body, whatever was typed', () => {
    const typed = fc.string({
      unit: fc.constantFrom(
        ...'*_~`[]()<>!#-+.|:&\\\n\t ab1@'.split(''),
        '\n\n',
        '> ',
        '- ',
        '1. ',
        '```\n',
        'https://a.example',
        ':tada:',
        '\u0000',
      ),
      maxLength: 60,
    });
    fc.assert(
      fc.property(typed, (markdown) => {
        const blocks = fromMarkdown(markdown);
        expect(parseMessageBody(JSON.parse(JSON.stringify({ blocks })))).toMatchObject({ ok: true, value: { blocks } });
        expect(JSON.stringify(blocks)).not.toMatch(/"type":"(?:user|channel|everyone)"/);
      }),
      { numRuns: 1_000 },
    );
  });
});
