import { cleanLine } from '../clean-text.js';
import { isEmoji } from '../emoji.js';
import { type Block, type Emoji, type Inline, MARKS, MAX_DEPTH, MAX_NODES, type Mark, type Text } from '../message.js';
import { displayName } from '../names.js';
import { inlineText } from '../plain-text.js';
import { type Mentions, type NameOf, annotated, userMention } from './mentions.js';
import { type MatrixTarget, isEventLink, matrixTarget, parseMxcUri } from './uris.js';

type Attributes = ReadonlyMap<string, string>;

const NOTHING = (): void => undefined;

const MARK_TAGS = new Map<string, Mark>([
  ['b', 'bold'],
  ['strong', 'bold'],
  ['th', 'bold'],
  ['summary', 'bold'],
  ['i', 'italic'],
  ['em', 'italic'],
  ['s', 'strike'],
  ['del', 'strike'],
  ['strike', 'strike'],
  ['u', 'underline'],
  ['ins', 'underline'],
  ['code', 'code'],
  ['tt', 'code'],
  ['kbd', 'code'],
  ['samp', 'code'],
]);

/** What their elements hold is no message: programs, and the quotation that old clients put before a reply. */
const SKIPPED = new Set(
  'script style iframe noembed noframes template head object select svg math mx-reply'.split(' '),
);

const BLOCKS = new Set(
  'address article aside body caption center dd details div dl dt fieldset figcaption figure footer form header html main nav p section summary tbody tfoot thead'.split(
    ' ',
  ),
);

type Container = { kind: 'flow'; blocks: Block[] } | { kind: 'list'; items: Block[][] };

type LinkContent = (Text | Emoji)[];
interface OpenLink {
  href: string;
  target: MatrixTarget | undefined;
  content: LinkContent;
}

/** Makes blocks of elements as they start and end. What it cannot show as it was meant becomes readable text. */
export class HtmlReader {
  /** More than a message may hold. */
  full = false;
  private readonly root: Block[] = [];
  private readonly containers: Container[] = [{ kind: 'flow', blocks: this.root }];
  private depth = 1;
  private nodes = 0;
  private line: Inline[] = [];
  private afterSpace = true;
  private readonly marks = new Map<Mark, number>();
  private heading: number | undefined;
  private link: OpenLink | undefined;
  private skipping = 0;
  private code: { text: string; language?: string } | undefined;
  private tables = 0;
  /** Characters and parts that were read, to see what was empty. */
  private read = 0;

  constructor(
    private readonly mentions: Mentions,
    private readonly nameOf: NameOf,
  ) {}

  end(): Block[] {
    this.endLine();
    return this.root;
  }

  text(data: string): void {
    if (this.skipping > 0) return;
    if (this.code !== undefined) {
      this.code.text += data;
      return;
    }
    let text = data.replace(/[ \t\n\r\f]+/g, ' ');
    if (this.afterSpace && text.startsWith(' ')) text = text.slice(1);
    if (text === '') return;
    this.afterSpace = text.endsWith(' ');
    this.add({ type: 'text', text, ...this.marked() });
  }

  /** An element that holds nothing. */
  empty(name: string, attributes: Attributes): void {
    if (this.skipping > 0) return;
    if (name === 'br') this.lineBreak();
    else if (name === 'img') this.image(attributes);
    else if (name === 'hr' && this.tables === 0) {
      this.endLine();
      this.addBlock({ type: 'rule' });
    }
  }

  /** Returns what the element's end does. */
  start(name: string, attributes: Attributes): () => void {
    if (SKIPPED.has(name)) return this.skip();
    if (this.skipping > 0) return NOTHING;
    if (this.code !== undefined) return this.insideCode(name, attributes);
    const mark = MARK_TAGS.get(name);
    const unmark = mark === undefined ? NOTHING : this.mark(mark);
    const close = this.tables > 0 ? this.startInTable(name, attributes) : this.startOutside(name, attributes);
    return () => {
      close();
      unmark();
    };
  }

