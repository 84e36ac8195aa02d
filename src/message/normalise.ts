import { cleanCode, cleanLine, cleanLines, cleanLinkText, trim, trimEnd } from './clean-text.js';
import { isEmoji } from './emoji.js';
import { linkUrl, trueTarget } from './links.js';
import {
  type Attachment,
  type Block,
  type Emoji,
  type Inline,
  type Link,
  MARKS,
  MAX_ATTACHMENTS,
  MAX_DEPTH,
  MAX_NODES,
  type Mark,
  type MessageBody,
  type Text,
} from './message.js';
import { displayName, fileName } from './names.js';
import { inlineText, plainText } from './plain-text.js';

/**
 * The same message in its normal form. Every converter's output is normal, and of two normal bodies that look alike both are equal:
 *
 * - texts hold no line ends, control characters or bidi overrides; neighbours with the same marks are one, marks are in order;
 * - a line does not end in spaces, a paragraph has neither breaks around it nor two in a row: two make two paragraphs;
 * - nothing is empty; names, languages, media types and numbers are as {@link MessageBody} says;
 * - links go to http, https or mailto, and their text does not pretend another target ({@link trueTarget});
 * - it is at most MAX_DEPTH deep (what lies deeper is lifted out), has at most MAX_NODES nodes (what follows is one block of code) and
 *   MAX_ATTACHMENTS attachments (the others are named).
 */
export function normalise(body: MessageBody): MessageBody {
  const attachments = body.attachments.map(normalAttachment);
  const named = attachments.slice(MAX_ATTACHMENTS).map(mentioned);
  const blocks = normalBlocks([...body.blocks, ...named], 1);
  return { style: body.style, blocks: bounded(blocks), attachments: attachments.slice(0, MAX_ATTACHMENTS) };
}

/** An attachment that cannot be carried as one. */
export const mentioned = ({ kind, name }: Pick<Attachment, 'kind' | 'name'>): Block => ({
  type: 'paragraph',
  content: [{ type: 'text', text: `[${kind}: ${name}]` }],
});

/** Blocks, their items, and what is in them. */
export function countNodes(blocks: readonly Block[]): number {
  return blocks.reduce((sum, block) => sum + 1 + nodesIn(block), 0);
}

function nodesIn(block: Block): number {
  switch (block.type) {
    case 'paragraph':
    case 'heading':
      return block.content.reduce((sum, part) => sum + 1 + (part.type === 'link' ? part.content.length : 0), 0);
    case 'quote':
      return countNodes(block.blocks);
    case 'list':
      return block.items.reduce((sum, item) => sum + 1 + countNodes(item), 0);
    default:
      return 0;
  }
}

function bounded(blocks: Block[]): Block[] {
  if (countNodes(blocks) <= MAX_NODES) return blocks;
  const kept: Block[] = [];
  let left = MAX_NODES - 1;
  for (const block of blocks) {
    left -= countNodes([block]);
    if (left < 0) break;
    kept.push(block);
  }
  return [...kept, { type: 'code', text: cleanCode(plainText({ blocks: blocks.slice(kept.length) })) }];
}

const normalBlocks = (blocks: readonly Block[], depth: number): Block[] =>
  blocks.flatMap((block) => normalBlock(block, depth));

function normalBlock(block: Block, depth: number): Block[] {
  switch (block.type) {
    case 'paragraph':
      return paragraphs(block.content).map((content) => ({ type: 'paragraph', content }));
    case 'heading':
      return paragraphs(block.content).map((content) => ({ type: 'heading', level: levelOf(block.level), content }));
    case 'quote': {
      if (depth >= MAX_DEPTH) return normalBlocks(block.blocks, depth);
      const blocks = normalBlocks(block.blocks, depth + 1);
      return blocks.length === 0 ? [] : [{ type: 'quote', blocks }];
    }
    case 'list': {
      if (depth >= MAX_DEPTH) return block.items.flatMap((item) => normalBlocks(item, depth));
      const items = block.items.map((item) => normalBlocks(item, depth + 1)).filter((item) => item.length > 0);
      return items.length === 0 ? [] : [{ type: 'list', ...startOf(block.start), items }];
    }
    case 'code': {
      const text = cleanCode(block.text);
      return text === '' ? [] : [{ type: 'code', text, ...languageOf(block.language) }];
    }
    case 'rule':
      return [{ type: 'rule' }];
  }
}

const levelOf = (level: number): number => (Number.isInteger(level) ? Math.min(Math.max(level, 1), 6) : 6);

/** Markdown's bound, which HTML's clients keep too. */
const MAX_START = 999_999_999;
function startOf(start: number | undefined): { start?: number } {
  if (start === undefined) return {};
  return { start: Number.isInteger(start) && start >= 0 && start <= MAX_START ? start : 1 };
}

