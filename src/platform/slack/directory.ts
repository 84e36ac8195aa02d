import { LRUCache } from 'lru-cache';
import type { NativeChannel, NativeUser } from '../port.js';
import { asTyped } from './convert/mrkdwn.js';
import { type Json, isChannelId, isUserId, json, objects, present, text } from './json.js';
import { SlackRefusal } from './slack-errors.js';
import type { WebApi } from './web-api.js';

const TTL_MS = 15 * 60_000;
const MAX = 10_000;

/** Who and where, of the workspace and of those who share channels with it; refreshed by events, and after a quarter of an hour. */
export class Directory {
  private readonly users = new LRUCache<string, NativeUser>({ max: MAX, ttl: TTL_MS });
  private readonly channels = new LRUCache<string, NativeChannel>({ max: MAX, ttl: TTL_MS });
  private readonly teams = new LRUCache<string, string>({ max: 1_000, ttl: 24 * 3_600_000 });
  private readonly underWay = new Map<string, Promise<unknown>>();

  constructor(
    private readonly api: WebApi,
    private readonly teamId: () => string | undefined,
  ) {}

  /** Rejects with PlatformError. */
  async user(id: string): Promise<NativeUser> {
    const known = this.users.get(id);
    if (known !== undefined) return known;
    return this.once(`user ${id}`, async () => {
      if (!isUserId(id)) throw gone('user_gone', `${id} is no id of a person in Slack`);
      const { user } = await this.api.call('users.info', { user: id });
      return this.takeUser(json(user));
    });
  }

  /** Rejects with PlatformError. */
  async channel(id: string): Promise<NativeChannel> {
    const known = this.channels.get(id);
    if (known !== undefined) return known;
    return this.freshChannel(id);
  }

  async freshChannel(id: string): Promise<NativeChannel> {
    return this.once(`channel ${id}`, async () => {
      if (!isChannelId(id)) throw gone('channel_gone', `${id} is no id of a channel in Slack`);
      const { channel } = await this.api.call('conversations.info', { channel: id });
      return this.takeChannel(json(channel));
    });
  }

  /** What is known without asking; of what is unknown the id is the name. */
  knownChannel(id: string): NativeChannel {
    return this.channels.get(id) ?? { id, name: id, ...(id.startsWith('D') ? { kind: 'direct' as const } : {}) };
  }

  knownUser(id: string): NativeUser | undefined {
    return this.users.get(id);
  }

  forgetChannel(id: string): void {
    this.channels.delete(id);
  }

  /** Of an event or an answer. */
  async takeUser(user: Json): Promise<NativeUser> {
    const team = present(user.team_id);
    const foreign = team !== undefined && this.teamId() !== undefined && team !== this.teamId() ? team : undefined;
    const native = nativeUser(user, foreign === undefined ? undefined : await this.teamName(foreign));
    this.users.set(native.id, native);
    return native;
  }

  takeChannel(channel: Json): NativeChannel {
    const native = nativeChannel(channel);
    this.channels.set(native.id, native);
    return native;
  }

  changeChannel(id: string, change: Partial<NativeChannel>): NativeChannel {
    const native = { ...this.knownChannel(id), ...change };
    if (this.channels.has(id)) this.channels.set(id, native);
    return native;
  }

  /** Every channel that the app is in. Rejects with PlatformError. */
  async joined(types: string): Promise<NativeChannel[]> {
    const out: NativeChannel[] = [];
    let cursor: string | undefined;
    do {
      const args = { types, exclude_archived: true, limit: 200, ...(cursor === undefined ? {} : { cursor }) };
      const page = await this.api.call('users.conversations', args);
      out.push(...objects(page.channels).map((each) => this.takeChannel(each)));
      cursor = present(json(page.response_metadata).next_cursor);
    } while (cursor !== undefined && out.length < MAX);
    return out;
  }

  /** Other companies in Slack Connect; a name is worth no failure. */
  private async teamName(id: string): Promise<string> {
    const known = this.teams.get(id);
    if (known !== undefined) return known;
    try {
      const { team } = await this.api.call('team.info', { team: id });
      const name = present(json(team).name) ?? id;
      this.teams.set(id, name);
      return name;
    } catch (error) {
      if (!(error instanceof SlackRefusal) || error.code === 'unavailable') return id;
      this.teams.set(id, id);
      return id;
    }
  }

  private async once<T>(key: string, look: () => Promise<T>): Promise<T> {
    const running = this.underWay.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const promise = look().finally(() => this.underWay.delete(key));
    this.underWay.set(key, promise);
    return promise;
  }
}

const gone = (code: 'user_gone' | 'channel_gone', message: string): SlackRefusal =>
  new SlackRefusal('unknown_id', code, message, { certainlyNotDone: true });

const MAX_NAME = 80;

function nativeUser(user: Json, team: string | undefined): NativeUser {
  const profile = json(user.profile);
  const username = present(user.name) ?? text(user.id);
  const shown = present(profile.display_name) ?? present(profile.real_name) ?? present(user.real_name) ?? username;
  const avatar = present(profile.image_192) ?? present(profile.image_512) ?? present(profile.image_72);
  return {
    id: text(user.id),
    username,
    displayName: `${shown.slice(0, MAX_NAME)}${team === undefined ? '' : ` (${team.slice(0, MAX_NAME)})`}`,
    ...(avatar?.startsWith('https://') === true ? { avatarUrl: avatar } : {}),
    ...(user.is_bot === true ? { bot: true } : {}),
  };
}

function nativeChannel(channel: Json): NativeChannel {
  const id = text(channel.id);
  const topic = present(json(channel.topic).value);
  const kind = channel.is_im === true ? 'direct' : channel.is_mpim === true ? 'group' : undefined;
  return {
    id,
    name: present(channel.name) ?? id,
    ...(kind === undefined ? {} : { kind }),
    ...(topic === undefined ? {} : { topic: asTyped(topic) }),
    ...(channel.is_private === true || kind !== undefined ? { private: true } : {}),
    ...(channel.is_archived === true ? { archived: true } : {}),
  };
}
