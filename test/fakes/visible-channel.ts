import type { Emoji, MessageBody } from '../../src/message/index.js';
import { keyOf, plainBody, plainText } from '../../src/message/index.js';
import {
  type Abilities,
  type Ability,
  type Call,
  type CapabilityDocument,
  type InboundEvent,
  type InboundPage,
  type NativeThread,
  type NativeUser,
  type OutboundMessage,
  type Platform,
  PlatformError,
} from '../../src/platform/port.js';

export interface Shown {
  nativeId: string;
  kind: 'message' | 'notice';
  /** Native id or Matrix id; undefined: the gateway. */
  author: string | undefined;
  body: MessageBody;
  edits: number;
  thread?: NativeThread;
  replyTo?: string;
  /** Emoji to who reacts with it; `causeway`: the gateway itself. */
  reactions: Map<string, Set<string>>;
}

const GESTURES = ['edit', 'delete', 'react', 'showTyping', 'showRead', 'setTopic', 'showMember'] as const;
type Gesture = (typeof GESTURES)[number];

export interface Capable {
  can?: readonly Gesture[];
  capabilities?: Partial<CapabilityDocument>;
}

export const person = (name: string): NativeUser => ({
  id: `U-${name}`,
  username: name,
  displayName: name.slice(0, 1).toUpperCase() + name.slice(1),
});

const ALL = { can: GESTURES, capabilities: {} };

/** What people see in one native channel, of a chat that can whatever a test wants it to: its people's gestures go to `accept`. */
export class VisibleChannel {
  readonly shown: Shown[] = [];
  /** Of every call that changed something, in their order. */
  readonly calls: string[] = [];
  /** Matrix ids of who types, as far as it was told. */
  readonly typing = new Set<string>();
  topic = '';
  /** Matrix ids of who of other companies is there, as far as it was told. */
  readonly members = new Set<string>();
  /** Matrix ids, and the native message up to which they have read. */
  readonly read = new Map<string, string>();
  /** Thrown before or after a call has its effect, when it says so. */
  weather: (name: string) => 'lost' | 'answer lost' | 'denied' | 'fine' = () => 'fine';
  /** Keys that were used, with the message they made. */
  private readonly keys = new Map<string, string>();
  private count = 0;
  private accept: (page: InboundPage) => Promise<void> = () => Promise.reject(new Error('no gateway'));

  constructor(
    readonly id: string,
    private readonly time: () => number = () => Date.now(),
  ) {}

  /** Stands in for a platform's real channel; again after a restart of the gateway. */
  takeOver(platform: Platform, accept: (page: InboundPage) => Promise<void>, capable: Capable = {}): void {
    const { can, capabilities } = { ...ALL, ...capable };
    const able: Required<Pick<Abilities, Gesture>> = {
      edit: ({ nativeId }, to, call) => this.called('edit', call, () => this.edited(nativeId, to)),
      delete: ({ nativeId }, call) => this.called('delete', call, () => this.removed(nativeId)),
      react: ({ nativeId }, emoji, change, author, call) =>
        this.called('react', call, () => {
          const who = platform.capabilities.personalReactions ? author.id : 'causeway';
          this.reacted(nativeId, emoji, change, who);
        }),
      showTyping: (_channelId, { id }, typing) => {
        if (typing) this.typing.add(id);
        else this.typing.delete(id);
        return Promise.resolve();
      },
      setTopic: (_channelId, topic, call) => this.called('topic', call, () => void (this.topic = topic)),
      showMember: (_channelId, { id }, change, call) =>
        this.called('member', call, () => {
          if (change === 'join') this.members.add(id);
          else this.members.delete(id);
        }),
      showRead: ({ nativeId }, { id }) => {
        this.read.set(id, this.find(nativeId).nativeId);
        return Promise.resolve();
      },
    };
    this.accept = accept;
    const document: CapabilityDocument = {
      platform: platform.kind,
      workspace: platform.workspace,
      abilities: [...can] as Ability[],
      privateNotices: true,
      richText: true,
      threads: true,
      replies: true,
      attachments: true,
      actions: false,
      personalReactions: true,
      customEmoji: false,
      maxTextBytes: 4_000,
      maxFileBytes: 0,
      ...capabilities,
    };
    // What the chat behind the platform says of itself is not taken over.
    const stays = (value: unknown): PropertyDescriptor => ({ get: () => value, set: () => undefined });
    Object.defineProperties(platform, {
      can: stays(Object.fromEntries(can.map((name) => [name, able[name]]))),
      capabilities: stays(document),
      sendMessage: stays((_channelId: string, message: OutboundMessage, call: Call) => this.send(message, call)),
    });
  }

