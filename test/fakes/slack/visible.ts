import { createHash } from 'node:crypto';
import { type Channel, type Json, type Mention, type Message, isJson, jsonList, textOf } from './model.js';
import { richTextOf } from './mrkdwn.js';
import type { Workspace } from './workspace.js';

/** A piece of text with one look. */
export interface VisibleRun {
  text: string;
  bold?: true;
  italic?: true;
  strike?: true;
  code?: true;
  /** Where it leads. */
  link?: string;
  /** It is a mention: of whom, by id, or `channel`, `here`, `everyone`. */
  mention?: string;
}

export interface VisibleBlock {
  kind: 'paragraph' | 'quote' | 'code' | 'item' | 'header' | 'image' | 'context';
  /** Of an item: how deep, and its number when it has one. */
  depth?: number;
  number?: number;
  runs: VisibleRun[];
}

export interface VisibleFile {
  name: string;
  mimetype: string;
  size: number;
  sha256: string;
}

export interface VisibleMessage {
  ts: string;
  /** The name that stands over the message. */
  author: string;
  /** undefined: only a bot's name stands there. */
  authorId: string | undefined;
  avatar: string | undefined;
  kind: 'message' | 'me' | 'notice' | 'deleted';
  subtype: string | undefined;
  /** The whole text without its looks. */
  text: string;
  blocks: VisibleBlock[];
  edited: boolean;
  /** A reply that is also shown in the channel. */
  broadcast: boolean;
  /** Names of those who reacted, by emoji. */
  reactions: Record<string, string[]>;
  files: VisibleFile[];
  replies: VisibleMessage[];
  notified: Mention[];
}

/** A channel as a person sees it: top messages, oldest first, each with its thread. */
export function visible(workspace: Workspace, channel: Channel): VisibleMessage[] {
  const top = channel.messages.filter((each) => each.threadTs === undefined || each.threadTs === each.ts);
  return top.map((message) => ({
    ...shown(workspace, message),
    replies: workspace.replies(channel, message.ts).map((reply) => shown(workspace, reply)),
  }));
}

export const nameOf = (workspace: Workspace, id: string): string => {
  const user = workspace.users.get(id);
  if (user === undefined) return id === 'USLACKBOT' ? 'Slackbot' : id;
  return user.displayName === '' ? user.realName : user.displayName;
};

const NOTICE = /^(channel|group)_/;

function shown(workspace: Workspace, message: Message): VisibleMessage {
  const author =
    message.username ?? (message.user === undefined ? workspace.app.name : nameOf(workspace, message.user));
  const view = new Text(workspace);
  const blocks =
    message.blocks.length > 0
      ? message.blocks.flatMap((block) => view.block(block))
      : richTextOf(message.text).flatMap((element) => view.element(element));
  for (const attachment of message.attachments) blocks.push(...view.attachment(attachment));
  const files = message.files.map((id) => workspace.files.get(id)).filter((file) => file?.deleted === false);
  const icon = message.icons?.image_72 ?? message.icons?.emoji;
  return {
    ts: message.ts,
    author,
    authorId: message.username === undefined ? message.user : undefined,
    avatar: typeof icon === 'string' ? icon : workspace.users.get(message.user ?? '')?.avatar,
    kind: kindOf(message),
    subtype: message.subtype,
    text: blocks.map((block) => block.runs.map((run) => run.text).join('')).join('\n'),
    blocks,
    edited: message.edited !== undefined,
    broadcast: message.broadcast,
    reactions: Object.fromEntries(
      [...message.reactions].map(([name, users]) => [name, users.map((id) => nameOf(workspace, id))]),
    ),
    files: files
      .filter((file) => file !== undefined)
      .map(({ name, mimetype, bytes }) => ({
        name,
        mimetype,
        size: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })),
    replies: [],
    notified: message.notified,
  };
}

function kindOf({ subtype }: Message): VisibleMessage['kind'] {
  if (subtype === 'tombstone') return 'deleted';
  if (subtype === 'me_message') return 'me';
  return NOTICE.test(subtype ?? '') ? 'notice' : 'message';
}

