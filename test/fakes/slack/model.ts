/** A JSON object as it goes over the wire. */
export type Json = Record<string, unknown>;

export interface User {
  readonly id: string;
  /** The workspace that the person belongs to: another than the channel's is Slack Connect. */
  readonly teamId: string;
  name: string;
  realName: string;
  displayName: string;
  title: string;
  email: string;
  avatar: string;
  statusText: string;
  statusEmoji: string;
  deleted: boolean;
  readonly bot?: { id: string; appId: string };
  /** s since the epoch. */
  updated: number;
}

export type ChannelKind = 'channel' | 'group' | 'im' | 'mpim';

/** A topic or purpose; `lastSet` in s since the epoch. */
export interface Heading {
  value: string;
  creator: string;
  lastSet: number;
}

export interface Channel {
  id: string;
  kind: ChannelKind;
  name: string;
  readonly previousNames: string[];
  readonly creator: string;
  /** s since the epoch. */
  readonly created: number;
  /** ms since the epoch. */
  updated: number;
  archived: boolean;
  general: boolean;
  topic: Heading;
  purpose: Heading;
  readonly members: Set<string>;
  /** All messages, replies among them, in the order of their ts. */
  readonly messages: Message[];
  readonly ephemerals: Ephemeral[];
  readonly pins: Pin[];
  /** Other workspaces that share the channel. */
  readonly connectedTeams: Set<string>;
  /** µs since the epoch of the last ts given out. */
  lastTs: number;
  posted: number;
}

export interface Pin {
  readonly ts: string;
  readonly user: string;
  /** s since the epoch. */
  readonly created: number;
}

/** Whom Slack notifies of a message, and which part of the message did it. */
export interface Mention {
  readonly kind: 'user' | 'usergroup' | 'channel' | 'here' | 'everyone';
  /** Of a user or a usergroup. */
  readonly id?: string;
  readonly by: 'text' | 'blocks' | 'attachments';
}

export interface Edited {
  readonly user: string;
  readonly ts: string;
}

/** Names and order of people, by the name of the emoji, in the order in which the emoji came. */
export type Reactions = Map<string, string[]>;

export interface Message {
  readonly ts: string;
  subtype?: string;
  user?: string;
  readonly botId?: string;
  readonly appId?: string;
  /** Set where chat:write.customize was used. */
  readonly username?: string;
  readonly icons?: Json;
  text: string;
  blocks: Json[];
  /** false: Slack made the blocks from the text. */
  blocksGiven: boolean;
  attachments: Json[];
  files: string[];
  threadTs?: string;
  broadcast: boolean;
  edited?: Edited;
  readonly reactions: Reactions;
  readonly clientMsgId?: string;
  metadata?: Json;
  /** What only this subtype has: topic, name, old_name, inviter… */
  readonly extra: Json;
  hidden: boolean;
  /** Edits add to it whom they mention anew. */
  notified: Mention[];
}

export interface Ephemeral {
  readonly ts: string;
  readonly user: string;
  readonly text: string;
  readonly blocks: Json[];
  readonly threadTs?: string;
}

export interface Share {
  readonly channel: string;
  readonly ts: string;
}

export interface StoredFile {
  readonly id: string;
  readonly name: string;
  title: string;
  altText: string;
  readonly mimetype: string;
  readonly filetype: string;
  readonly user: string;
  /** s since the epoch. */
  readonly created: number;
  readonly bytes: Buffer;
  readonly shares: Share[];
  deleted: boolean;
}

export interface Token {
  readonly value: string;
  readonly kind: 'bot' | 'app';
  readonly teamId: string;
  scopes: string[];
  /** ms since the epoch; undefined: never. */
  expiresAt?: number;
  state: 'valid' | 'revoked' | 'inactive';
}

/** A refusal in Slack's words: `{ok: false, error, …details}`. */
export class SlackError extends Error {
  constructor(
    readonly code: string,
    readonly details: Json = {},
  ) {
    super(code);
  }
}

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const jsonList = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : []);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** An object without the fields that are undefined, as JSON would have it. */
export const without = (object: Json): Json =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

export const omit = (object: Json, ...names: string[]): Json =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
