import { characters } from './clean-text.js';
import type { Block, Emoji, Inline, Link, MessageBody, Text } from './message.js';
import { normalise } from './normalise.js';
import { inlineText, plainText } from './plain-text.js';

/**
 * A message as several, of at most `maxTextBytes` of plain text each: cut between blocks, else between lines, else words, else characters
 * (UAX #29). Mentions stay whole, lists go on counting, code and quotes are opened again. Nothing but white space is lost. Only what
 * cannot be cut (a mention, an address) may be longer. Attachments go with the last part.
 */
export function split(body: MessageBody, maxTextBytes: number): MessageBody[] {
  if (bytes(plainText(body)) <= maxTextBytes) return [body];
  const parts = splitBlocks(body.blocks, { max: maxTextBytes, indent: 0, gap: 2 });
  return parts.map((blocks, n) =>
    normalise({ style: body.style, blocks, attachments: n === parts.length - 1 ? body.attachments : [] }),
  );
}

interface Space {
  /** Bytes. */
  max: number;
  /** Bytes before each line: `> `, and what a list indents. */
  indent: number;
  /** Line ends between two blocks. */
  gap: number;
}

const bytes = (text: string): number => Buffer.byteLength(text);

/** Bytes that a text takes with what stands before its lines. */
function cost(text: string, { indent }: Space): number {
  return bytes(text) + (indent === 0 ? 0 : indent * text.split('\n').length);
}

/** Fills one group after the other; what is too large for one is cut by `cut`, the pieces being groups of their own. */
function grouped<T>(
  parts: readonly T[],
  { max, gap }: Space,
  sizeOf: (part: T) => number,
  cut: (part: T) => T[],
): T[][] {
  const groups: T[][] = [];
  let used = max;
  const add = (part: T): void => {
    const size = sizeOf(part);
    const last = groups.at(-1);
    if (last !== undefined && used + gap + size <= max) {
      last.push(part);
      used += gap + size;
    } else {
      groups.push([part]);
      used = size;
    }
  };
  for (const part of parts) {
    if (sizeOf(part) <= max) add(part);
    else cut(part).forEach(add);
  }
  return groups;
}

function splitBlocks(blocks: readonly Block[], space: Space): Block[][] {
  return grouped(
    blocks,
    space,
    (block) => cost(plainText({ blocks: [block] }), space),
    (block) => splitBlock(block, space),
  );
}

const nested = ({ max, indent }: Space, more: number, gap: number): Space => ({
  max,
  // A line has room for some text, however deep it lies.
  indent: Math.min(indent + more, Math.floor(max / 2)),
  gap,
});

function splitBlock(block: Block, space: Space): Block[] {
  switch (block.type) {
    case 'paragraph':
    case 'heading':
      return splitContent(block.content, space).map((content) => ({ ...block, content }));
    case 'quote':
      return splitBlocks(block.blocks, nested(space, 2, 2)).map((blocks) => ({ type: 'quote', blocks }));
    case 'list':
      return splitList(block, space);
    case 'code':
      return splitText(block.text, space).map((text) => ({ ...block, text }));
    case 'rule':
      return [block];
  }
}

function splitList(list: Extract<Block, { type: 'list' }>, space: Space): Block[] {
  const numbered = list.items.map((blocks, n) => ({ blocks, n }));
  const asList = (items: readonly { blocks: Block[]; n: number }[]): Block => ({
    type: 'list',
    ...(list.start === undefined ? {} : { start: list.start + (items[0]?.n ?? 0) }),
    items: items.map(({ blocks }) => blocks),
  });
  const inside = nested(space, list.start === undefined ? 4 : 2 + String(list.start + list.items.length).length, 1);
  return grouped(
    numbered,
    { ...space, gap: 1 },
    (item) => cost(plainText({ blocks: [asList([item])] }), space),
    ({ blocks, n }) => splitBlocks(blocks, inside).map((part) => ({ blocks: part, n })),
  ).map(asList);
}

/** Lines of code. */
function splitText(text: string, space: Space): string[] {
  return grouped(
    text.split('\n'),
    { ...space, gap: 1 },
    (line) => cost(line, space),
    (line) => pieces(line, space.max - space.indent),
  ).map((lines) => lines.join('\n'));
}

/** Lines of inline content, then words. */
function splitContent(content: readonly Inline[], space: Space): Inline[][] {
  const size = (parts: readonly Inline[]): number => cost(inlineText(parts), space);
  const lines = grouped(linesOf(content), { ...space, gap: 1 }, size, (line) => {
    const room = { max: space.max - space.indent, indent: 0, gap: 0 };
    return grouped(
      line.flatMap(words),
      room,
      (word) => bytes(inlineText([word])),
      (word) => cutWord(word, room.max),
    ).map((piece, n) => (n === 0 || !isSpace(piece[0]) ? piece : piece.slice(1)));
  });
  return lines.map((group) => group.flatMap((line, n): Inline[] => (n === 0 ? line : [{ type: 'break' }, ...line])));
}

const isSpace = (part: Inline | undefined): boolean => part?.type === 'text' && /^ *$/.test(part.text);

function linesOf(content: readonly Inline[]): Inline[][] {
  let line: Inline[] = [];
  const lines = [line];
  for (const part of content) {
    if (part.type === 'break') lines.push((line = []));
    else line.push(part);
  }
  return lines;
}

/** A text as its words, each with the spaces behind it. */
function words(part: Inline): Inline[] {
  if (part.type !== 'text') return [part];
  return part.text.split(/(?<= )(?! )/).map((text) => ({ ...part, text }));
}

function cutWord(part: Inline, max: number): Inline[] {
  if (part.type === 'text') return pieces(part.text, max).map((text) => ({ ...part, text }));
  return part.type === 'link' ? cutLink(part, max) : [part];
}

/** A link with a long text is several links to the same place. */
function cutLink(link: Link, max: number): Inline[] {
  const room = Math.max(max - bytes(` (${link.url})`), MIN_LINK_TEXT);
  const cut = (part: Text | Emoji): (Text | Emoji)[] =>
    part.type === 'text' ? pieces(part.text, room).map((text) => ({ ...part, text })) : [part];
  return grouped(link.content, { max: room, indent: 0, gap: 0 }, (part) => bytes(inlineText([part])), cut).map(
    (content) => ({ ...link, content }),
  );
}

const MIN_LINK_TEXT = 200;

/** A text in pieces of at most `max` bytes, cut between characters; one that is longer stays whole. */
function pieces(text: string, max: number): string[] {
  const out: string[] = [];
  let piece = '';
  let used = 0;
  for (const segment of characters(text)) {
    const size = bytes(segment);
    if (used + size > max && piece !== '') {
      out.push(piece);
      [piece, used] = ['', 0];
    }
    piece += segment;
    used += size;
  }
  return piece === '' ? out : [...out, piece];
}
