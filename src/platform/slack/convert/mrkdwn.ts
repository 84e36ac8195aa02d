import type { Block, Inline, Mark, Text } from '../../../message/index.js';
import { MARKS } from '../../../message/index.js';
import { isChannelId, isUserId } from '../json.js';
import { emojiOf } from './emoji.js';
import { type Names, paragraphs, safeUrl } from './inline.js';

/**
 * Slack's mrkdwn, as far as it has a meaning: what stands in `<…>`, emoji, marks, code and quotes. Used where a message has no blocks.
 * Takes time linear in the length: marks are looked for in the lines, each delimiter once.
 */
export function mrkdwnBlocks(source: string, names: Names): Block[] {
  const out: Block[] = [];
  for (const [n, part] of source.split('```').entries()) {
    if (n % 2 === 1) {
      const code = unescape(
        part.replace(/<([^<>|]{1,3000})(?:\|([^<>]{0,3000}))?>/g, (_, url: string, label?: string) => label ?? url),
      );
      const trimmed = code.replace(/^\n/, '').replace(/\n$/, '');
      if (trimmed !== '') out.push({ type: 'code', text: trimmed });
    } else {
      out.push(...quotesAndParagraphs(part, names));
    }
  }
  return out;
}

function quotesAndParagraphs(source: string, names: Names): Block[] {
  const out: Block[] = [];
  let lines: string[] = [];
  let quoted = false;
  const flush = (): void => {
    const blocks = paragraphs(mrkdwnInline(lines.join('\n'), names));
    if (quoted && blocks.length > 0) out.push({ type: 'quote', blocks });
    else out.push(...blocks);
    lines = [];
  };
  for (const line of source.split('\n')) {
    const quote = /^(?:&gt;|>) ?/.exec(line);
    if ((quote !== null) !== quoted) flush();
    quoted = quote !== null;
    lines.push(quote === null ? line : line.slice(quote[0].length));
  }
  flush();
  return out;
}

const TOKEN = /<[^<>\n]{1,4000}>|`[^`\n]+`|:[\p{L}\p{N}_+'.-]{1,100}(?:::skin-tone-[2-6])?:|[*_~]|\n/gu;
const MARK_OF: Readonly<Record<string, Mark>> = { '*': 'bold', _: 'italic', '~': 'strike' };

export function mrkdwnInline(source: string, names: Names): Inline[] {
  const tokens = [...source.matchAll(TOKEN)];
  const marks = pairs(source, tokens);
  const out: Inline[] = [];
  const on = new Set<Mark>();
  const say = (text: string): void => {
    if (text !== '') out.push(textOf(unescape(text), on));
  };
  let from = 0;
  for (const [n, token] of tokens.entries()) {
    const [found] = token;
    say(source.slice(from, token.index));
    from = token.index + found.length;
    const mark = MARK_OF[found];
    if (mark !== undefined) {
      if (!marks.has(n)) say(found);
      else if (on.has(mark)) on.delete(mark);
      else on.add(mark);
    } else if (found === '\n') out.push({ type: 'break' });
    else if (found.startsWith('`')) out.push(textOf(unescape(found.slice(1, -1)), new Set<Mark>(['code'])));
    else if (found.startsWith(':')) out.push(emojiOf(found.slice(1, -1)) ?? textOf(found, on));
    else out.push(...entity(found.slice(1, -1), names, on));
  }
  say(source.slice(from));
  return out;
}

/** Which delimiters open or close something: in one line, not within words, with something between. */
function pairs(source: string, tokens: readonly RegExpExecArray[]): Set<number> {
  const out = new Set<number>();
  const open = new Map<string, number>();
  for (const [n, { 0: found, index }] of tokens.entries()) {
    if (found === '\n') open.clear();
    if (MARK_OF[found] === undefined) continue;
    const before = source[index - 1] ?? ' ';
    const after = source[index + 1] ?? ' ';
    const opener = open.get(found);
    if (opener !== undefined && !/\s/.test(before) && !/[\p{L}\p{N}]/u.test(after)) {
      out.add(opener).add(n);
      open.delete(found);
    } else if (!/\s/.test(after) && !/[\p{L}\p{N}]/u.test(before)) {
      open.set(found, n);
    }
  }
  return out;
}

function textOf(text: string, on: ReadonlySet<Mark>): Text {
  const marks = MARKS.filter((mark) => on.has(mark));
  return { type: 'text', text, ...(marks.length === 0 ? {} : { marks }) };
}

/** What stands in `<…>` (docs.slack.dev/messaging/formatting-message-text#advanced). */
function entity(inside: string, names: Names, on: ReadonlySet<Mark>): Inline[] {
  const bar = inside.indexOf('|');
  const target = bar < 0 ? inside : inside.slice(0, bar);
  const label = bar < 0 ? '' : unescape(inside.slice(bar + 1));
  const id = target.slice(1);
  if (target.startsWith('@') && isUserId(id)) return [names.user(id, label)];
  if (target.startsWith('#') && isChannelId(id)) return [names.channel(id, label)];
  if (target.startsWith('!')) return [special(id, label, on)];
  const url = safeUrl(unescape(target));
  if (url === undefined) return [textOf(label === '' ? unescape(target) : label, on)];
  return [{ type: 'link', url, content: [textOf(label === '' ? url : label, on)] }];
}

function special(word: string, label: string, on: ReadonlySet<Mark>): Inline {
  if (word === 'here') return { type: 'everyone', scope: 'here' };
  if (word === 'channel' || word === 'everyone') return { type: 'everyone', scope: 'channel' };
  if (label !== '') return textOf(label, on);
  return textOf(word.startsWith('subteam^') ? '@group' : (word.split('^').at(-1) ?? ''), on);
}

const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };
export const unescape = (text: string): string => text.replace(/&(?:lt|gt|amp);/g, (found) => ENTITIES[found] ?? found);

/** What a person, or another server, wrote is text for Slack and nothing else. */
export const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** One line as it was typed, where nothing is marked up: addresses that Slack made links of are addresses. */
export const asTyped = (text: string): string =>
  unescape(
    text
      .replace(/<(?:https?:\/\/|mailto:)[^<>|]{1,2000}\|([^<>]{1,2000})>/g, '$1')
      .replace(/<([^<>|@#!][^<>|]{0,2000})>/g, '$1'),
  ).trim();
