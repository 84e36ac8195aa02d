import type { UserId } from '../protocol/index.js';

/**
 * What people say, between a platform and Matrix (design §6): plain data, which is stored as JSON and travels in the http
 * contract. Text is text: nothing in a `text` is markup or a mention, in either direction.
 */
export interface MessageBody {
  /** `emote`: `/me`. `notice`: of a program; nobody answers it automatically. */
  style: 'normal' | 'emote' | 'notice';
  blocks: Block[];
  attachments: Attachment[];
}

export type Block =
  | { type: 'paragraph'; content: Inline[] }
  | { type: 'heading'; /** 1 to 6. */ level: number; content: Inline[] }
  | { type: 'quote'; blocks: Block[] }
  | { type: 'list'; /** Number of the first item; absent: bullets. */ start?: number; items: Block[][] }
  | { type: 'code'; text: string; /** `[a-z0-9+#._-]{1,32}`. */ language?: string }
  | { type: 'rule' };

export type Mark = 'bold' | 'italic' | 'strike' | 'underline' | 'code';

export type Inline = Text | Emoji | Link | Mention | { type: 'break' };

export interface Text {
  type: 'text';
  /** Without line breaks: those are `break`. */
  text: string;
  /** Each once, in the order of {@link MARKS}. */
  marks?: Mark[];
}

export interface Link {
  type: 'link';
  /** http, https or mailto; anything else is text. */
  url: string;
  content: (Text | Emoji)[];
}

export interface Emoji {
  type: 'emoji';
  /** `party_parrot`, without colons. */
  shortcode: string;
  /** What it is in Unicode; absent: it belongs to one workspace, and is shown as `:shortcode:` or by its picture. */
  unicode?: string;
  image?: FileSource;
}

/** `name`: as it is shown when it cannot be a mention there, without `@` or `#`. */
export type Mention =
  | { type: 'user'; user: UserAddress; name: string }
  | { type: 'channel'; channel: ChannelAddress; name: string }
  | { type: 'everyone'; /** `here`: those who are at their desks. */ scope: 'channel' | 'here' };

/** A person by the id of their platform, or by the Matrix user id. The bridge turns one into the other. */
export type UserAddress = { nativeId: string } | { userId: UserId };

export type ChannelAddress = { nativeId: string } | { /** Room id or alias. */ room: string };

/** A file by what its platform calls it, or an `mxc:` URI. */
export type FileSource = { nativeId: string } | { mxc: string };

export interface Attachment {
  kind: 'image' | 'video' | 'audio' | 'voice' | 'sticker' | 'file';
  name: string;
  /** As it was declared; media/ looks at the bytes. */
  mimeType: string;
  source: FileSource;
  /** Bytes. */
  size?: number;
  width?: number;
  height?: number;
  durationMs?: number;
  /** For those who cannot see it. */
  alt?: string;
  thumbnail?: FileSource;
}

export const MARKS: readonly Mark[] = ['bold', 'italic', 'strike', 'underline', 'code'];

/** Bounds of a body, on every way in: beyond them a converter makes plain text of what is left, or the parser refuses. */
export const MAX_DEPTH = 8;
export const MAX_NODES = 4_000;
export const MAX_ATTACHMENTS = 10;
/** UTF-8, of all texts together. */
export const MAX_TEXT_BYTES = 262_144;
