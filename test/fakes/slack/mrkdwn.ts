import { type Json, type Mention, isJson, jsonList, textOf } from './model.js';

/** Slack's three entities; what is escaped already stays. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const unescapeText = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

const CONTROL =
  /^(?:@([UW][A-Z0-9]+)|#([CG][A-Z0-9]+)|!subteam\^([A-Z0-9]+)|!(channel|here|everyone)|!date\^\d+\^[^|]+|(?:https?|mailto|tel|slack):[^|\s]*)(?:\|([^|]*))?$/;

/**
 * What Slack keeps of a text that an app sent: control sequences stay, every other `<`, `>` and `&` becomes an entity.
 * A `<…>` that is none of Slack's sequences is text.
 */
export function normalise(text: string): string {
  return text
    .split(/(<[^<>]*>)/)
    .map((part) => {
      if (part.startsWith('<') && part.endsWith('>') && CONTROL.test(part.slice(1, -1))) return part;
      return part
        .replace(/&(?!(?:amp|lt|gt);)/g, '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;');
    })
    .join('');
}

export interface NameDirectory {
  userByName(name: string): string | undefined;
  channelByName(name: string): string | undefined;
}

/** `parse=full` and `link_names`: plain @names become mentions, as the documentation of chat.postMessage says. */
export function linkNames(text: string, directory: NameDirectory): string {
  return text.replace(/(^|[\s(])([@#])([\p{L}\d._-]+)/gu, (all, before: string, sign: string, name: string) => {
    if (sign === '#') {
      const channel = directory.channelByName(name);
      return channel === undefined ? all : `${before}<#${channel}|${name}>`;
    }
    if (name === 'channel' || name === 'here' || name === 'everyone') return `${before}<!${name}>`;
    const user = directory.userByName(name);
    return user === undefined ? all : `${before}<@${user}>`;
  });
}

const WORDS = /```[\s\S]*?```|`[^`\n]*`|<([^<>]*)>/g;

/** The mentions of a mrkdwn text that notify: those outside of code. */
export function mentionsInText(text: string, by: Mention['by']): Mention[] {
  const mentions: Mention[] = [];
  for (const [, inside] of text.matchAll(WORDS)) {
    const [, user, , usergroup, range] = CONTROL.exec(inside ?? '') ?? [];
    if (user !== undefined) mentions.push({ kind: 'user', id: user, by });
    if (usergroup !== undefined) mentions.push({ kind: 'usergroup', id: usergroup, by });
    if (range === 'channel' || range === 'here' || range === 'everyone') mentions.push({ kind: range, by });
  }
  return mentions;
}

/** The mentions in blocks and attachments, at any depth. */
export function mentionsInJson(value: unknown, by: Mention['by']): Mention[] {
  if (Array.isArray(value)) return value.flatMap((each) => mentionsInJson(each, by));
  if (!isJson(value)) return [];
  if (value.type === 'user' && typeof value.user_id === 'string') return [{ kind: 'user', id: value.user_id, by }];
  if (value.type === 'usergroup' && typeof value.usergroup_id === 'string') {
    return [{ kind: 'usergroup', id: value.usergroup_id, by }];
  }
  const { range } = value;
  if (value.type === 'broadcast' && (range === 'channel' || range === 'here' || range === 'everyone')) {
    return [{ kind: range, by }];
  }
  if (value.type === 'mrkdwn') return mentionsInText(textOf(value.text), by);
  if (value.type === 'text' || value.type === 'plain_text') return [];
  const own = by === 'attachments' ? attachmentTexts(value).flatMap((text) => mentionsInText(text, by)) : [];
  return [...own, ...Object.values(value).flatMap((each) => mentionsInJson(each, by))];
}

const attachmentTexts = (attachment: Json): string[] =>
  [attachment.text, attachment.pretext, ...jsonList(attachment.fields).map((field) => field.value)].map(textOf);

type Style = Partial<Record<'bold' | 'italic' | 'strike' | 'code', true>>;

const styled = (element: Json, style: Style): Json =>
  Object.keys(style).length === 0 ? element : { ...element, style };

function control(inside: string, style: Style): Json | undefined {
  const [all, user, channel, usergroup, range, label] = CONTROL.exec(inside) ?? [];
  if (all === undefined) return undefined;
  if (user !== undefined) return styled({ type: 'user', user_id: user }, style);
  if (channel !== undefined) return styled({ type: 'channel', channel_id: channel }, style);
  if (usergroup !== undefined) return styled({ type: 'usergroup', usergroup_id: usergroup }, style);
  if (range !== undefined) return styled({ type: 'broadcast', range }, style);
  if (inside.startsWith('!date')) return styled({ type: 'text', text: unescapeText(label ?? '') }, style);
  const url = unescapeText(inside.split('|')[0] ?? '');
  return styled({ type: 'link', url, ...(label === undefined ? {} : { text: unescapeText(label) }) }, style);
}

const INLINE =
  /<([^<>]*)>|`([^`\n]+)`|:([a-z0-9_+'-]+(?:::skin-tone-[2-6])?):|(?<![\p{L}\d])(?:\*(?=\S)([^*\n]*?\S)\*|_(?=\S)([^_\n]*?\S)_|~(?=\S)([^~\n]*?\S)~)(?![\p{L}\d])/u;

function inline(text: string, style: Style = {}): Json[] {
  const elements: Json[] = [];
  const plain = (part: string): void => {
    if (part !== '') elements.push(styled({ type: 'text', text: unescapeText(part) }, style));
  };
  let rest = text;
  for (let match = INLINE.exec(rest); match !== null; match = INLINE.exec(rest)) {
    const [all, sequence, code, emoji, bold, italic, strike] = match;
    plain(rest.slice(0, match.index));
    const linked = sequence === undefined ? undefined : control(sequence, style);
    if (linked !== undefined) elements.push(linked);
    else if (code !== undefined) elements.push(...inlineCode(code, style));
    else if (emoji !== undefined) elements.push(styled({ type: 'emoji', name: emoji }, style));
    else if (bold !== undefined) elements.push(...inline(bold, { ...style, bold: true }));
    else if (italic !== undefined) elements.push(...inline(italic, { ...style, italic: true }));
    else if (strike !== undefined) elements.push(...inline(strike, { ...style, strike: true }));
    else plain(all);
    rest = rest.slice(match.index + all.length);
  }
  plain(rest);
  return elements;
}

const inlineCode = (code: string, style: Style): Json[] => [
  styled({ type: 'text', text: unescapeText(code) }, { ...style, code: true }),
];

/** The rich_text elements that Slack makes of a mrkdwn text: sections, quotes, preformatted blocks. */
export function richTextOf(text: string): Json[] {
  const elements: Json[] = [];
  for (const part of text.split(/(```[\s\S]+?```)/)) {
    if (part.startsWith('```') && part.length > 6) {
      const code = unescapeText(part.slice(3, -3).replace(/^\n/, '').replace(/\n$/, ''));
      elements.push({ type: 'rich_text_preformatted', elements: [{ type: 'text', text: code }], border: 0 });
      continue;
    }
    elements.push(...paragraphs(part));
  }
  return elements;
}

function paragraphs(text: string): Json[] {
  const elements: Json[] = [];
  let lines: string[] = [];
  let quoted = false;
  const flush = (): void => {
    const content = lines.join('\n').replace(/^\n+|\n+$/g, '');
    if (content !== '') {
      elements.push({ type: quoted ? 'rich_text_quote' : 'rich_text_section', elements: inline(content) });
    }
    lines = [];
  };
  for (const line of text.split('\n')) {
    const quote = /^&gt; ?(.*)$/.exec(line);
    if ((quote !== null) !== quoted) flush();
    quoted = quote !== null;
    lines.push(quote?.[1] ?? line);
  }
  flush();
  return elements;
}