function languageOf(language: string | undefined): { language?: string } {
  const known = language?.toLowerCase();
  return known !== undefined && /^[a-z0-9+#._-]{1,32}$/.test(known) ? { language: known } : {};
}

/** Lines with something in them; one or more empty ones part paragraphs. */
function paragraphs(content: readonly Inline[]): Inline[][] {
  const out: Inline[][] = [];
  let open: Inline[] | undefined;
  for (const line of linesOf(content.flatMap(normalPart))) {
    if (line.length === 0) open = undefined;
    else if (open === undefined) out.push((open = line));
    else open.push({ type: 'break' }, ...line);
  }
  return out;
}

function linesOf(content: readonly Inline[]): Inline[][] {
  let line: Inline[] = [];
  const lines = [line];
  for (const part of content) {
    if (part.type === 'break') lines.push((line = []));
    else append(line, part);
  }
  lines.forEach(trimLine);
  return lines;
}

function append(line: Inline[], part: Inline): void {
  const last = line.at(-1);
  if (part.type === 'text' && last?.type === 'text' && sameMarks(part, last)) {
    line[line.length - 1] = { ...last, text: last.text + part.text };
  } else if (part.type !== 'text' || part.text !== '') {
    line.push(part);
  }
}

const sameMarks = (one: Text, other: Text): boolean => one.marks?.join() === other.marks?.join();

function trimLine(line: Inline[]): void {
  for (let last = line.at(-1); last?.type === 'text'; last = line.at(-1)) {
    const text = trimEnd(last.text, ' ');
    line.pop();
    if (text === '') continue;
    line.push({ ...last, text });
    return;
  }
}

function normalPart(part: Inline): Inline[] {
  switch (part.type) {
    case 'text':
      return cleanLines(part.text).flatMap((text, n): Inline[] => [
        ...(n === 0 ? [] : [{ type: 'break' } as const]),
        { type: 'text', text, ...marksOf(part.marks) },
      ]);
    case 'emoji':
      return [normalEmoji(part)];
    case 'link':
      return normalLink(part);
    case 'user':
      return [{ ...part, name: displayName(part.name) ?? 'someone' }];
    case 'channel':
      return [{ ...part, name: displayName(part.name) ?? 'channel' }];
    case 'break':
    case 'everyone':
      return [part];
  }
}

function marksOf(marks: readonly Mark[] | undefined): { marks?: Mark[] } {
  const known = MARKS.filter((mark) => marks?.includes(mark));
  return known.length === 0 ? {} : { marks: known };
}

const MAX_SHORTCODE = 100;

function normalEmoji({ shortcode, unicode, image }: Emoji): Text | Emoji {
  const known = unicode !== undefined && isEmoji(unicode) ? { unicode } : {};
  const name = trim(cleanLine(shortcode, MAX_SHORTCODE).replace(/[\s\p{Z}]+/gu, '_'), ':');
  if (name === '') return { type: 'text', text: known.unicode ?? ':emoji:' };
  return { type: 'emoji', shortcode: name, ...known, ...(image === undefined ? {} : { image }) };
}

/** With its leading and trailing spaces outside, where every converter sees them alike. */
function normalLink(link: Link): Inline[] {
  const content = linkContent(link.content);
  const text = inlineText(content);
  const url = linkUrl(link.url);
  if (url === undefined) return [...content, ...elsewhere(link.url, text)];
  const [before, after] = [text.startsWith(' '), text.endsWith(' ')].map((space) => (space ? [SPACE] : []));
  const inside = trimContent(content);
  const shown = inside.length === 0 ? linkContent([{ type: 'text', text: url }]) : inside;
  const target = trueTarget(inlineText(shown), url);
  if (target !== undefined) append(shown, { type: 'text', text: ` (${target})` });
  return [...(before ?? []), { type: 'link', url, content: shown.filter(inLink) }, ...(after ?? [])];
}

const SPACE: Text = { type: 'text', text: ' ' };
const inLink = (part: Inline): part is Text | Emoji => part.type === 'text' || part.type === 'emoji';

function linkContent(content: readonly (Text | Emoji)[]): Inline[] {
  const out: Inline[] = [];
  for (const part of content) {
    const next = part.type === 'emoji' ? normalEmoji(part) : { ...part, text: cleanLinkText(part.text) };
    append(out, next.type === 'text' ? { type: 'text', text: next.text, ...marksOf(next.marks) } : next);
  }
  return out;
}

function trimContent(content: Inline[]): Inline[] {
  const out = [...content];
  trimLine(out);
  for (let first = out[0]; first?.type === 'text'; first = out[0]) {
    const text = first.text.replace(/^ +/, '');
    out.shift();
    if (text === '') continue;
    out.unshift({ ...first, text });
    break;
  }
  return out;
}

const RUNS_SOMETHING = /^(?:javascript|vbscript|data|blob|file|about):/i;
const MAX_SHOWN_URL = 200;

/** Where a link went that is none here (`ftp:`, `tel:`), when that can be read and its text does not say it. */
function elsewhere(url: string, text: string): Text[] {
  const shown = cleanLinkText(url).trim();
  if (shown.length > MAX_SHOWN_URL || !URL.canParse(shown) || RUNS_SOMETHING.test(new URL(shown).protocol)) return [];
  if (text.includes(shown)) return [];
  return [{ type: 'text', text: text === '' ? shown : ` (${shown})` }];
}

const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]{1,63}\/[a-z0-9!#$&^_.+-]{1,63}$/;
const MAX_ALT = 1_000;

function normalAttachment(attachment: Attachment): Attachment {
  const { kind, source, alt, thumbnail } = attachment;
  const mimeType = (attachment.mimeType.slice(0, 200).split(';', 1)[0] ?? '').trim().toLowerCase();
  const said = alt === undefined ? '' : cleanLine(alt, MAX_ALT);
  return {
    kind,
    name: fileName(attachment.name) ?? kind,
    mimeType: MEDIA_TYPE.test(mimeType) ? mimeType : 'application/octet-stream',
    source,
    ...count('size', attachment.size),
    ...count('width', attachment.width),
    ...count('height', attachment.height),
    ...count('durationMs', attachment.durationMs),
    ...(said === '' ? {} : { alt: said }),
    ...(thumbnail === undefined ? {} : { thumbnail }),
  };
}

type Count = 'size' | 'width' | 'height' | 'durationMs';
const count = (key: Count, value: number | undefined): Partial<Record<Count, number>> =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? { [key]: value === 0 ? 0 : value } : {};
