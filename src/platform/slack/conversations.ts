import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Call, InboundMessage, NativeChannel, NativeUser, RemoteAuthor } from '../port.js';
import type { Directory } from './directory.js';
import type { Events } from './events.js';
import type { Identity } from './own-and-others.js';
import { isUserId, json, objects, text, timestamp } from './json.js';
import { SlackRefusal } from './slack-errors.js';
import type { WebApi } from './web-api.js';

const MAX_TOPIC = 250;
const MAX_NAME = 80;
const MAX_HISTORY_PAGE = 200;
const MAX_MEMBERS = 5_000;
/** conversations.open takes eight people. */
const MAX_DIRECT = 8;

/** Channels, and who and what is in them. All methods reject with PlatformError. */
export class SlackConversations {
  /** Where nothing but our own words stood: by channel and what was asked for, where the search goes on. */
  private readonly skipped = new LRUCache<string, string>({ max: 1_000 });

  constructor(
    private readonly api: WebApi,
    private readonly directory: Directory,
    private readonly events: Events,
    private readonly us: () => Promise<Identity>,
  ) {}

  async setTopic(channelId: string, topic: string): Promise<void> {
    const wanted = topic.slice(0, MAX_TOPIC);
    const answer = await this.api.call('conversations.setTopic', { channel: channelId, topic: wanted });
    if (answer.channel !== undefined) this.directory.changeChannel(channelId, { topic: wanted });
  }

  /** Slack lets an app rename only the channels that it made. */
  async rename(channelId: string, name: string): Promise<void> {
    const wanted = channelName(name);
    try {
      await this.api.call('conversations.rename', { channel: channelId, name: wanted });
    } catch (error) {
      const taken = error instanceof SlackRefusal && error.word === 'name_taken';
      if (!taken || (await this.directory.freshChannel(channelId)).name !== wanted) throw error;
    }
  }

  /**
   * One page of what was said in the channel, without the threads. Slack gives new apps 15 messages a minute: then
   * `unavailable` says when to come again, with the same `before`.
   */
  async history(
    channelId: string,
    before: string | undefined,
    limit: number,
  ): Promise<{ messages: InboundMessage[]; more: boolean }> {
    const asked = `${channelId} ${before ?? ''}`;
    const us = await this.us();
    for (let from = this.skipped.get(asked) ?? before; ; from = this.skipped.get(asked)) {
      const page = await this.api.call('conversations.history', {
        channel: channelId,
        limit: Math.min(Math.max(limit, 1), MAX_HISTORY_PAGE),
        ...(timestamp(from) === undefined ? {} : { latest: from, inclusive: false }),
      });
      const messages: InboundMessage[] = [];
      for (const message of objects(page.messages).reverse()) {
        const event = await this.events.ofHistory(message, channelId, us);
        if (event !== undefined) messages.push(event);
      }
      const oldest = timestamp(objects(page.messages).at(-1)?.ts);
      const more = page.has_more === true && oldest !== undefined;
      if (messages.length > 0 || !more) return { messages, more };
      this.skipped.set(asked, oldest);
    }
  }

  async members(channelId: string): Promise<NativeUser[]> {
    const { botUserId } = await this.us();
    const ids: string[] = [];
    let cursor = '';
    do {
      const page = await this.api.call('conversations.members', {
        channel: channelId,
        limit: 1_000,
        ...(cursor === '' ? {} : { cursor }),
      });
      if (Array.isArray(page.members)) ids.push(...page.members.filter((id): id is string => typeof id === 'string'));
      cursor = text(json(page.response_metadata).next_cursor);
    } while (cursor !== '' && ids.length < MAX_MEMBERS);
    const out: NativeUser[] = [];
    for (const id of ids.filter((each) => each !== botUserId)) out.push(await this.directory.user(id));
    return out;
  }

  /**
   * People of other companies cannot be in a direct conversation of Slack. With them it is a private channel that the app makes, named
   * after the conversation; among people here it is Slack's own, with the app in it.
   */
  async open(
    { name, users, remote }: { name: string; users: string[]; remote: RemoteAuthor[] },
    { key }: Call,
  ): Promise<NativeChannel> {
    const people = users.filter(isUserId);
    if (remote.length === 0 && people.length > 0 && people.length <= MAX_DIRECT) {
      const { channel } = await this.api.call('conversations.open', { users: people.join(), return_im: true });
      return this.directory.freshChannel(text(json(channel).id));
    }
    // The name has the key in it: made twice it is the same channel.
    const suffix = createHash('sha256').update(key).digest('hex').slice(0, 8);
    const wanted = `${channelName(name).slice(0, MAX_NAME - suffix.length - 1)}-${suffix}`;
    const channel = await this.create(wanted);
    for (const user of people) await this.invite(channel.id, user);
    return channel;
  }

  private async create(name: string): Promise<NativeChannel> {
    try {
      return this.directory.takeChannel(
        json((await this.api.call('conversations.create', { name, is_private: true })).channel),
      );
    } catch (error) {
      if (!(error instanceof SlackRefusal) || error.word !== 'name_taken') throw error;
      const found = (await this.directory.joined('private_channel')).find((each) => each.name === name);
      if (found === undefined) throw error;
      return found;
    }
  }

  private async invite(channel: string, users: string): Promise<void> {
    try {
      await this.api.call('conversations.invite', { channel, users });
    } catch (error) {
      if (!(error instanceof SlackRefusal) || error.word !== 'already_in_channel') throw error;
    }
  }
}

/** Lower case, without what Slack's names may not have. */
export function channelName(name: string): string {
  const fit = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{Ll}\p{Lo}\p{N}_-]+/gu, '-')
    .slice(0, MAX_NAME)
    .replace(/^-+|-+$/g, '');
  return fit === '' ? 'conversation' : fit;
}
