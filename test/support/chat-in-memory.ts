import { Test } from '@nestjs/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppModule } from '../../src/app.module.js';
import { loadConfiguration } from '../../src/config/index.js';
import { FederationServer } from '../../src/federation/edge/federation-server.js';
import { plainText } from '../../src/message/index.js';
import { Database } from '../../src/persistence/database.js';
import { Platforms } from '../../src/platform/platforms.js';
import {
  type Abilities,
  type Call,
  type CapabilityDocument,
  type InboundEvent,
  type InboundMessage,
  type NativeChannel,
  type NativeUser,
  type OutboundMessage,
  type Platform,
  PlatformError,
  type PlatformHost,
  type RemoteAuthor,
} from '../../src/platform/port.js';
import { RoomReader } from '../../src/rooms/room-reader.js';
import { Rooms } from '../../src/rooms/rooms.js';
import type { TestGateway } from './gateway.js';
import { until } from './until.js';

export const ADA: NativeUser = { id: 'U-ada', username: 'ada', displayName: 'Ada' };
export const BOB: NativeUser = { id: 'U-bob', username: 'bob', displayName: 'Bob' };

interface Shown {
  text: string;
  message: OutboundMessage;
}

/** A chat at the port itself, with every ability that conversations need; each may be taken away. */
export class ChatInMemory implements Platform {
  readonly kind = 'memory';
  readonly ready = true;
  readonly can: Abilities;
  readonly capabilities: CapabilityDocument;
  readonly channels = new Map<string, NativeChannel & { people: string[]; remote: RemoteAuthor[]; shown: Shown[] }>();
  /** What `history` gives, oldest first, by channel. */
  readonly past = new Map<string, InboundMessage[]>();
  /** Answers to the next calls of sendMessage, before they are made. */
  readonly refusals: PlatformError[] = [];
  opened = 0;
  private readonly byKey = new Map<string, string>();
  private host: PlatformHost | undefined;
  private events = 0;

  constructor(readonly workspace: string) {
    this.capabilities = {
      platform: this.kind,
      workspace,
      abilities: [],
      privateNotices: true,
      richText: true,
      threads: true,
      replies: true,
      attachments: false,
      actions: true,
      personalReactions: true,
      customEmoji: false,
      maxTextBytes: 16_384,
      maxFileBytes: 0,
    };
    this.can = {
      openConversation: (conversation, call) => Promise.resolve(this.open(conversation, call)),
      members: (channelId) =>
        Promise.resolve([ADA, BOB].filter(({ id }) => this.channel(channelId).people.includes(id))),
      history: (channelId, before, limit) => Promise.resolve(this.page(channelId, before, limit)),
    };
    this.add('C1', 'shared', [ADA.id, BOB.id]);
  }

  add(id: string, name: string, people: string[], remote: RemoteAuthor[] = []): NativeChannel {
    this.channels.set(id, { id, name, people, remote, shown: [] });
    return { id, name };
  }

  start(host: PlatformHost): void {
    this.host = host;
  }

  stop(): Promise<void> {
    this.host = undefined;
    return Promise.resolve();
  }

  sendMessage(channelId: string, message: OutboundMessage, { key }: Call): Promise<{ nativeId: string }> {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return Promise.reject(refusal);
    const { shown } = this.channel(channelId);
    const known = this.byKey.get(key);
    if (known !== undefined) return Promise.resolve({ nativeId: known });
    const nativeId = `out-${String(this.byKey.size)}`;
    this.byKey.set(key, nativeId);
    shown.push({ text: plainText(message.body), message });
    return Promise.resolve({ nativeId });
  }

  resolveChannel(id: string): Promise<NativeChannel> {
    const { name } = this.channel(id);
    return Promise.resolve({ id, name });
  }

  resolveUser(id: string): Promise<NativeUser> {
    const user = [ADA, BOB].find((each) => each.id === id);
    return user === undefined
      ? Promise.reject(new PlatformError('user_gone', 'nobody', { certainlyNotDone: true }))
      : Promise.resolve(user);
  }

