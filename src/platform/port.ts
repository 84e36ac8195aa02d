/** The port to a chat platform: small and mandatory; the rest are capabilities. Adapters know this file and nothing else of ours. */

export interface NativeChannel {
  id: string;
  name: string;
}

export interface NativeUser {
  /** Never reused for another person. */
  id: string;
  username: string;
  displayName: string;
  /** https, where the platform gives one. */
  avatarUrl?: string;
}

/** A message that somebody wrote, in the order of its channel. */
export interface InboundMessage {
  /** Unique in the workspace for ever. */
  nativeEventId: string;
  /** ms since the epoch. */
  time: number;
  channel: NativeChannel;
  author: NativeUser;
  nativeId: string;
  text: string;
}

/** Events since the last page, and the cursor behind them. Our own messages are not among them. */
export interface InboundPage {
  messages: InboundMessage[];
  cursor: string;
}

export interface PlatformSink {
  /**
   * Where the stream was left; undefined at the very first start. One gateway process at a time reads a stream: resolves when it
   * is this one's turn. Rejects when the gateway stops.
   */
  cursor(): Promise<string | undefined>;
  /** Resolves once the page and its cursor are durable. When it rejects, ask for the cursor again. */
  accept(page: InboundPage): Promise<void>;
}

export interface RemoteAuthor {
  /** Matrix user id. */
  id: string;
  displayName: string;
  server: string;
}

export interface OutboundMessage {
  kind: 'message' | 'notice';
  text: string;
  /** ms since the epoch. */
  sentAt?: number;
  /** Absent on a notice: then the gateway itself speaks. */
  author?: RemoteAuthor;
  /** Native user ids; everybody when absent, or when the platform cannot. */
  visibleTo?: string[];
}

/** What a platform can do beyond the mandatory part. */
export interface CapabilityDocument {
  platform: string;
  workspace: string;
  privateNotices: boolean;
  maxTextBytes: number;
}

export interface Platform {
  readonly kind: string;
  readonly workspace: string;
  readonly capabilities: CapabilityDocument;
  /** Starts to deliver to the sink, and keeps trying whatever happens. */
  start(sink: PlatformSink): void;
  /** Resolves when the sink will not be called any more. */
  stop(): Promise<void>;
  /** The same key never makes a second message. Rejects with PlatformError. */
  sendMessage(channelId: string, message: OutboundMessage, idempotencyKey: string): Promise<{ nativeId: string }>;
  /** Rejects with PlatformError. */
  resolveChannel(channelId: string): Promise<NativeChannel>;
  /** Rejects with PlatformError. */
  resolveUser(userId: string): Promise<NativeUser>;
}

/**
 * `channel_gone`: unknown or archived; nothing can be said there. `invalid`: this message will never be taken. `denied`: our
 * credentials are wrong. `unavailable`: no answer, or one that asks to come back.
 */
export type PlatformErrorCode = 'channel_gone' | 'user_gone' | 'invalid' | 'denied' | 'unavailable';

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
