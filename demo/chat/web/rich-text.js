import { element } from './dom.js';

const MARKS = { bold: 'strong', italic: 'em', strike: 's', underline: 'u', code: 'code' };
const MAX_DEPTH = 12;

/**
 * What a message says, as elements; what is not known is shown as text, and nothing becomes markup.
 * @param {object} message @param {{ id: string }} me whose mentions stand out
 */
export function richText(message, me) {
  const blocks = message.body?.blocks;
  const emote = message.body?.style === 'emote';
  const shown = element('div', {
    class: emote ? 'message-text emote' : 'message-text',
    'data-testid': 'message-text',
    dir: 'auto',
  });
  if (Array.isArray(blocks) && blocks.length > 0) shown.append(...blocks.map((block) => blockOf(block, me, 0)));
  else if (message.text !== '') shown.append(element('p', {}, message.text));
  return shown;
}

function blockOf(block, me, depth) {
  const nested = (blocks) => (depth < MAX_DEPTH ? list(blocks).map((each) => blockOf(each, me, depth + 1)) : []);
  switch (block?.type) {
    case 'paragraph':
      return element('p', {}, ...inlines(block.content, me));
    case 'heading':
      return element(
        'p',
        { class: 'heading', role: 'heading', 'aria-level': String(block.level ?? 3) },
        ...inlines(block.content, me),
      );
    case 'quote':
      return element('blockquote', {}, ...nested(block.blocks));
    case 'list': {
      const items = list(block.items).map((item) => element('li', {}, ...nested(item)));
      return block.start === undefined
        ? element('ul', { class: 'bullets' }, ...items)
        : element('ol', { class: 'numbers', start: String(block.start) }, ...items);
    }
    case 'code':
      return element('pre', { tabindex: '0' }, element('code', {}, String(block.text ?? '')));
    case 'rule':
      return element('hr');
    default:
      return element('p', {}, String(block?.text ?? ''));
  }
}

const list = (value) => (Array.isArray(value) ? value : []);
const inlines = (content, me) => list(content).map((part) => inline(part, me));

function inline(part, me) {
  switch (part?.type) {
    case 'text':
      return list(part.marks).reduce(
        (inner, mark) => (MARKS[mark] ? element(MARKS[mark], {}, inner) : inner),
        String(part.text ?? ''),
      );
    case 'break':
      return '\n';
    case 'emoji':
      return element('span', { title: `:${part.shortcode}:` }, part.unicode ?? `:${part.shortcode}:`);
    case 'link':
      return link(part, me);
    case 'user': {
      const mine = part.user?.nativeId === me?.id;
      return element(
        'span',
        { class: mine ? 'mention mention-me' : 'mention', title: part.user?.userId ?? false },
        `@${part.name}`,
      );
    }
    case 'channel':
      return element('span', { class: 'mention' }, `#${part.name}`);
    case 'everyone':
      return element('span', { class: 'mention mention-me' }, part.scope === 'here' ? '@here' : '@everyone');
    default:
      return String(part?.text ?? '');
  }
}

function link(part, me) {
  const content = inlines(part.content, me);
  const url = String(part.url ?? '');
  if (!/^(https?:|mailto:)/.test(url)) return element('span', {}, ...content);
  return element('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow', title: url }, ...content);
}

const KILO = 1024;

/** The files of a message: pictures, films and sound as themselves, all else by its name. */
export function files(message) {
  const attachments = list(message.body?.attachments).filter(({ source }) => typeof source?.nativeId === 'string');
  if (attachments.length === 0) return undefined;
  return element('ul', { class: 'files' }, ...attachments.map((file) => element('li', {}, fileOf(file))));
}

function fileOf({ kind, name, size, source, alt }) {
  const href = `api/files/${encodeURIComponent(source.nativeId)}`;
  const label = String(name ?? 'file');
  if (kind === 'image' || kind === 'sticker') {
    const picture = element('img', { src: href, alt: alt ?? label, loading: 'lazy', class: 'picture' });
    // What the browser may not show is a file like others.
    picture.addEventListener('error', () => picture.closest('a')?.replaceWith(named(href, label, size)));
    return element('a', { href, target: '_blank', rel: 'noopener', title: label, 'data-testid': 'picture' }, picture);
  }
  if (kind === 'video') return element('video', { src: href, controls: true, class: 'picture', 'aria-label': label });
  if (kind === 'audio' || kind === 'voice') return element('audio', { src: href, controls: true, 'aria-label': label });
  return named(href, label, size);
}

const named = (href, label, size) =>
  element(
    'a',
    { href, download: label, class: 'file', 'data-testid': 'file' },
    element('bdi', {}, label),
    typeof size === 'number' && element('span', { class: 'file-size' }, sizeOf(size)),
  );

export function sizeOf(bytes) {
  if (bytes < KILO) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB'];
  let value = bytes / KILO;
  let unit = 0;
  while (value >= KILO && unit < units.length - 1) {
    value /= KILO;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