  private startOutside(name: string, attributes: Attributes): () => void {
    if (BLOCKS.has(name)) return this.boundary(attributes);
    switch (name) {
      case 'h1':
      case 'h2':
      case 'h3':
      case 'h4':
      case 'h5':
      case 'h6':
        return this.startHeading(Number(name[1]));
      case 'blockquote':
        return this.startQuote();
      case 'ul':
        return this.startList(undefined);
      case 'ol':
        return this.startList(/^[0-9]{1,9}$/.test(attributes.get('start') ?? '') ? Number(attributes.get('start')) : 1);
      case 'li':
        return this.startItem();
      case 'pre':
        return this.startCode();
      case 'table':
        return this.startTable();
      default:
        return this.startInline(name, attributes);
    }
  }

  private startInline(name: string, attributes: Attributes): () => void {
    switch (name) {
      case 'a':
        return this.startLink(attributes.get('href'));
      case 'sup':
        this.text('^');
        return NOTHING;
      case 'sub':
        this.text('_');
        return NOTHING;
      default:
        return this.startSpan(attributes);
    }
  }

  private startSpan(attributes: Attributes): () => void {
    const spoiler = attributes.get('data-mx-spoiler');
    if (spoiler !== undefined) {
      const reason = cleanLine(spoiler, 100);
      this.text(reason === '' ? '[spoiler: ' : `[spoiler (${reason}): `);
      return () => this.text(']');
    }
    const maths = attributes.get('data-mx-maths');
    if (maths === undefined) return NOTHING;
    const before = this.read;
    return () => {
      if (this.read === before) this.add({ type: 'text', text: maths, marks: ['code'] });
    };
  }

  private skip(): () => void {
    this.skipping++;
    return () => {
      this.skipping--;
    };
  }

  private mark(mark: Mark): () => void {
    this.marks.set(mark, (this.marks.get(mark) ?? 0) + 1);
    return () => {
      this.marks.set(mark, (this.marks.get(mark) ?? 0) - 1);
    };
  }

  private marked(): { marks?: Mark[] } {
    const marks = MARKS.filter((mark) => (this.marks.get(mark) ?? 0) > 0);
    return marks.length === 0 ? {} : { marks };
  }

  private boundary(attributes: Attributes): () => void {
    this.endLine();
    const close = this.startSpan(attributes);
    return () => {
      close();
      this.endLine();
    };
  }

  private startHeading(level: number): () => void {
    this.endLine();
    this.heading = level;
    return () => {
      this.endLine();
      this.heading = undefined;
    };
  }

  private startQuote(): () => void {
    this.endLine();
    if (this.depth >= MAX_DEPTH) return () => this.endLine();
    const blocks: Block[] = [];
    this.enter({ kind: 'flow', blocks });
    return () => {
      this.leave();
      if (blocks.length > 0) this.addBlock({ type: 'quote', blocks });
    };
  }

  private startList(start: number | undefined): () => void {
    this.endLine();
    if (this.depth >= MAX_DEPTH) return () => this.endLine();
    const items: Block[][] = [];
    this.enter({ kind: 'list', items });
    return () => {
      this.leave();
      if (items.length > 0) this.addBlock({ type: 'list', ...(start === undefined ? {} : { start }), items });
    };
  }

  private startItem(): () => void {
    this.endLine();
    const list = this.containers.at(-1);
    if (list?.kind === 'list') {
      list.items.push([]);
      this.countNode();
    }
    return () => this.endLine();
  }

  private startCode(): () => void {
    this.endLine();
    const code = { text: '' };
    this.code = code;
    return () => {
      this.code = undefined;
      if (code.text !== '') this.addBlock({ type: 'code', ...code });
    };
  }

  private insideCode(name: string, attributes: Attributes): () => void {
    const language = / language-(\S{1,32})/.exec(` ${attributes.get('class') ?? ''}`)?.[1];
    if (this.code !== undefined && name === 'code' && language !== undefined) this.code.language ??= language;
    return NOTHING;
  }

  /** Each row a line, its cells parted: what is in the cells stays rich. */
  private startTable(): () => void {
    this.endLine();
    this.tables++;
    return () => {
      this.tables--;
      this.endLine();
    };
  }

