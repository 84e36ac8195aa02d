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
}

/** Somebody of another company. */
export interface RemoteAuthor {
  kind: 'remote';
  /** Matrix user id. */
  id: string;
  displayName: string;
  server: string;
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
