import {
  type JsonObject,
  type Result,
  err,
  isJsonObject,
  ok,
  parseRoomAlias,
  parseRoomId,
  parseUserId,
} from '../protocol/index.js';
import { parseMxcUri } from './matrix/uris.js';
import {
  type Attachment,
  type Block,
  type ChannelAddress,
  type Emoji,
  type FileSource,
  type Inline,
  type Link,
  MARKS,
  MAX_ATTACHMENTS,
  MAX_DEPTH,
  MAX_NODES,
  MAX_TEXT_BYTES,
  type Mark,
  type MessageBody,
  type Text,
  type UserAddress,
} from './message.js';
import { normalise } from './normalise.js';

export interface BodyFault {
  /** Where, as `blocks[0].content[2].url`; empty: the body itself. */
  path: string;
  reason: string;
}

/**
 * A message from outside, as JSON: refused when something in it is of a wrong type or beyond the bounds, otherwise in its normal form
 * ({@link normalise}). `style`, `blocks` and `attachments` may be absent; unknown members are ignored.
 */
export function parseMessageBody(value: unknown): Result<MessageBody, BodyFault> {
  try {
    return ok(normalise(new BodyParser().body(value)));
  } catch (error) {
    if (error instanceof Fault) return err({ path: error.path, reason: error.message });
    throw error;
  }
}

class Fault extends Error {
  constructor(
    readonly path: string,
    reason: string,
  ) {
    super(reason);
  }
}

const STYLES = ['normal', 'emote', 'notice'] as const;
const KINDS = ['image', 'video', 'audio', 'voice', 'sticker', 'file'] as const;
const SCOPES = ['channel', 'here'] as const;
const MAX_NATIVE_ID = 255;
const MAX_LIST_START = 999_999_999;

class BodyParser {
  private nodes = 0;
  private textBytes = 0;

  body(value: unknown): MessageBody {
    const { style = 'normal', blocks = [], attachments = [] } = object(value, '');
    const files = list(attachments, 'attachments');
    if (files.length > MAX_ATTACHMENTS)
      throw new Fault('attachments', `more than ${String(MAX_ATTACHMENTS)} attachments`);
    return {
      style: oneOf(STYLES, style, 'style'),
      blocks: this.blocks(blocks, 'blocks', 1),
      attachments: files.map((each, n) => this.attachment(each, `attachments[${String(n)}]`)),
    };
  }

  private blocks(value: unknown, path: string, depth: number): Block[] {
    if (depth > MAX_DEPTH) throw new Fault(path, `nested deeper than ${String(MAX_DEPTH)}`);
    return list(value, path).map((each, n) => this.block(each, `${path}[${String(n)}]`, depth));
  }

  private block(value: unknown, path: string, depth: number): Block {
    this.node(path);
    const block = object(value, path);
    switch (block.type) {
      case 'paragraph':
        return { type: 'paragraph', content: this.inlines(block.content, `${path}.content`) };
      case 'heading': {
        const level = integer(block.level, `${path}.level`, 1, 6);
        return { type: 'heading', level, content: this.inlines(block.content, `${path}.content`) };
      }
      case 'quote':
        return { type: 'quote', blocks: this.blocks(block.blocks, `${path}.blocks`, depth + 1) };
      case 'list': {
        const start = optional(block.start, (given) => integer(given, `${path}.start`, 0, MAX_LIST_START));
        const items = list(block.items, `${path}.items`).map((item, n) => {
          const at = `${path}.items[${String(n)}]`;
          this.node(at);
          return this.blocks(item, at, depth + 1);
        });
        return { type: 'list', ...given('start', start), items };
      }
      case 'code': {
        const language = optional(block.language, (name) => this.text(name, `${path}.language`));
        return { type: 'code', text: this.text(block.text, `${path}.text`), ...given('language', language) };
      }
      case 'rule':
        return { type: 'rule' };
      default:
        throw new Fault(`${path}.type`, 'no known block: paragraph, heading, quote, list, code or rule');
    }
  }

  private inlines(value: unknown, path: string): Inline[] {
    return list(value, path).map((each, n) => this.inline(each, `${path}[${String(n)}]`));
  }

  private inline(value: unknown, path: string): Inline {
    this.node(path);
    const part = object(value, path);
    switch (part.type) {
      case 'text':
        return this.plain(part, path);
      case 'emoji':
        return this.emoji(part, path);
      case 'link':
        return this.link(part, path);
      case 'user':
        return {
          type: 'user',
          user: userAddress(part.user, `${path}.user`),
          name: this.text(part.name, `${path}.name`),
        };
      case 'channel': {
        const channel = channelAddress(part.channel, `${path}.channel`);
        return { type: 'channel', channel, name: this.text(part.name, `${path}.name`) };
      }
      case 'everyone':
        return { type: 'everyone', scope: oneOf(SCOPES, part.scope, `${path}.scope`) };
      case 'break':
        return { type: 'break' };
      default:
        throw new Fault(`${path}.type`, 'no known part: text, emoji, link, user, channel, everyone or break');
    }
  }

