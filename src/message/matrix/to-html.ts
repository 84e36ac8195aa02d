import type { Block, Emoji, Inline, Link, Mark, Text } from '../message.js';
import { roomUri, userUri } from './uris.js';

/** The blocks of a normal body in `org.matrix.custom.html` (client-server API, m.room.message msgtypes). */
export function toHtml(blocks: readonly Block[]): string {
  const [only] = blocks;
  if (blocks.length === 1 && only?.type === 'paragraph') return inlines(only.content);
  return blocks.map(blockHtml).join('');
}

function blockHtml(block: Block): string {
  switch (block.type) {
    case 'paragraph':
      return `<p>${inlines(block.content)}</p>`;
    case 'heading': {
      const name = `h${String(block.level)}`;
      return `<${name}>${inlines(block.content)}</${name}>`;
    }
    case 'quote':
      return `<blockquote>${toHtml(block.blocks)}</blockquote>`;
    case 'list': {
      const items = block.items.map((item) => `<li>${itemHtml(item)}</li>`).join('');
      if (block.start === undefined) return `<ul>${items}</ul>`;
      return block.start === 1 ? `<ol>${items}</ol>` : `<ol start="${String(block.start)}">${items}</ol>`;
    }
    case 'code': {
      const language = block.language === undefined ? '' : ` class="language-${escape(block.language)}"`;
      return `<pre><code${language}>${escape(block.text)}</code></pre>`;
    }
    case 'rule':
      return '<hr>';
  }
}

/** A paragraph before a list inside of an item needs no tags of its own; that is how people write them. */
function itemHtml(item: readonly Block[]): string {
  const [first, second] = item;
  if (first?.type === 'paragraph' && second?.type === 'list') {
    return inlines(first.content) + item.slice(1).map(blockHtml).join('');
  }
  return toHtml(item);
}

const TAGS: Record<Mark, string> = { bold: 'strong', italic: 'em', strike: 'del', underline: 'u', code: 'code' };

function inlines(content: readonly Inline[]): string {
  const spaces = new Spaces();
  return content.map((part) => inlineHtml(part, spaces)).join('');
}

function inlineHtml(part: Inline, spaces: Spaces): string {
  switch (part.type) {
    case 'text':
      return textHtml(part, spaces);
    case 'break':
      spaces.startLine();
      return '<br>';
    case 'emoji':
      return emojiHtml(part, spaces);
    case 'link':
      return linkHtml(part, spaces);
    case 'user':
      if (!('userId' in part.user)) return escape(spaces.of(`@${part.name}`));
      return anchor(userUri(part.user.userId), escape(spaces.of(part.name)));
    case 'channel': {
      const name = escape(spaces.of(`#${part.name}`));
      return 'room' in part.channel ? anchor(roomUri(part.channel.room), name) : name;
    }
    case 'everyone':
      return spaces.of('@room');
  }
}

function textHtml({ text, marks = [] }: Text, spaces: Spaces): string {
  return marks.reduceRight((html, mark) => `<${TAGS[mark]}>${html}</${TAGS[mark]}>`, escape(spaces.of(text)));
}

function emojiHtml({ shortcode, unicode, image }: Emoji, spaces: Spaces): string {
  const text = escape(spaces.of(unicode ?? `:${shortcode}:`));
  if (unicode !== undefined || image === undefined || !('mxc' in image)) return text;
  return `<img data-mx-emoticon src="${escape(image.mxc)}" alt="${text}" title="${text}" height="32">`;
}

const linkHtml = (link: Link, spaces: Spaces): string =>
  anchor(link.url, link.content.map((part) => inlineHtml(part, spaces)).join(''));

const anchor = (url: string, html: string): string => `<a href="${escape(url)}">${html}</a>`;

/** HTML shows one space for many, and none at the start of a line: those that it would drop are written as no-break spaces. */
class Spaces {
  private afterSpace = true;

  startLine(): void {
    this.afterSpace = true;
  }

  of(text: string): string {
    let out = '';
    for (const char of text) {
      const space = char === ' ';
      out += space && this.afterSpace ? '\u00a0' : char;
      this.afterSpace = space && !this.afterSpace;
    }
    return out;
  }
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escape = (text: string): string => text.replace(/[&<>"]/g, (char) => ENTITIES[char] ?? char);
