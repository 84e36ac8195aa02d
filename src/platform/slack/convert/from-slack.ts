import {
  type Attachment,
  type Block,
  type Inline,
  MARKS,
  MAX_NODES,
  type Mark,
  type MessageBody,
  type Text,
  normalise,
} from '../../../message/index.js';
import { type Json, count, isChannelId, isUserId, json, objects, present, text } from '../json.js';
import { emojiOf } from './emoji.js';
import { type Names, lines, paragraphs, safeUrl } from './inline.js';
import { mrkdwnBlocks, mrkdwnInline } from './mrkdwn.js';

/** Slack gives 40,000 characters at most; what is longer is of nobody. */
const MAX_TEXT = 100_000;
const MAX_INDENT = 6;
const MAX_FILES = 50;

/** What a message of Slack says, in its normal form. Previews of links, and what only looks like a control, are left out. */
export function fromSlack(message: Json, names: Names): MessageBody {
  const attachments = objects(message.files).flatMap(fileOf).slice(0, MAX_FILES);
  const reader = new BlockReader(names);
  const rich = reader.blocks(objects(message.blocks));
  const said = text(message.text).slice(0, MAX_TEXT);
  const blocks = rich.length > 0 && !reader.full ? rich : mrkdwnBlocks(said, names);
  const others = objects(message.attachments).flatMap((each) => attachmentBlocks(each, names));
  return normalise({ style: styleOf(message), blocks: [...blocks, ...others], attachments });
}

function styleOf({ subtype, bot_id: bot, bot_profile: profile }: Json): MessageBody['style'] {
  if (subtype === 'me_message') return 'emote';
  return subtype === 'bot_message' || (present(bot) !== undefined && profile !== undefined) ? 'notice' : 'normal';
}

/** Ids of people and channels that a message mentions, for whom names are wanted. */
export function mentionedIn(message: Json): { users: string[]; channels: string[] } {
  const users = new Set<string>();
  const channels = new Set<string>();
  const names: Names = {
    user: (id) => (users.add(id), { type: 'user', user: { nativeId: id }, name: id }),
    channel: (id) => (channels.add(id), { type: 'channel', channel: { nativeId: id }, name: id }),
  };
  fromSlack(message, names);
  return { users: [...users], channels: [...channels] };
}

class BlockReader {
  private nodes = 0;

  constructor(private readonly names: Names) {}

  /** There was more than a message may hold. */
  get full(): boolean {
    return this.nodes > MAX_NODES;
  }

  blocks(blocks: readonly Json[]): Block[] {
    return blocks.flatMap((block) => this.block(block));
  }

  private block(block: Json): Block[] {
    if (++this.nodes > MAX_NODES) return [];
    switch (block.type) {
      case 'rich_text':
        return this.elements(objects(block.elements));
      case 'section':
        return [block.text, ...objects(block.fields)].flatMap((each) => this.textObject(each));
      case 'context':
        return this.context(objects(block.elements));
      case 'header':
        return paragraphs(this.textLines(text(json(block.text).text))).map(({ content }) => ({
          type: 'heading',
          level: 3,
          content,
        }));
      case 'markdown':
        return paragraphs(this.textLines(text(block.text)));
      case 'divider':
        return [{ type: 'rule' }];
      case 'image':
        return this.image(block);
      default:
        return [];
    }
  }

  private textObject(value: unknown): Block[] {
    const object = json(value);
    const said = text(object.text).slice(0, MAX_TEXT);
    if (object.type === 'mrkdwn') return mrkdwnBlocks(said, this.names);
    return object.type === 'plain_text' ? paragraphs(this.textLines(said)) : [];
  }

  private context(elements: readonly Json[]): Block[] {
    const content = elements.flatMap((each, n): Inline[] => {
      const said = text(each.text).slice(0, MAX_TEXT);
      const inside = each.type === 'mrkdwn' ? mrkdwnInline(said, this.names) : this.textLines(said);
      return inside.length === 0 || n === 0 ? inside : [{ type: 'text', text: ' ' }, ...inside];
    });
    return paragraphs(content);
  }

  private image(block: Json): Block[] {
    const url = safeUrl(text(block.image_url));
    const alt = present(block.alt_text) ?? 'image';
    if (url === undefined) return [];
    return [
      { type: 'paragraph', content: [{ type: 'link', url, content: [{ type: 'text', text: lines(alt).join(' ') }] }] },
    ];
  }

  /** Consecutive lists are one list, whose items hang below each other by their indent. */
  private elements(elements: readonly Json[]): Block[] {
    const out: Block[] = [];
    const open: { indent: number; list: Extract<Block, { type: 'list' }> }[] = [];
    for (const element of elements) {
      if (++this.nodes > MAX_NODES) break;
      if (element.type !== 'rich_text_list') {
        open.length = 0;
        out.push(...this.element(element));
        continue;
      }
      const indent = Math.min(count(element.indent) ?? 0, MAX_INDENT);
      while ((open.at(-1)?.indent ?? -1) > indent) open.pop();
      const items = objects(element.elements).map((item): Block[] => paragraphs(this.inline(item)));
      const kept = items.map((item): Block[] => (item.length > 0 ? item : [{ type: 'paragraph', content: [] }]));
      const start = element.style === 'ordered' ? { start: (count(element.offset) ?? 0) + 1 } : {};
      const last = open.at(-1);
      if (last?.indent === indent && (last.list.start === undefined) === (element.style !== 'ordered')) {
        last.list.items.push(...kept);
        continue;
      }
      if (last?.indent === indent) open.pop();
      const list = { type: 'list' as const, ...start, items: kept };
      const parent = open.at(-1)?.list.items.at(-1);
      (parent ?? out).push(list);
      open.push({ indent, list });
    }
    return out;
  }