  private plain(part: JsonObject, path: string): Text {
    const marks = optional(part.marks, (given) =>
      list(given, `${path}.marks`).map((mark) => markOf(mark, `${path}.marks`)),
    );
    return { type: 'text', text: this.text(part.text, `${path}.text`), ...given('marks', marks) };
  }

  private emoji(part: JsonObject, path: string): Emoji {
    return {
      type: 'emoji',
      shortcode: this.text(part.shortcode, `${path}.shortcode`),
      ...given(
        'unicode',
        optional(part.unicode, (text) => this.text(text, `${path}.unicode`)),
      ),
      ...given(
        'image',
        optional(part.image, (source) => fileSource(source, `${path}.image`)),
      ),
    };
  }

  private link(part: JsonObject, path: string): Link {
    const content = optional(part.content, (parts) => this.inlines(parts, `${path}.content`)) ?? [];
    const url = this.text(part.url, `${path}.url`);
    return {
      type: 'link',
      url,
      content: content.map((each) => {
        if (each.type === 'text' || each.type === 'emoji') return each;
        throw new Fault(`${path}.content`, 'a link holds text and emoji alone');
      }),
    };
  }

  private attachment(value: unknown, path: string): Attachment {
    const file = object(value, path);
    const counted = (key: 'size' | 'width' | 'height' | 'durationMs') =>
      optional(file[key], (number) => integer(number, `${path}.${key}`, 0, Number.MAX_SAFE_INTEGER));
    return {
      kind: oneOf(KINDS, file.kind, `${path}.kind`),
      name: this.text(file.name, `${path}.name`),
      mimeType: this.text(file.mimeType, `${path}.mimeType`),
      source: fileSource(file.source, `${path}.source`),
      ...given('size', counted('size')),
      ...given('width', counted('width')),
      ...given('height', counted('height')),
      ...given('durationMs', counted('durationMs')),
      ...given(
        'alt',
        optional(file.alt, (text) => this.text(text, `${path}.alt`)),
      ),
      ...given(
        'thumbnail',
        optional(file.thumbnail, (source) => fileSource(source, `${path}.thumbnail`)),
      ),
    };
  }

  private text(value: unknown, path: string): string {
    if (typeof value !== 'string') throw new Fault(path, 'no text');
    this.textBytes += Buffer.byteLength(value);
    if (this.textBytes > MAX_TEXT_BYTES) throw new Fault(path, `more than ${String(MAX_TEXT_BYTES)} bytes of text`);
    return value;
  }

  private node(path: string): void {
    if (++this.nodes > MAX_NODES) throw new Fault(path, `more than ${String(MAX_NODES)} parts`);
  }
}

/** A member that is there when it has a value. */
const given = <Key extends string, T>(key: Key, value: T | undefined): Partial<Record<Key, T>> =>
  value === undefined ? {} : (Object.fromEntries([[key, value]]) as Partial<Record<Key, T>>);

const optional = <T>(value: unknown, parse: (value: unknown) => T): T | undefined =>
  value === undefined || value === null ? undefined : parse(value);

function object(value: unknown, path: string): JsonObject {
  if (!isJsonObject(value)) throw new Fault(path, 'no object');
  return value;
}

function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Fault(path, 'no list');
  return value;
}

function oneOf<T extends string>(known: readonly T[], value: unknown, path: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new Fault(path, `not one of ${known.join(', ')}`);
  return found;
}

const markOf = (value: unknown, path: string): Mark => oneOf(MARKS, value, path);

function integer(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new Fault(path, `no integer from ${String(least)} to ${String(most)}`);
  }
  return value;
}

function nativeId(value: unknown, path: string): { nativeId: string } {
  if (typeof value !== 'string' || value === '' || value.length > MAX_NATIVE_ID || !value.isWellFormed()) {
    throw new Fault(path, `no id of 1 to ${String(MAX_NATIVE_ID)} characters`);
  }
  return { nativeId: value };
}

function userAddress(value: unknown, path: string): UserAddress {
  const address = object(value, path);
  if (address.nativeId !== undefined) return nativeId(address.nativeId, `${path}.nativeId`);
  const userId = parseUserId(address.userId);
  if (userId === undefined) throw new Fault(path, 'neither a nativeId nor a userId');
  return { userId };
}

function channelAddress(value: unknown, path: string): ChannelAddress {
  const address = object(value, path);
  if (address.nativeId !== undefined) return nativeId(address.nativeId, `${path}.nativeId`);
  const room = parseRoomId(address.room) ?? parseRoomAlias(address.room);
  if (room === undefined) throw new Fault(path, 'neither a nativeId nor a room');
  return { room };
}

function fileSource(value: unknown, path: string): FileSource {
  const source = object(value, path);
  if (source.nativeId !== undefined) return nativeId(source.nativeId, `${path}.nativeId`);
  const mxc = parseMxcUri(source.mxc);
  if (mxc === undefined) throw new Fault(path, 'neither a nativeId nor an mxc');
  return { mxc };
}