/** Blocks as they look. */
class Text {
  constructor(private readonly workspace: Workspace) {}

  block(block: Json): VisibleBlock[] {
    switch (block.type) {
      case 'rich_text':
        return jsonList(block.elements).flatMap((element) => this.element(element));
      case 'section':
        return [block.text, ...jsonList(block.fields)].flatMap((text) => this.textObject(text));
      case 'context': {
        const runs = jsonList(block.elements).flatMap((each) =>
          each.type === 'image' ? [{ text: textOf(each.alt_text) }] : this.textObject(each).flatMap(({ runs }) => runs),
        );
        return [{ kind: 'context', runs }];
      }
      case 'header':
        return [{ kind: 'header', runs: [{ text: isJson(block.text) ? textOf(block.text.text) : '' }] }];
      case 'image': {
        const file = isJson(block.slack_file) ? textOf(block.slack_file.id) : '';
        const link = file === '' ? textOf(block.image_url) : file;
        return [{ kind: 'image', runs: [{ text: textOf(block.alt_text), link }] }];
      }
      case 'markdown':
        return [{ kind: 'paragraph', runs: [{ text: textOf(block.text) }] }];
      default:
        return [];
    }
  }

  element(element: Json): VisibleBlock[] {
    const runs = (of: Json): VisibleRun[] => jsonList(of.elements).map((run) => this.run(run));
    switch (element.type) {
      case 'rich_text_quote':
        return [{ kind: 'quote', runs: runs(element) }];
      case 'rich_text_preformatted':
        return [{ kind: 'code', runs: runs(element) }];
      case 'rich_text_list': {
        const first = Number(element.offset ?? 0) + 1;
        return jsonList(element.elements).map((item, index) => ({
          kind: 'item',
          depth: Number(element.indent ?? 0),
          ...(element.style === 'ordered' ? { number: first + index } : {}),
          runs: runs(item),
        }));
      }
      default:
        return [{ kind: 'paragraph', runs: runs(element) }];
    }
  }

  attachment(attachment: Json): VisibleBlock[] {
    const own = [attachment.pretext, attachment.title, attachment.text].map(textOf).filter((text) => text !== '');
    const texts = own.flatMap((text) => richTextOf(text)).flatMap((element) => this.element(element));
    return [...texts, ...jsonList(attachment.blocks).flatMap((block) => this.block(block))];
  }

  private textObject(text: unknown): VisibleBlock[] {
    if (!isJson(text)) return [];
    if (text.type === 'plain_text') return [{ kind: 'paragraph', runs: [{ text: textOf(text.text) }] }];
    return richTextOf(textOf(text.text)).flatMap((element) => this.element(element));
  }

  private run(run: Json): VisibleRun {
    const style = isJson(run.style) ? run.style : {};
    const on = (name: 'bold' | 'italic' | 'strike' | 'code'): Partial<VisibleRun> =>
      style[name] === true ? { [name]: true } : {};
    return { ...this.content(run), ...on('bold'), ...on('italic'), ...on('strike'), ...on('code') };
  }

  private content(run: Json): VisibleRun {
    switch (run.type) {
      case 'link':
        return { text: textOf(run.text) || textOf(run.url), link: textOf(run.url) };
      case 'emoji':
        return { text: `:${textOf(run.name)}:` };
      case 'user': {
        const id = textOf(run.user_id);
        return { text: `@${nameOf(this.workspace, id)}`, mention: id };
      }
      case 'channel': {
        const id = textOf(run.channel_id);
        return { text: `#${this.workspace.channels.get(id)?.name ?? id}`, mention: id };
      }
      case 'usergroup':
        return { text: `@${textOf(run.usergroup_id)}`, mention: textOf(run.usergroup_id) };
      case 'broadcast':
        return { text: `@${textOf(run.range)}`, mention: textOf(run.range) };
      default:
        return { text: textOf(run.text) || textOf(run.value) || textOf(run.fallback) };
    }
  }
}
