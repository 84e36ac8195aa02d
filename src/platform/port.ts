/** The port to a chat platform: small and mandatory; the rest are abilities. Adapters know this file and src/message alone. */
import type { Readable } from 'node:stream';
import type { Emoji, MessageBody, UserAddress } from '../message/index.js';

export interface NativeChannel {
  id: string;
  name: string;
  /** `channel` when absent. */
  kind?: 'channel' | 'direct' | 'group';
  topic?: string;
  /** Only members see it. */
  private?: boolean;
  archived?: boolean;
}

export interface NativeUser {
  /** Never reused for another person. */
  id: string;
  username: string;
  displayName: string;
  /** https, where the platform gives one. */
  avatarUrl?: string;
  /** A program. What other bridges write for people of theirs is of a bot too. */
  bot?: boolean;
}

/** `root`: native id of the message under which the thread hangs. */
export interface NativeThread {
  root: string;
  alsoToChannel?: boolean;
}

interface InboundBase {
  /** Unique in the workspace for ever. */
  nativeEventId: string;
  /** ms since the epoch. */
  time: number;
  /** The event has its place in the order of this channel. */
  channel: NativeChannel;
}

/** A message that somebody wrote. */
export interface InboundMessage extends InboundBase {
  type: 'message';
  author: NativeUser;
  nativeId: string;
  body: MessageBody;
  /** Native id of the message that is answered. */
  replyTo?: string;
  thread?: NativeThread;
  /** It was said before the channel was shared. */
  history?: true;
}

/** The whole message as it is now. */
export interface InboundEdit extends InboundBase {
  type: 'edit';
  author: NativeUser;
  nativeId: string;
  body: MessageBody;
}

export interface InboundDelete extends InboundBase {
  type: 'delete';
  /** Absent where the platform does not tell; then it counts as the author's. */
  actor?: NativeUser;
  nativeId: string;
}

export interface InboundReaction extends InboundBase {
  type: 'reaction';
  change: 'add' | 'remove';
  actor: NativeUser;
  nativeId: string;
  emoji: Emoji;
}

/** A person of this company comes into the channel, or goes. `actor`: who did it, when it was somebody else. */
export interface InboundMembership extends InboundBase {
  type: 'membership';
  change: 'join' | 'leave';
  user: NativeUser;
  actor?: NativeUser;
}

/** The channel is as `channel` now; `change` says what is news. `moved`: it has another id from now on, `channel.id` is the new one. */
export interface InboundChannelChange extends InboundBase {
  type: 'channel';
  change:
    'name' | 'topic' | 'archived' | 'unarchived' | 'deleted' | 'moved' | 'visibility' | 'bot_removed' | 'bot_added';
  actor?: NativeUser;
  /** Of `moved`. */
  formerId?: string;
}

/** What is known of a person has changed: in every channel of theirs. */
export interface InboundProfile extends Omit<InboundBase, 'channel'> {
  type: 'profile';
  user: NativeUser;
}

/** `/causeway …`, or a mention of the gateway's bot at the beginning of a message. Answered by a notice to this person alone. */
export interface InboundCommand extends InboundBase {
  type: 'command';
  actor: NativeUser;
  /** Behind `/causeway`: `invite @grace:globex.example`. */
  text: string;
  /** Of a native message that was the command. */
  nativeId?: string;
}

/** Somebody pressed a button under a message of the gateway. */
export interface InboundAction extends InboundBase {
  type: 'action';
  actor: NativeUser;
  /** {@link MessageAction.id}. */
  action: string;
  /** Of the message with the button. */
  nativeId?: string;
}

/** A direct or group conversation with people of other companies was begun in the native client. */
export interface InboundConversation extends InboundBase {
  type: 'conversation';
  actor: NativeUser;
  participants: UserAddress[];
}

export type InboundEvent =
  | InboundMessage
  | InboundEdit
  | InboundDelete
  | InboundReaction
  | InboundMembership
  | InboundChannelChange
  | InboundProfile
  | InboundCommand
  | InboundAction
  | InboundConversation;

/** Events since the last page, and the cursor behind them. What we did ourselves is not among them. */
export interface InboundPage {
  events: InboundEvent[];
  /** Absent where the platform pushes: nothing is to be remembered. */
  cursor?: string;
}

/** What may be lost. */
export type EphemeralEvent =
  | { type: 'typing'; channelId: string; user: NativeUser; typing: boolean }
  | {
      type: 'read';
      channelId: string;
      user: NativeUser;
      /** The newest message that they have seen. */ nativeId: string;
    };

/** What an adapter finds at the gateway. */
export interface PlatformHost {
  /**
   * Where the stream was left; undefined at the very first start, and always where the platform pushes. One gateway process at a
   * time reads a stream: resolves when it is this one's turn. Rejects when the gateway stops.
   */
  cursor(): Promise<string | undefined>;
  /** Resolves once the page and its cursor are durable. When it rejects, ask for the cursor again, or let the platform repeat it. */
  accept(page: InboundPage): Promise<void>;
  /** Never waits, never fails; what nobody wants is dropped. */
  ephemeral(event: EphemeralEvent): void;
  /** A file of the room, by its `mxc:` URI, fetched through us. Rejects with PlatformError `invalid` (gone, too large) or `unavailable`. */
  openFile(mxc: string, maxBytes: number): Promise<RemoteFile>;
  /** A public https URL of a small picture; undefined when there is none, or the gateway has no PUBLIC_URL. */
  avatarUrl(mxc: string): string | undefined;
  /** The adapter cannot work as configured (token revoked, app removed), in one sentence for the admin; undefined: it works again. */
  trouble(problem: string | undefined): void;
}

