import {
  type Block,
  type Emoji,
  type Inline,
  type Mark,
  type MessageBody,
  type Text,
  plainText,
} from '../../../message/index.js';
import { type Json, isChannelId, isUserId } from '../json.js';
import { emojiName } from './emoji.js';
import { escape } from './mrkdwn.js';

/** docs.slack.dev/reference/block-kit/blocks and …/methods/chat.postMessage */
export const MAX_BLOCKS = 50;
export const MAX_TEXT = 40_000;
const MAX_INDENT = 8;
/** What else stands in a message of ours: buttons, the author of a file. */
const ROOM_FOR_OTHERS = 3;
const MAX_BUTTON = 75;
const MAX_ACTIONS = 25;

export interface Rights {
  /** `@channel` and `@here` of other companies notify people here. */
  mentionEveryone: boolean;
}

/**
 * A body as blocks of Slack. Only mentions that the body holds as such become mentions; all text is text elements, in which Slack
 * looks for nothing.
 */
export function toSlack(body: Pick<MessageBody, 'blocks' | 'style'>, rights: Rights): Json[] {
  const writer = new Writer(rights, body.style === 'emote' ? ['italic'] : []);
  const rules = body.blocks.filter(({ type }) => type === 'rule').length;
  const dividers = rules * 2 + 1 <= MAX_BLOCKS - ROOM_FOR_OTHERS;
  const out: Json[] = [];
  let elements: Json[] = [];
  const flush = (): void => {
    if (elements.length > 0) out.push({ type: 'rich_text', elements });
    elements = [];
  };
  for (const [n, block] of body.blocks.entries()) {
    if (block.type === 'rule' && dividers) {
      flush();
      out.push({ type: 'divider' });
      continue;
    }
    const gap = n > 0 && isText(block) && isText(body.blocks[n - 1]);
    elements.push(...writer.block(block, gap));
  }
  flush();
  return out;
}

/** What stands in notifications, and where blocks cannot be shown: no mention of anybody. */
export function fallbackText(body: Pick<MessageBody, 'blocks'>, first = ''): string {
  const said = [first, plainText(body)].filter((each) => each !== '').join('\n');
  return escape(cut(said, MAX_TEXT / 5));
}

export function buttons(actions: readonly { id: string; label: string; style?: string }[]): Json[] {
  if (actions.length === 0) return [];
  const elements = actions.slice(0, MAX_ACTIONS).map(({ id, label, style }) => ({
    type: 'button',
    action_id: id.slice(0, 255),
    value: id.slice(0, 2_000),
    text: { type: 'plain_text', text: cut(label, MAX_BUTTON), emoji: false },
    ...(style === undefined ? {} : { style }),
  }));
  return [{ type: 'actions', elements }];
}

