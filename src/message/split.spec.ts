import { describe, expect, it } from 'vitest';
import type { UserId } from '../protocol/index.js';
import type { Attachment, Block, Inline, MessageBody } from './message.js';
import { plainText } from './plain-text.js';
import { split } from './split.js';

const text = (said: string): Inline => ({ type: 'text', text: said });
const paragraph = (...content: Inline[]): Block => ({ type: 'paragraph', content });
const body = (...blocks: Block[]): MessageBody => ({ style: 'notice', blocks, attachments: [] });
const parts = (max: number, ...blocks: Block[]): string[] => split(body(...blocks), max).map(plainText);

describe('a long message', () => {
  it('stays whole when it fits', () => {
    const short = body(paragraph(text('é'.repeat(50))));
    expect(split(short, 100)).toEqual([short]);
  });

  it('is cut between blocks, then lines, then words, then characters', () => {
    expect(parts(20, paragraph(text('0123456789')), paragraph(text('0123456789')))).toEqual([
      '0123456789',
      '0123456789',
    ]);
    expect(parts(20, paragraph(text('one two three')), paragraph(text('four')), paragraph(text('five six')))).toEqual([
      'one two three\n\nfour',
      'five six',
    ]);
    expect(
      parts(12, paragraph(text('one two'), { type: 'break' }, text('three'), { type: 'break' }, text('four'))),
    ).toEqual(['one two', 'three\nfour']);
    expect(parts(12, paragraph(text('one two three four')))).toEqual(['one two', 'three four']);
    expect(parts(10, paragraph(text('é'.repeat(12))))).toEqual(['ééééé', 'ééééé', 'éé']);
  });

  it('never cuts what is one character', () => {
    const family = '👩‍👩‍👧';
    expect(parts(25, paragraph(text(family.repeat(3))))).toEqual([family, family, family]);
    expect(parts(5, paragraph(text(family.repeat(2))))).toEqual([family, family]);
  });

  it('never cuts a mention', () => {
    const ada: Inline = { type: 'user', user: { userId: '@ada:globex.example' as UserId }, name: 'Ada Lovelace' };
    expect(parts(10, paragraph(text('hello '), ada, text(' bye')))).toEqual(['hello', '@Ada Lovelace', 'bye']);
  });

  it('opens code and quotes again, and goes on counting', () => {
    const code: Block = { type: 'code', text: 'aaaa\nbbbb\ncccc', language: 'ts' };
    expect(split(body(code), 10).map(({ blocks }) => blocks)).toEqual([
      [{ type: 'code', text: 'aaaa\nbbbb', language: 'ts' }],
      [{ type: 'code', text: 'cccc', language: 'ts' }],
    ]);
    expect(parts(12, { type: 'quote', blocks: [paragraph(text('one two three four'))] })).toEqual([
      '> one two',
      '> three four',
    ]);
    const items = ['one', 'two', 'three', 'four'].map((said) => [paragraph(text(said))]);
    expect(parts(14, { type: 'list', start: 9, items })).toEqual(['9. one\n10. two', '11. three', '12. four']);
  });

  it('makes several links of one with a long text', () => {
    const url = 'https://globex.example/';
    const long = split(body(paragraph({ type: 'link', url, content: [{ type: 'text', text: 'x'.repeat(500) }] })), 300);
    expect(long.map(({ blocks }) => blocks[0]).every((block) => JSON.stringify(block).includes(url))).toBe(true);
    expect(long.length).toBeGreaterThan(1);
  });

  it('has its style in every part, and its attachments with the last', () => {
    const file: Attachment = { kind: 'file', name: 'a', mimeType: 'text/plain', source: { nativeId: 'F' } };
    const cut = split({ style: 'notice', blocks: [paragraph(text('one two three'))], attachments: [file] }, 8);
    expect(cut.map(({ style, attachments }) => [style, attachments.length])).toEqual([
      ['notice', 0],
      ['notice', 1],
    ]);
  });

  it('of any length is cut in one go', () => {
    for (const unit of ['x', 'x ', 'x\n', 'é', '👩‍👩‍👧', '\u0301']) {
      const long = unit.repeat(Math.ceil(250_000 / unit.length));
      const cut = split(body(paragraph(text(long.replaceAll('\n', ' '))), { type: 'code', text: long }), 4_000);
      expect(cut.length).toBeGreaterThan(50);
    }
  });
});