export interface RemoteFile {
  stream: Readable;
  mimeType: string;
  size: number;
  name: string;
}

export interface RemoteAuthor {
  /** Matrix user id. */
  id: string;
  displayName: string;
  server: string;
  /** `mxc:` URI. */
  avatar?: string;
}

export interface MessageAction {
  /** Comes back in {@link InboundAction}. */
  id: string;
  label: string;
  style?: 'primary' | 'danger';
}

export interface OutboundMessage {
  kind: 'message' | 'notice';
  /** Mentions of people whom the platform has are native ids by now; attachments are `mxc`. */
  body: MessageBody;
  /** ms since the epoch. */
  sentAt?: number;
  /** Absent on a notice: then the gateway itself speaks. */
  author?: RemoteAuthor;
  /** Native user ids; everybody when absent, or when the platform cannot. */
  visibleTo?: string[];
  /** Native id; only with the ability `replies`. */
  replyTo?: string;
  /** Only with the ability `threads`. */
  thread?: NativeThread;
  /** Only with the ability `actions`. */
  actions?: MessageAction[];
}

/** Of one call that changes something at the platform. */
export interface Call {
  /** The same key never makes a second change. */
  key: string;
  /** An earlier attempt may have been made: where the platform has no idempotency of its own, look for its result first. */
  repeated: boolean;
}

/** A message of ours, or of one of theirs, at the platform. */
export interface NativeMessageRef {
  channelId: string;
  nativeId: string;
}

/**
 * What a platform can do beyond the mandatory part, each by a function that is there or not. All reject with PlatformError; all
 * that change something may be repeated under the same key.
 */
export interface Abilities {
  /** The new text of a message that we posted. */
  edit?(message: NativeMessageRef, to: OutboundMessage, call: Call): Promise<void>;
  /** Takes a message that we posted away. One that is gone already is no error. */
  delete?(message: NativeMessageRef, call: Call): Promise<void>;
  /** With `personalReactions` in the author's name, otherwise the gateway's own: then the bridge adds it for the first person and removes it for the last. */
  react?(
    message: NativeMessageRef,
    emoji: Emoji,
    change: 'add' | 'remove',
    author: RemoteAuthor,
    call: Call,
  ): Promise<void>;
  /** Who of other companies is in the channel. */
  showMember?(channelId: string, member: RemoteAuthor, change: 'join' | 'leave', call: Call): Promise<void>;
  setTopic?(channelId: string, topic: string, call: Call): Promise<void>;
  rename?(channelId: string, name: string, call: Call): Promise<void>;
  /** May be lost. */
  showTyping?(channelId: string, author: RemoteAuthor, typing: boolean): Promise<void>;
  /** May be lost. */
  showRead?(message: NativeMessageRef, author: RemoteAuthor): Promise<void>;
  /** A file of a native message. */
  openFile?(nativeId: string): Promise<RemoteFile>;
  /** Backwards from `before` (a native id; absent: the end); oldest first in the page. */
  history?(
    channelId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ messages: InboundMessage[]; more: boolean }>;
  /** People of this company in the channel. */
  members?(channelId: string): Promise<NativeUser[]>;
  /** A channel for a direct or group conversation between people here and people elsewhere. */
  openConversation?(
    conversation: { name: string; users: string[]; remote: RemoteAuthor[] },
    call: Call,
  ): Promise<NativeChannel>;
}

export type Ability = keyof Abilities;

/** What a platform can do, for the bridge, the console and the docs. What it cannot do has one fallback (bridge/fallbacks.ts). */
export interface CapabilityDocument {
  platform: string;
  workspace: string;
  abilities: Ability[];
  /** Notices for some people alone. */
  privateNotices: boolean;
  richText: boolean;
  threads: boolean;
  replies: boolean;
  attachments: boolean;
  actions: boolean;
  personalReactions: boolean;
  customEmoji: boolean;
  /** Of the plain text of one message, UTF-8. */
  maxTextBytes: number;
  maxFileBytes: number;
}

export interface Platform {
  readonly kind: string;
  readonly workspace: string;
  /** False until the platform has said what it can: nothing is planned for it before. */
  readonly ready: boolean;
  /** May change when the platform is asked again. */
  readonly capabilities: CapabilityDocument;
  readonly can: Abilities;
  /** Starts to deliver to the host, and keeps trying whatever happens. */
  start(host: PlatformHost): void;
  /** Resolves when the host will not be called any more. */
  stop(): Promise<void>;
  /** Rejects with PlatformError. */
  sendMessage(channelId: string, message: OutboundMessage, call: Call): Promise<{ nativeId: string }>;
  /** Rejects with PlatformError. */
  resolveChannel(channelId: string): Promise<NativeChannel>;
  /** Rejects with PlatformError. */
  resolveUser(userId: string): Promise<NativeUser>;
}

/**
 * `channel_gone`: unknown or archived; nothing can be said there. `message_gone`: what is changed or answered is not there any
 * more. `invalid`: this call will never be taken. `denied`: our credentials are wrong, or a right is missing. `unavailable`: no
 * answer, or one that asks to come back.
 */
export type PlatformErrorCode = 'channel_gone' | 'user_gone' | 'message_gone' | 'invalid' | 'denied' | 'unavailable';

export class PlatformError extends Error {
  constructor(
    readonly code: PlatformErrorCode,
    message: string,
    readonly options: {
      /** The call had certainly no effect. */
      certainlyNotDone: boolean;
      /** ms that the platform asks us to wait. */
      retryAfterMs?: number;
    },
  ) {
    super(message);
  }

  /** Whether the same call may succeed later. */
  get retry(): boolean {
    return this.code === 'unavailable' || this.code === 'denied';
  }
}
