import { fromMarkdown as parse } from 'mdast-util-from-markdown';
import { gfmFromMarkdown } from 'mdast-util-gfm';
import { gfm } from 'micromark-extension-gfm';
import { emojiOf } from './emoji.js';
import type { Block, Inline, Mark, Text } from './message.js';
import { normalise } from './normalise.js';
import { plainBody } from './plain-text.js';

type Root = ReturnType<typeof parse>;
type RootContent = Root['children'][number];
type List = Extract<RootContent, { type: 'list' }>;
type ListItem = List['children'][number];
type Table = Extract<RootContent, { type: 'table' }>;
type PhrasingContent = Extract<RootContent, { type: 'paragraph' }>['children'][number];

/** Makes of a run of text what it means to the caller: mentions. Not asked about code and links. */
export type ReadText = (text: Text) => Inline[];

/** Beyond these the parser takes more than linear time, or the stack: such a text is taken as it is. */
const MAX_LENGTH = 16_384;
const MAX_DELIMITERS = 1_500;
const MAX_CONTAINERS = 16;
const DELIMITERS = /[*_~[\]<`|!]/g;
const CONTAINERS = /^(?:[ \t]{0,40}(?:>|[-+*](?=[ \t])|[0-9]{1,9}[.)](?=[ \t])))+/gm;
const CONTAINER = />|[-+*]|[0-9]{1,9}/g;
const MAX_INDENT = 64;

/**
 * GitHub's Markdown as people type it, in normal form. HTML in it is text, and so is what looks like a mention, unless `readText` knows
 * better; `:tada:` is 🎉. A text that is too long or too deep for the parser is plain text.
 */
export function fromMarkdown(text: string, readText: ReadText = (said) => [said]): Block[] {
  const blocks = isTooMuch(text) ? plainBody(text).blocks : new MarkdownReader(text, readText).blocks();
  return normalise({ style: 'normal', blocks, attachments: [] }).blocks;
}

function isTooMuch(text: string): boolean {
  if (text.length > MAX_LENGTH || (text.match(DELIMITERS)?.length ?? 0) > MAX_DELIMITERS) return true;
  if (text.split('\n').some((line) => line.search(/[^ ]/) > MAX_INDENT)) return true;
  return (text.match(CONTAINERS) ?? []).some((start) => (start.match(CONTAINER)?.length ?? 0) > MAX_CONTAINERS);
}

const MARKS = { strong: 'bold', emphasis: 'italic', delete: 'strike' } as const satisfies Record<string, Mark>;
const SHORTCODE = /:([a-z0-9_+-]{1,60}(?:::skin-tone-[2-6])?):/g;

class MarkdownReader {
  constructor(
    private readonly source: string,
    private readonly readText: ReadText,
  ) {}

  blocks(): Block[] {
    const { children } = parse(this.source, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
    return children.flatMap((node) => this.block(node));
  }

  private block(node: RootContent): Block[] {
    switch (node.type) {
      case 'paragraph':
        return [{ type: 'paragraph', content: this.inlines(node.children) }];
      case 'heading':
        return [{ type: 'heading', level: node.depth, content: this.inlines(node.children) }];
      case 'blockquote':
        return [{ type: 'quote', blocks: node.children.flatMap((child) => this.block(child)) }];
      case 'list':
        return [this.list(node)];
      case 'code':
        return [{ type: 'code', text: node.value, ...(node.lang == null ? {} : { language: node.lang }) }];
      case 'thematicBreak':
        return [{ type: 'rule' }];
      case 'table':
        return [{ type: 'paragraph', content: this.table(node) }];
      default:
        return plainBody(this.sourceOf(node)).blocks; // HTML, definitions, footnotes: as they were typed
    }
  }

  private list({ ordered, start, children }: List): Block {
    const items = children.map((item) => this.item(item));
    return { type: 'list', ...(ordered === true ? { start: start ?? 1 } : {}), items };
  }

  private item({ checked, children }: ListItem): Block[] {
    const blocks = children.flatMap((child) => this.block(child));
    if (checked == null) return blocks;
    const box: Text = { type: 'text', text: checked ? '☑ ' : '☐ ' };
    const [first, ...rest] = blocks;
    return first?.type === 'paragraph'
      ? [{ ...first, content: [box, ...first.content] }, ...rest]
      : [{ type: 'paragraph', content: [box] }, ...blocks];
  }

  private table({ children }: Table): Inline[] {
    return children.flatMap((row, n): Inline[] => [
      ...(n === 0 ? [] : [{ type: 'break' } as const]),
      ...row.children.flatMap((cell, column): Inline[] => [
        ...(column === 0 ? [] : [{ type: 'text', text: ' | ' } as const]),
        ...this.inlines(cell.children, n === 0 ? ['bold'] : []),
      ]),
    ]);
  }

  private inlines(nodes: readonly PhrasingContent[], marks: readonly Mark[] = []): Inline[] {
    return nodes.flatMap((node) => this.inline(node, marks));
  }

  private inline(node: PhrasingContent, marks: readonly Mark[]): Inline[] {
    switch (node.type) {
      case 'text':
        return this.readText(marked(withEmoji(node.value), marks));
      case 'strong':
      case 'emphasis':
      case 'delete':
        return this.inlines(node.children, [...marks, MARKS[node.type]]);
      case 'inlineCode':
        return [marked(node.value, [...marks, 'code'])];
      case 'break':
        return [{ type: 'break' }];
      case 'link': {
        const content = new MarkdownReader(this.source, (text) => [text]).inlines(node.children, marks);
        return [{ type: 'link', url: node.url, content: content.filter((part) => part.type === 'text') }];
      }
      case 'image':
        return [{ type: 'link', url: node.url, content: [marked(node.alt ?? '', marks)] }];
      default:
        return [marked(this.sourceOf(node), marks)]; // HTML, references: as they were typed
    }
  }

  private sourceOf({ position }: Pick<Root, 'position'>): string {
    return this.source.slice(position?.start.offset ?? 0, position?.end.offset ?? 0);
  }
}

const marked = (text: string, marks: readonly Mark[]): Text => ({
  type: 'text',
  text,
  ...(marks.length === 0 ? {} : { marks: [...marks] }),
});

const withEmoji = (text: string): string => text.replace(SHORTCODE, (typed, name: string) => emojiOf(name) ?? typed);