/** At most `most` UTF-16 units, never half a character. */
export function cut(said: string, most: number): string {
  return said.length <= most ? said : `${said.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

export const textElement = (said: string, marks: readonly Mark[] = []): Json => ({
  type: 'text',
  text: said,
  ...styled(marks),
});

const isText = (block: Block | undefined): boolean => block?.type === 'paragraph' || block?.type === 'heading';

const styled = (marks: readonly Mark[]): Json =>
  marks.length === 0 ? {} : { style: Object.fromEntries(marks.map((mark) => [mark, true])) };

const BREAK = textElement('\n');

class Writer {
  constructor(
    private readonly rights: Rights,
    private readonly always: readonly Mark[],
  ) {}

  /** `gap`: an empty line stands before it. */
  block(block: Block, gap: boolean): Json[] {
    switch (block.type) {
      case 'paragraph':
        return section('rich_text_section', [...(gap ? [BREAK, BREAK] : []), ...this.inline(block.content)]);
      case 'heading':
        return section('rich_text_section', [...(gap ? [BREAK, BREAK] : []), ...this.inline(block.content, ['bold'])]);
      case 'quote':
        return section('rich_text_quote', this.flat(block.blocks));
      case 'code':
        return [{ type: 'rich_text_preformatted', elements: [textElement(block.text === '' ? ' ' : block.text)] }];
      case 'list':
        return this.list(block, 0);
      case 'rule':
        return section('rich_text_section', [...(gap ? [BREAK] : []), textElement('———')]);
    }
  }

  /** Items are one line of content each; what hangs below one is a list further in, and the numbers go on behind it. */
  private list({ start, items }: Extract<Block, { type: 'list' }>, indent: number): Json[] {
    const out: Json[] = [];
    let open: Json[] | undefined;
    for (const [n, item] of items.entries()) {
      const nested = item.filter((block) => block.type === 'list');
      const own = this.flat(item.filter((block) => block.type !== 'list'));
      if (open === undefined) {
        open = [];
        const offset = (start ?? 1) - 1 + n;
        const numbers = start === undefined ? {} : offset === 0 ? {} : { offset };
        const style = start === undefined ? 'bullet' : 'ordered';
        out.push({ type: 'rich_text_list', style, indent: Math.min(indent, MAX_INDENT), ...numbers, elements: open });
      }
      open.push({ type: 'rich_text_section', elements: own.length > 0 ? own : [textElement(' ')] });
      for (const list of nested) out.push(...this.list(list, indent + 1));
      if (nested.length > 0) open = undefined;
    }
    return out;
  }

  /** Blocks in lines of one content, for where Slack nests nothing: in quotes and in items of lists. */
  private flat(blocks: readonly Block[]): Json[] {
    return blocks.flatMap((block, n): Json[] => {
      const before = n === 0 ? [] : [BREAK];
      switch (block.type) {
        case 'paragraph':
          return [...before, ...this.inline(block.content)];
        case 'heading':
          return [...before, ...this.inline(block.content, ['bold'])];
        case 'code':
          return [...before, textElement(block.text === '' ? ' ' : block.text, ['code'])];
        case 'rule':
          return [...before, textElement('———')];
        case 'quote':
          return [...before, ...prefixed(this.flat(block.blocks), '> ')];
        case 'list':
          return [...before, ...this.flatList(block)];
      }
    });
  }

  private flatList({ start, items }: Extract<Block, { type: 'list' }>): Json[] {
    return items.flatMap((item, n) => [
      ...(n === 0 ? [] : [BREAK]),
      textElement(start === undefined ? '• ' : `${String(start + n)}. `),
      ...this.flat(item),
    ]);
  }

  private inline(content: readonly Inline[], more: readonly Mark[] = []): Json[] {
    const marks = [...this.always, ...more];
    return content.flatMap((part) => this.part(part, marks));
  }

  private part(part: Inline, marks: readonly Mark[]): Json[] {
    switch (part.type) {
      case 'text':
        return part.text === '' ? [] : [textElement(part.text, together(part.marks, marks))];
      case 'break':
        return [BREAK];
      case 'emoji':
        return [emoji(part, marks)];
      case 'link': {
        const shown = part.content.map(shownText).join('');
        const own = together(part.content.find((each) => each.type === 'text')?.marks, marks);
        return [{ type: 'link', url: part.url, ...(shown === '' ? {} : { text: shown }), ...styled(own) }];
      }
      case 'user':
        return 'nativeId' in part.user && isUserId(part.user.nativeId)
          ? [{ type: 'user', user_id: part.user.nativeId }]
          : [textElement(`@${part.name}`, marks)];
      case 'channel':
        return 'nativeId' in part.channel && isChannelId(part.channel.nativeId)
          ? [{ type: 'channel', channel_id: part.channel.nativeId }]
          : [textElement(`#${part.name}`, marks)];
      case 'everyone':
        return this.rights.mentionEveryone
          ? [{ type: 'broadcast', range: part.scope }]
          : [textElement(part.scope === 'here' ? '@here' : '@channel', marks)];
    }
  }
}

const section = (type: string, elements: Json[]): Json[] => (elements.length === 0 ? [] : [{ type, elements }]);

const together = (some: readonly Mark[] | undefined, others: readonly Mark[]): Mark[] => [
  ...new Set([...(some ?? []), ...others]),
];

const shownText = (part: Text | Emoji): string =>
  part.type === 'text' ? part.text : (part.unicode ?? `:${part.shortcode}:`);

/** What is of another workspace is text: here its name may be another picture, or none. */
function emoji(part: Emoji, marks: readonly Mark[]): Json {
  const name = part.unicode === undefined ? undefined : emojiName(part);
  return name === undefined ? textElement(shownText(part), marks) : emojiElement(name);
}

function emojiElement(name: string): Json {
  const [base = name, tone] = name.split('::skin-tone-');
  return { type: 'emoji', name: base, ...(tone === undefined ? {} : { skin_tone: Number(tone) }) };
}

function prefixed(elements: readonly Json[], prefix: string): Json[] {
  return [textElement(prefix), ...elements.flatMap((each) => (each === BREAK ? [each, textElement(prefix)] : [each]))];
}