  /** Somebody of this company writes. */
  async say(
    who: string,
    said: string | MessageBody,
    place: { thread?: NativeThread; replyTo?: string } = {},
  ): Promise<string> {
    const nativeId = `in-${this.id}-${String(this.count + 1)}`;
    const body = typeof said === 'string' ? plainBody(said) : said;
    const author = person(who);
    this.shown.push({ nativeId, kind: 'message', author: author.id, body, edits: 0, reactions: new Map(), ...place });
    await this.tell({ type: 'message', author, nativeId, body, ...place });
    return nativeId;
  }

  async edit(who: string, nativeId: string, text: string): Promise<void> {
    const message = this.find(nativeId);
    message.body = plainBody(text);
    message.edits += 1;
    await this.tell({ type: 'edit', author: person(who), nativeId, body: message.body });
  }

  async delete(who: string, nativeId: string): Promise<void> {
    this.removed(nativeId);
    await this.tell({ type: 'delete', actor: person(who), nativeId });
  }

  async react(who: string, nativeId: string, emoji: Emoji, change: 'add' | 'remove' = 'add'): Promise<void> {
    this.reacted(nativeId, emoji, change, person(who).id);
    await this.tell({ type: 'reaction', change, actor: person(who), nativeId, emoji });
  }

  /** Texts, oldest first, of what stands there. */
  texts(): string[] {
    return this.shown.map(({ body }) => {
      const files = body.attachments.map(({ kind, name }) => `[${kind}: ${name}]`);
      return [plainText(body), ...files].filter((text) => text !== '').join('\n');
    });
  }

  find(nativeId: string): Shown {
    const message = this.shown.find((each) => each.nativeId === nativeId);
    if (message === undefined) throw new PlatformError('message_gone', `no ${nativeId}`, { certainlyNotDone: true });
    return message;
  }

  /** The message with this text. */
  saying(text: string): Shown {
    const message = this.shown.find(({ body }) => plainText(body) === text);
    if (message === undefined) throw new Error(`nobody says “${text}” but ${JSON.stringify(this.texts())}`);
    return message;
  }

  private async tell(
    event: InboundEvent extends infer E
      ? E extends InboundEvent
        ? Omit<E, 'nativeEventId' | 'time' | 'channel'>
        : never
      : never,
  ): Promise<void> {
    this.count += 1;
    const base = {
      nativeEventId: `event-${this.id}-${String(this.count)}`,
      time: this.time(),
      channel: { id: this.id, name: this.id },
    };
    await this.accept({ events: [{ ...base, ...event }] });
  }

  private async send(message: OutboundMessage, call: Call): Promise<{ nativeId: string }> {
    await this.called('send', call, () => {
      const nativeId = `out-${this.id}-${String(this.keys.size + 1)}`;
      const { kind, author, body, thread, replyTo } = message;
      const place = { ...(thread === undefined ? {} : { thread }), ...(replyTo === undefined ? {} : { replyTo }) };
      this.shown.push({ nativeId, kind, author: author?.id, body, edits: 0, reactions: new Map(), ...place });
      return nativeId;
    });
    return { nativeId: this.keys.get(call.key) ?? '' };
  }

  /** Once per key, as an idempotent chat does it. */
  private async called(name: string, { key }: Call, effect: () => unknown): Promise<void> {
    const weather = this.weather(name);
    await Promise.resolve();
    if (weather === 'denied') throw new PlatformError('denied', 'a right is missing', { certainlyNotDone: true });
    if (weather === 'lost') throw new PlatformError('unavailable', 'lost', { certainlyNotDone: true });
    if (!this.keys.has(key)) {
      const made = effect();
      this.keys.set(key, typeof made === 'string' ? made : '');
      this.calls.push(name);
    }
    if (weather === 'answer lost') throw new PlatformError('unavailable', 'answer lost', { certainlyNotDone: false });
  }

  private edited(nativeId: string, { body }: OutboundMessage): void {
    const message = this.find(nativeId);
    message.body = body;
    message.edits += 1;
  }

  private removed(nativeId: string): void {
    const at = this.shown.findIndex((each) => each.nativeId === nativeId);
    if (at >= 0) this.shown.splice(at, 1);
  }

  private reacted(nativeId: string, emoji: Emoji, change: 'add' | 'remove', who: string): void {
    const { reactions } = this.find(nativeId);
    const key = keyOf(emoji);
    const people = reactions.get(key) ?? new Set();
    if (change === 'add') people.add(who);
    else people.delete(who);
    if (people.size === 0) reactions.delete(key);
    else reactions.set(key, people);
  }
}
