import { describe, expect, it } from 'vitest';
import {
  type Attachment,
  type Block,
  type Inline,
  MAX_ATTACHMENTS,
  MAX_DEPTH,
  MAX_NODES,
  type MessageBody,
} from './message.js';
import { countNodes, normalise } from './normalise.js';
import { parseMessageBody } from './parse-body.js';
import { plainText } from './plain-text.js';

const BREAK: Inline = { type: 'break' };
const text = (said: string): Inline => ({ type: 'text', text: said });
const paragraph = (...content: Inline[]): Block => ({ type: 'paragraph', content });
const blocksOf = (...blocks: Block[]): Block[] => normalise({ style: 'normal', blocks, attachments: [] }).blocks;

describe('the normal form', () => {
  it('has one text where several have the same marks, in order', () => {
    expect(
      blocksOf(
        paragraph(
          text('a'),
          { type: 'text', text: 'b', marks: [] },
          { type: 'text', text: 'c', marks: ['code', 'bold', 'code'] },
          { type: 'text', text: '', marks: ['italic'] },
          { type: 'text', text: 'd', marks: ['bold', 'code'] },
        ),
      ),
    ).toEqual([paragraph(text('ab'), { type: 'text', text: 'cd', marks: ['bold', 'code'] })]);
  });

  it('parts paragraphs at empty lines, and keeps single breaks between others', () => {
    expect(
      blocksOf(paragraph(BREAK, text('a '), BREAK, text('b\r\nc\u2028d'), BREAK, text(' '), BREAK, text('e'), BREAK)),
    ).toEqual([paragraph(text('a'), BREAK, text('b'), BREAK, text('c'), BREAK, text('d')), paragraph(text('e'))]);
  });

  it('holds nothing empty', () => {
    const empty = paragraph(text(' '), BREAK);
    expect(
      blocksOf(
        empty,
        { type: 'quote', blocks: [empty] },
        { type: 'list', items: [[], [empty]] },
        { type: 'code', text: '\n\n' },
      ),
    ).toEqual([]);
  });

  it('has no control characters and no text that runs against its order', () => {
    expect(blocksOf(paragraph(text('a\u0000\u0007\u001b\u202eb\u202d\tc\ud800')))).toEqual([
      paragraph(text('ab c\ufffd')),
    ]);
    expect(blocksOf({ type: 'code', text: '\n\ta\u0000\r\nb\u00a0 \n', language: 'C++' })).toEqual([
      { type: 'code', text: '\ta\nb\u00a0 ', language: 'c++' },
    ]);
  });

  it('leaves right-to-left text, joined emoji and no-break scripts alone', () => {
    const said = 'שלום\u200f 👩‍👩‍👧 می\u200cخواهم \u2067ab\u2069';
    expect(blocksOf(paragraph(text(said)))).toEqual([paragraph(text(said))]);
  });

  it('puts the spaces of a link beside it, and gives it a text', () => {
    const url = 'https://globex.example/';
    expect(
      blocksOf(
        paragraph(text('a'), { type: 'link', url, content: [{ type: 'text', text: ' x ' }] }, text('b'), {
          type: 'link',
          url,
          content: [],
        }),
      ),
    ).toEqual([
      paragraph(text('a '), { type: 'link', url, content: [{ type: 'text', text: 'x' }] }, text(' b'), {
        type: 'link',
        url,
        content: [{ type: 'text', text: url }],
      }),
    ]);
  });

  it('lifts out what lies too deep', () => {
    let block: Block = paragraph(text('deep'));
    for (let depth = 0; depth < 20; depth++) {
      block = depth % 2 === 0 ? { type: 'quote', blocks: [block] } : { type: 'list', items: [[block]] };
    }
    const blocks = blocksOf(block);
    expect(JSON.stringify(blocks).match(/"(?:quote|list)"/g)).toHaveLength(MAX_DEPTH - 1);
    expect(parseMessageBody({ blocks }).ok).toBe(true);
    expect(plainText({ blocks })).toContain('deep');
  });

  it('ends in a block of code where there is too much', () => {
    const many = Array.from({ length: MAX_NODES }, (_, n) => paragraph(text(`line ${String(n)}`)));
    const blocks = blocksOf(...many);
    expect(countNodes(blocks)).toBeLessThanOrEqual(MAX_NODES);
    expect(blocks[0]).toEqual(many[0]);
    expect(plainText({ blocks })).toBe(plainText({ blocks: many }));
    const list: Block = { type: 'list', items: many.map((each) => [each]) };
    expect(blocksOf(list)).toEqual([{ type: 'code', text: plainText({ blocks: [list] }) }]);
  });

  it('names the attachments that are too many', () => {
    const file: Attachment = { kind: 'file', name: 'a.txt', mimeType: 'text/plain', source: { nativeId: 'F1' } };
    const body: MessageBody = {
      style: 'normal',
      blocks: [],
      attachments: Array.from({ length: MAX_ATTACHMENTS + 2 }, () => file),
    };
    const normal = normalise(body);
    expect(normal.attachments).toHaveLength(MAX_ATTACHMENTS);
    expect(plainText(normal)).toBe('[file: a.txt]\n\n[file: a.txt]');
  });

  it('has numbers that mean something', () => {
    expect(
      blocksOf(
        { type: 'heading', level: 9, content: [text('a')] },
        { type: 'list', start: -1, items: [[paragraph(text('b'))]] },
      ),
    ).toEqual([
      { type: 'heading', level: 6, content: [text('a')] },
      { type: 'list', start: 1, items: [[paragraph(text('b'))]] },
    ]);
  });
});
