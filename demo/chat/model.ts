export type PersonId = string & { readonly brand: 'PersonId' };
export type ChannelId = string & { readonly brand: 'ChannelId' };
export type MessageId = string & { readonly brand: 'MessageId' };

/** Somebody of this workspace. */
export interface Person {
  id: PersonId;
  username: string;
  displayName: string;
}

export interface Channel {
  id: ChannelId;
  name: string;
  archived: boolean;
  /** A direct or group conversation is seen by its members alone. */
  kind: 'channel' | 'direct' | 'group';
  topic: string;
}

/** Somebody of another company. */
export interface RemoteAuthor {
  kind: 'remote';
  /** Matrix user id. */
  id: string;
  displayName: string;
  server: string;
  avatarUrl?: string;
}

/** Of this workspace, or of Unicode. */
export interface Emoji {
  shortcode: string;
  unicode?: string;
}

export interface Reaction extends Emoji {
  people: { id: string; displayName: string; server?: string }[];
}

/** A button below a message of the gateway. */
export interface Action {
  id: string;
  label: string;
  style?: string;
}

/** The contract's `Body`: read by the page, which shows what it does not know as text. */
export interface Body {
  style?: string;
  blocks?: unknown[];
  attachments?: unknown[];
}

/** Who speaks: a person of this workspace, a person of another company, or the gateway itself. */
export type Author = { kind: 'person'; person: Person } | RemoteAuthor | { kind: 'gateway' };

export interface Message {
  /** Place in the workspace's log: grows with every message, in the order in which people saw them. */
  position: number;
  id: MessageId;
  channelId: ChannelId;
  author: Author;
  text: string;
  body?: Body;
  replyTo?: string;
  threadRoot?: string;
  /** False: it is shown in its thread alone. */
  inChannel: boolean;
  edited: boolean;
  deleted: boolean;
  actions: Action[];
  /** Position of what changed it last. */
  revision: number;
  /** When it appeared here, ms since the epoch. */
  time: number;
  /** When it was written, ms since the epoch; only for what the gateway posted. */
  sentAt?: number;
  /** Shown to some people alone. */
  private: boolean;
  /** The writer's own name for it; only for what people of this workspace wrote. */
  clientId?: string;
}

/** The largest message in bytes of UTF-8; published to the gateway as `limits.max_text_bytes`. */
export const MAX_TEXT_BYTES = 16_384;
