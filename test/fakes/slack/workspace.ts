import type { FakeClock } from './clock.js';
import type { NameDirectory } from './mrkdwn.js';
import {
  type Channel,
  type ChannelKind,
  type Json,
  type Message,
  type StoredFile,
  type User,
  SlackError,
} from './model.js';

export interface NewUser {
  name: string;
  realName?: string;
  displayName?: string;
  email?: string;
  title?: string;
  /** Of another workspace, seen here through a shared channel. */
  teamId?: string;
}

export interface NewChannel {
  name: string;
  kind?: ChannelKind;
  creator?: string;
  members?: readonly string[];
}

export interface AppIdentity {
  readonly appId: string;
  readonly name: string;
  readonly botId: string;
  readonly botUser: string;
}

/** Told of every event that Slack would send; `channel` is where it happened, when it happened in one. */
export type EventListener = (workspace: Workspace, event: Json, channel: Channel | undefined) => void;

const NAME = /^[\p{Ll}\p{Lo}\d_-]{1,80}$/u; // docs.slack.dev/reference/methods/conversations.create

/** People, conversations and files of one workspace. What changes them and tells it stands in Conversations. */
export class Workspace implements NameDirectory {
  readonly users = new Map<string, User>();
  readonly channels = new Map<string, Channel>();
  readonly files = new Map<string, StoredFile>();
  /** Address or `alias:name` by name of custom emoji. */
  readonly emoji = new Map<string, string>();
  readonly app: AppIdentity;
  installed = true;
  private count = 0;
  private listener: EventListener = () => undefined;

  constructor(
    readonly id: string,
    readonly domain: string,
    readonly name: string,
    private readonly clock: FakeClock,
    appId: string,
    appName: string,
    /** Where files and avatars are served. */
    readonly origin: () => string,
  ) {
    const botId = this.newId('B');
    const bot = this.addUser({ name: appName.toLowerCase(), realName: appName }, { id: botId, appId });
    this.app = { appId, name: appName, botId, botUser: bot.id };
  }

  onEvent(listener: EventListener): void {
    this.listener = listener;
  }

  emit(event: Json, channel?: Channel): void {
    this.listener(this, event, channel);
  }

  now(): number {
    return this.clock.now();
  }

  seconds(): number {
    return Math.floor(this.clock.now() / 1_000);
  }

  newId(prefix: string): string {
    this.count += 1;
    return `${prefix}0${this.id.slice(-3)}${this.count.toString(36).toUpperCase().padStart(6, '0')}`;
  }

  /** A ts that no event of the workspace's channel had before: seconds.microseconds. */
  nextTs(channel: Pick<Channel, 'lastTs'>): string {
    channel.lastTs = Math.max(this.clock.now() * 1_000, channel.lastTs + 1);
    const digits = String(channel.lastTs).padStart(16, '0');
    return `${digits.slice(0, -6)}.${digits.slice(-6)}`;
  }

  private readonly outside = { lastTs: 0 };

  /** `event_ts` of what happens in no channel. */
  eventTs(channel?: Channel): string {
    return this.nextTs(channel ?? this.outside);
  }

  addUser(user: NewUser, bot?: { id: string; appId: string }): User {
    const id = this.newId('U');
    const added: User = {
      id,
      teamId: user.teamId ?? this.id,
      name: user.name,
      realName: user.realName ?? user.name,
      displayName: user.displayName ?? '',
      title: user.title ?? '',
      email: user.email ?? `${user.name}@${this.domain}.example`,
      avatar: `${this.origin()}/avatars/${id}.png`,
      statusText: '',
      statusEmoji: '',
      deleted: false,
      ...(bot === undefined ? {} : { bot }),
      updated: this.seconds(),
    };
    this.users.set(id, added);
    return added;
  }

  addChannel({ name, kind = 'channel', creator = this.app.botUser, members = [] }: NewChannel): Channel {
    if ((kind === 'channel' || kind === 'group') && !NAME.test(name)) throw new SlackError('invalid_name_specials');
    if (this.channelByName(name) !== undefined && kind !== 'im') throw new SlackError('name_taken');
    const heading = { value: '', creator: '', lastSet: 0 };
    const channel: Channel = {
      id: this.newId(kind === 'im' ? 'D' : 'C'),
      kind,
      name,
      previousNames: [],
      creator,
      created: this.seconds(),
      updated: this.now(),
      archived: false,
      general: false,
      topic: { ...heading },
      purpose: { ...heading },
      members: new Set(members),
      messages: [],
      ephemerals: [],
      pins: [],
      connectedTeams: new Set(),
      lastTs: 0,
      posted: 0,
    };
    this.channels.set(channel.id, channel);
    return channel;
  }

  /** The direct conversation of exactly these people, the asking one among them. */
  directOf(members: readonly string[]): { channel: Channel; created: boolean } {
    const set = new Set(members);
    const kind = set.size <= 2 ? 'im' : 'mpim';
    const found = [...this.channels.values()].find(
      (each) => each.kind === kind && each.members.size === set.size && [...set].every((id) => each.members.has(id)),
    );
    if (found !== undefined) return { channel: found, created: false };
    const names = [...set].map((id) => this.user(id).name);
    const name = kind === 'im' ? '' : `mpdm-${names.join('--')}-1`;
    return { channel: this.addChannel({ name, kind, members: [...set], creator: members[0] ?? '' }), created: true };
  }

  user(id: string): User {
    const user = this.users.get(id);
    if (user === undefined) throw new SlackError('user_not_found');
    return user;
  }

  userByName(name: string): string | undefined {
    return [...this.users.values()].find((each) => each.name === name && !each.deleted)?.id;
  }

  channelByName(name: string): string | undefined {
    return [...this.channels.values()].find((each) => each.name === name && each.kind !== 'im')?.id;
  }

  channel(id: string): Channel {
    const channel = this.channels.get(id);
    if (channel === undefined) throw new SlackError('channel_not_found');
    return channel;
  }

  file(id: string): StoredFile {
    const file = this.files.get(id);
    if (file === undefined) throw new SlackError('file_not_found');
    if (file.deleted) throw new SlackError('file_deleted');
    return file;
  }

  message(channel: Channel, ts: string): Message {
    const message = channel.messages.find((each) => each.ts === ts);
    if (message === undefined) throw new SlackError('message_not_found');
    return message;
  }

  /** Replies to a message, oldest first. */
  replies(channel: Channel, ts: string): Message[] {
    return channel.messages.filter((each) => each.threadTs === ts && each.ts !== ts);
  }
}
