import type { Body, Person, RemoteAuthor } from './model.js';

interface Run {
  type: string;
  [member: string]: unknown;
}

export interface Mentionable {
  people: readonly Person[];
  guests: readonly RemoteAuthor[];
}

/** At once in one message: more are text. */
const MAX_RUNS = 400;
const FENCE = /^```([a-z0-9+#._-]{0,32})\s*$/;
const BULLET = /^\s{0,3}[-*]\s+(.*)$/;
const NUMBER = /^\s{0,3}(\d{1,9})[.)]\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;
// Each alternative begins with another character, and none can match the beginning of itself again: linear time.
const INLINE =
  /`([^`\n]{1,1000})`|\*\*([^*\n]{1,1000})\*\*|\*([^*\n]{1,1000})\*|(?<![\p{L}\p{N}])_([^_\n]{1,1000})_(?![\p{L}\p{N}])|~~([^~\n]{1,1000})~~|(https?:\/\/[^\s<>"]{1,1000}[^\s<>".,:;!?)\]'])|(?<![\p{L}\p{N}_@])@([\p{L}\p{N}._=-]{1,64}(?::[A-Za-z0-9.-]{1,200}(?::\d{1,5})?)?)/gu;

/**
 * What people type, as the contract's `Body`: `**bold**`, `*italic*`, `~~gone~~`, `` `code` ``, fences, lists, quotes, addresses, and
 * mentions of people here (`@ada`, `@everyone`) and of other companies (`@grace`, `@grace:globex.example`). Nothing else means anything.
 */
export function bodyOf(typed: string, mentionable: Mentionable): Body {
  const emote = typed.startsWith('/me ');
  const text = emote ? typed.slice('/me '.length) : typed;
  return { ...(emote && { style: 'emote' }), blocks: blocksOf(text.split('\n'), mentionable) };
}

function blocksOf(lines: readonly string[], mentionable: Mentionable): Run[] {
  const blocks: Run[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.some((line) => line.trim() !== '')) {
      blocks.push({ type: 'paragraph', content: inlines(paragraph.join('\n'), mentionable) });
    }
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const fence = FENCE.exec(line);
    const end = fence ? lines.indexOf('```', at + 1) : -1;
    if (fence && end > at) {
      flush();
      const language = fence[1];
      blocks.push({ type: 'code', text: lines.slice(at + 1, end).join('\n'), ...(language && { language }) });
      at = end;
    } else if (QUOTE.test(line)) {
      flush();
      const taken = takeWhile(lines, at, QUOTE);
      const quoted = taken.map((each) => QUOTE.exec(each)?.[1] ?? '').join('\n');
      blocks.push({ type: 'quote', blocks: [{ type: 'paragraph', content: inlines(quoted, mentionable) }] });
      at += taken.length - 1;
    } else if (BULLET.test(line) || NUMBER.test(line)) {
      flush();
      const pattern = BULLET.test(line) ? BULLET : NUMBER;
      const taken = takeWhile(lines, at, pattern);
      const start = pattern === NUMBER ? { start: Number(NUMBER.exec(line)?.[1] ?? 1) } : {};
      const items = taken.map((each) => [
        { type: 'paragraph', content: inlines(pattern.exec(each)?.at(-1) ?? '', mentionable) },
      ]);
      blocks.push({ type: 'list', ...start, items });
      at += taken.length - 1;
    } else if (line.trim() === '') flush();
    else paragraph.push(line);
  }
  flush();
  return blocks;
}

function takeWhile(lines: readonly string[], from: number, pattern: RegExp): string[] {
  const end = lines.findIndex((line, n) => n > from && !pattern.test(line));
  return lines.slice(from, end < 0 ? lines.length : end);
}

function inlines(text: string, mentionable: Mentionable): Run[] {
  const out: Run[] = [];
  const plain = (said: string): void => {
    said.split('\n').forEach((line, n) => {
      if (n > 0) out.push({ type: 'break' });
      if (line !== '') out.push({ type: 'text', text: line });
    });
  };
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    if (out.length > MAX_RUNS) break;
    const run = runOf(match, mentionable);
    if (!run) continue;
    plain(text.slice(done, match.index));
    out.push(run);
    done = match.index + match[0].length;
  }
  plain(text.slice(done));
  return out;
}

function runOf(
  [, code, bold, star, underscore, strike, url, name]: RegExpMatchArray,
  mentionable: Mentionable,
): Run | undefined {
  const marked = (text: string, mark: string): Run => ({ type: 'text', text, marks: [mark] });
  const italic = star ?? underscore;
  if (code !== undefined) return marked(code, 'code');
  if (bold !== undefined) return marked(bold, 'bold');
  if (italic !== undefined) return marked(italic, 'italic');
  if (strike !== undefined) return marked(strike, 'strike');
  if (url !== undefined) return { type: 'link', url, content: [{ type: 'text', text: url }] };
  return name === undefined ? undefined : mentionOf(name, mentionable);
}

function mentionOf(name: string, { people, guests }: Mentionable): Run | undefined {
  if (name === 'everyone' || name === 'channel') return { type: 'everyone', scope: 'channel' };
  if (name === 'here') return { type: 'everyone', scope: 'here' };
  const person = people.find(({ username }) => username.toLowerCase() === name.toLowerCase());
  if (person) return { type: 'user', user: { nativeId: person.id }, name: person.displayName };
  const guest = guests.find(({ id }) => id === `@${name}` || id.startsWith(`@${name}:`));
  return guest && { type: 'user', user: { userId: guest.id }, name: guest.displayName };
}