  private startInTable(name: string, attributes: Attributes): () => void {
    switch (name) {
      case 'table':
        this.tables++;
        return () => {
          this.tables--;
        };
      case 'tr':
      case 'caption':
        this.lineBreak();
        return NOTHING;
      case 'td':
      case 'th':
        if (!this.atLineStart()) this.text(' | ');
        return NOTHING;
      case 'pre':
        return this.mark('code');
      case 'a':
      case 'sup':
      case 'sub':
        return this.startInline(name, attributes);
      default:
        if (!MARK_TAGS.has(name) && name !== 'span' && name !== 'font') this.text(' ');
        return this.startSpan(attributes);
    }
  }

  private atLineStart(): boolean {
    const last = this.link?.content.at(-1) ?? this.line.at(-1);
    return last === undefined || last.type === 'break';
  }

  private startLink(href: string | undefined): () => void {
    if (href === undefined) return NOTHING;
    this.endLink();
    const link: OpenLink = { href: href.trim(), target: matrixTarget(href.trim()), content: [] };
    this.link = link;
    return () => {
      this.endLink();
      if (this.link === link) this.link = undefined;
    };
  }

  /** Puts into the line what a link holds so far. A link over several lines is one in each of them. */
  private endLink(): void {
    const { link } = this;
    if (link === undefined || link.content.length === 0) return;
    const { content } = link;
    link.content = [];
    this.line.push(...this.linked(link, content));
  }

  private linked({ href, target }: OpenLink, content: LinkContent): Inline[] {
    switch (target?.kind) {
      case 'user':
        return this.mentions.users.has(target.userId)
          ? [userMention(target.userId, inlineText(content), this.nameOf)]
          : content;
      case 'room': {
        const name = displayName(inlineText(content)) ?? target.room.slice(1);
        return [{ type: 'channel', channel: { room: target.room }, name }];
      }
      case 'other':
        return isEventLink(href) ? [{ type: 'link', url: href, content }] : content;
      case undefined:
        return [{ type: 'link', url: href, content }];
    }
  }

  private image(attributes: Attributes): void {
    const text = cleanLine(attributes.get('alt') ?? attributes.get('title') ?? '', 100);
    const mxc = parseMxcUri(attributes.get('src'));
    if (!attributes.has('data-mx-emoticon')) {
      this.text(text === '' ? '[image]' : `[image: ${text}]`);
    } else if (mxc === undefined || text === '' || isEmoji(text)) {
      this.text(text === '' ? ':emoji:' : text);
    } else {
      this.afterSpace = false;
      this.add({ type: 'emoji', shortcode: text, image: { mxc } });
    }
  }

  private lineBreak(): void {
    if (this.code !== undefined) {
      this.code.text += '\n';
      return;
    }
    this.endLink();
    this.afterSpace = true;
    this.countNode();
    this.line.push({ type: 'break' });
  }

  private add(part: Text | Emoji): void {
    this.read++;
    const list = this.link?.content ?? this.line;
    const last = list.at(-1);
    if (part.type === 'text' && last?.type === 'text' && last.marks?.join() === part.marks?.join()) {
      last.text += part.text;
      return;
    }
    this.countNode();
    list.push(part);
  }

  private endLine(): void {
    this.endLink();
    this.afterSpace = true;
    const content = this.line;
    this.line = [];
    if (content.every((part) => part.type === 'break' || (part.type === 'text' && part.text.trim() === ''))) return;
    const shown = content.flatMap((part) =>
      part.type === 'text' ? annotated(part, this.mentions, this.nameOf) : [part],
    );
    this.addBlock(
      this.heading === undefined
        ? { type: 'paragraph', content: shown }
        : { type: 'heading', level: this.heading, content: shown },
    );
  }

  private addBlock(block: Block): void {
    this.read++;
    this.countNode();
    const container = this.containers.at(-1);
    if (container?.kind === 'list') {
      const item = container.items.at(-1);
      if (item === undefined) container.items.push([block]);
      else item.push(block);
    } else {
      container?.blocks.push(block);
    }
  }

  private enter(container: Container): void {
    this.containers.push(container);
    this.depth++;
  }

  private leave(): void {
    this.endLine();
    this.containers.pop();
    this.depth--;
  }

  private countNode(): void {
    if (++this.nodes > MAX_NODES) this.full = true;
  }
}