  /** Something happens in the chat. */
  async happens(
    event: Record<string, unknown> & { type: InboundEvent['type'] },
    id = `evt-${String(++this.events)}`,
  ): Promise<void> {
    if (this.host === undefined) throw new Error('the chat is not started');
    const whole = { nativeEventId: id, time: Date.now(), channel: { id: 'C1', name: 'shared' }, ...event };
    await this.host.accept({ events: [whole as InboundEvent] });
  }

  /** Somebody asks the gateway for something, and is answered. */
  async asks(text: string, { as = ADA, channel = 'C1' }: { as?: NativeUser; channel?: string } = {}): Promise<string> {
    const before = this.texts(channel).length;
    const { id, name } = this.channel(channel);
    await this.happens({ type: 'command', actor: as, text, channel: { id, name } });
    return this.next(channel, before);
  }

  /** The notice that is shown next in a channel. */
  async next(channel: string, before: number): Promise<string> {
    await until(`something in ${channel}`, () => this.texts(channel).length > before);
    return this.texts(channel)[before] ?? '';
  }

  texts(channel: string): string[] {
    return (this.channels.get(channel)?.shown ?? []).map(({ text }) => text);
  }

  channel(id: string) {
    const channel = this.channels.get(id);
    if (channel === undefined) throw new PlatformError('channel_gone', `no channel ${id}`, { certainlyNotDone: true });
    return channel;
  }

  private open(
    { name, users, remote }: { name: string; users: string[]; remote: RemoteAuthor[] },
    { key }: Call,
  ): NativeChannel {
    const known = this.byKey.get(key);
    if (known !== undefined) return { id: known, name: this.channel(known).name };
    this.opened += 1;
    const id =
      remote.length === 0 && users.length === 1 && name === 'Causeway'
        ? `D-${users.join()}`
        : `G${String(this.opened)}`;
    this.byKey.set(key, id);
    return this.add(id, name, users, remote);
  }

  private page(channelId: string, before: string | undefined, limit: number) {
    const all = this.past.get(channelId) ?? [];
    const end = before === undefined ? all.length : all.findIndex(({ nativeId }) => nativeId === before);
    const from = Math.max(0, end - limit);
    return { messages: all.slice(from, end), more: from > 0 };
  }
}

/** A gateway in this process whose only chat is the given one. `peers`: where servers are; it is added, and others may be later. */
export async function startWithChat(
  name: string,
  chat: ChatInMemory,
  peers: Map<string, URL>,
  {
    env = {},
    directory = mkdtempSync(join(tmpdir(), 'causeway-talk-')),
  }: { env?: Record<string, string>; directory?: string } = {},
): Promise<TestGateway> {
  const read = loadConfiguration(
    {
      CAUSEWAY_SERVER_NAME: name,
      CAUSEWAY_ADMIN_TOKEN: 'a-token-for-the-tests',
      CAUSEWAY_FEDERATION_LISTEN: '127.0.0.1:0',
      CAUSEWAY_ADMIN_LISTEN: '127.0.0.1:0',
      ...env,
    },
    directory,
  );
  const configuration = Object.assign(read, { peers });
  const platforms = {
    all: [chat],
    find: (kind: string, workspace: string) => (kind === chat.kind && workspace === chat.workspace ? chat : undefined),
  };
  const module = await Test.createTestingModule({ imports: [AppModule.forRoot(configuration)] })
    .overrideProvider(Platforms)
    .useValue(platforms)
    .setLogger({ log: () => undefined, warn: () => undefined, error: console.error })
    .compile();
  const app = await module.init();
  const url = `http://127.0.0.1:${String(app.get(FederationServer, { strict: false }).port)}`;
  peers.set(name, new URL(url));
  return {
    app,
    rooms: app.get(Rooms, { strict: false }),
    reader: app.get(RoomReader, { strict: false }),
    database: app.get(Database, { strict: false }),
    url,
    directory,
    close: async ({ keepData = false } = {}) => {
      await app.close();
      if (!keepData) rmSync(directory, { recursive: true, force: true });
    },
  };
}