  private element(element: Json): Block[] {
    switch (element.type) {
      case 'rich_text_quote': {
        const blocks = paragraphs(this.inline(element));
        return blocks.length === 0 ? [] : [{ type: 'quote', blocks }];
      }
      case 'rich_text_preformatted': {
        const code = objects(element.elements)
          .map((each) => present(each.text) ?? text(each.url))
          .join('');
        const language = /^[a-z0-9+#._-]{1,32}$/.exec(text(element.language).toLowerCase())?.[0];
        const trimmed = code.replace(/^\n/, '').replace(/\n$/, '');
        return trimmed === '' ? [] : [{ type: 'code', text: trimmed, ...(language === undefined ? {} : { language }) }];
      }
      default:
        return paragraphs(this.inline(element));
    }
  }

  private inline(element: Json): Inline[] {
    return objects(element.elements).flatMap((each) => this.part(each));
  }

  private part(part: Json): Inline[] {
    if (++this.nodes > MAX_NODES) return [];
    const marks = marksOf(json(part.style));
    switch (part.type) {
      case 'text':
        return this.textLines(text(part.text), marks);
      case 'link':
        return this.link(part, marks);
      case 'emoji': {
        const name = text(part.name);
        const tone = count(part.skin_tone);
        const toned = tone === undefined || name.includes('::') ? name : `${name}::skin-tone-${tone}`;
        return [emojiOf(toned, present(part.unicode)) ?? textPart(`:${name}:`, marks)];
      }
      case 'user': {
        const id = text(part.user_id);
        return isUserId(id) ? [this.names.user(id)] : [];
      }
      case 'channel': {
        const id = text(part.channel_id);
        return isChannelId(id) ? [this.names.channel(id)] : [];
      }
      case 'usergroup':
        return [textPart('@group', marks)];
      case 'broadcast':
        return [{ type: 'everyone', scope: part.range === 'here' ? 'here' : 'channel' }];
      case 'date':
        return this.textLines(present(part.fallback) ?? dateOf(part.timestamp), marks);
      case 'color':
        return this.textLines(text(part.value), marks);
      default:
        return this.textLines(present(part.text) ?? text(part.fallback), marks);
    }
  }

  private link(part: Json, marks: Mark[]): Inline[] {
    const shown = lines(present(part.text) ?? text(part.url)).join(' ');
    const url = safeUrl(text(part.url));
    if (shown === '') return [];
    return url === undefined ? [textPart(shown, marks)] : [{ type: 'link', url, content: [textPart(shown, marks)] }];
  }

  private textLines(said: string, marks: Mark[] = []): Inline[] {
    return lines(said).flatMap((line, n): Inline[] => [
      ...(n === 0 ? [] : [{ type: 'break' } as const]),
      ...(line === '' ? [] : [textPart(line, marks)]),
    ]);
  }
}

const textPart = (said: string, marks: Mark[]): Text => ({
  type: 'text',
  text: said,
  ...(marks.length === 0 ? {} : { marks }),
});

const marksOf = (style: Json): Mark[] => MARKS.filter((mark) => style[mark] === true);

function dateOf(seconds: unknown): string {
  const at = count(seconds);
  return at === undefined || at > 8e12 ? '' : new Date(at * 1_000).toISOString();
}

/** Attachments of the old kind: of bots a text; a shared message a quote; previews of links are nobody's words. */
function attachmentBlocks(attachment: Json, names: Names): Block[] {
  const shared = attachment.is_share === true || attachment.is_msg_unfurl === true;
  const preview = present(attachment.from_url) !== undefined || present(attachment.original_url) !== undefined;
  if (preview && !shared) return [];
  const own = [attachment.pretext, attachment.title, attachment.text].map(text).filter((each) => each !== '');
  const said = own.length > 0 ? own.join('\n') : text(attachment.fallback);
  const blocks = mrkdwnBlocks(said.slice(0, MAX_TEXT), names);
  const inner = new BlockReader(names).blocks(objects(attachment.blocks));
  const all = inner.length > 0 ? inner : blocks;
  if (all.length === 0) return [];
  const author = shared ? present(attachment.author_name) : undefined;
  const head: Block[] =
    author === undefined ? [] : [{ type: 'paragraph', content: [textPart(`${lines(author).join(' ')}:`, ['bold'])] }];
  return [{ type: 'quote', blocks: [...head, ...all] }];
}

/** A deleted file, or one that this workspace may not see, is none. */
function fileOf(file: Json): Attachment[] {
  const id = present(file.id);
  if (id === undefined || file.mode === 'tombstone' || file.mode === 'hidden_by_limit') return [];
  const mimeType = present(file.mimetype) ?? 'application/octet-stream';
  const name = present(file.name) ?? present(file.title) ?? 'file';
  const size = count(file.size);
  const width = count(file.original_w);
  const height = count(file.original_h);
  const duration = count(file.duration_ms);
  const alt = present(file.alt_txt);
  return [
    {
      kind: kindOf(mimeType, text(file.subtype)),
      name: lines(name).join(' ').slice(0, 255),
      mimeType,
      source: { nativeId: id },
      ...(size === undefined ? {} : { size }),
      ...(width === undefined ? {} : { width }),
      ...(height === undefined ? {} : { height }),
      ...(duration === undefined ? {} : { durationMs: duration }),
      ...(alt === undefined ? {} : { alt }),
    },
  ];
}

function kindOf(mimeType: string, subtype: string): Attachment['kind'] {
  if (subtype === 'slack_audio') return 'voice';
  const kind = mimeType.split('/', 1)[0];
  return kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'file';
}
