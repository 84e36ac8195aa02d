import { LRUCache } from 'lru-cache';
import {
  type InboundChannelChange,
  type InboundEvent,
  type InboundMessage,
  type NativeChannel,
  type NativeUser,
  PlatformError,
} from '../port.js';
import { emojiOf } from './convert/emoji.js';
import { fromSlack, mentionedIn } from './convert/from-slack.js';
import type { Names } from './convert/inline.js';
import { asTyped } from './convert/mrkdwn.js';
import { type Identity, SAID, commandIn, differs, isOurs, privateId } from './own-and-others.js';
import type { Directory } from './directory.js';
import { type Json, json, objects, present, text, timeOf, timestamp } from './json.js';

/** What Slack sends: an event, a `/causeway …`, or a pressed button. */
export interface Payload {
  kind: 'event' | 'command' | 'action';
  body: Json;
}

const MAX_NAMES = 50;
const MAX_REMEMBERED = 10_000;

type Base = Pick<InboundEvent, 'nativeEventId' | 'time'>;

/** What happened in Slack in the words of the port. What we did ourselves gives nothing. */
export class Events {
  /** Messages that we deleted: Slack tells us of it, and not who did it. */
  private readonly ownDeletes = new LRUCache<string, true>({ max: MAX_REMEMBERED });
  /** Where a command may be answered when the app is not in the channel: by channel and person. */
  readonly responseUrls = new LRUCache<string, string>({ max: 1_000, ttl: 25 * 60_000 });

  constructor(
    private readonly directory: Directory,
    private readonly trouble: (problem: string) => void,
  ) {}

  weDeleted(channelId: string, ts: string): void {
    this.ownDeletes.set(`${channelId} ${ts}`, true);
  }

  /** Rejects with PlatformError when somebody must be looked up and cannot be. */
  async inbound({ kind, body }: Payload, us: Identity): Promise<InboundEvent[]> {
    if (kind === 'command') return this.command(body, us);
    if (kind === 'action') return this.action(body, us);
    const event = json(body.event);
    const id = present(body.event_id);
    if (id === undefined) return [];
    const at = timestamp(event.event_ts) ?? timestamp(event.ts);
    const seconds = typeof body.event_time === 'number' ? body.event_time : 0;
    return this.event(event, { nativeEventId: id, time: at === undefined ? seconds * 1_000 : timeOf(at) }, us);
  }

  private async event(event: Json, base: Base, us: Identity): Promise<InboundEvent[]> {
    switch (event.type) {
      case 'message':
        return this.message(event, base, us);
      case 'reaction_added':
      case 'reaction_removed':
        return this.reaction(event, base, us);
      case 'member_joined_channel':
      case 'member_left_channel':
        return this.membership(event, base, us);
      case 'channel_left':
      case 'group_left':
        return this.channelChange(event, base, 'bot_removed');
      case 'channel_rename':
      case 'group_rename':
        return this.renamed(event, base);
      case 'channel_archive':
      case 'group_archive':
        return this.channelChange(event, base, 'archived', { archived: true });
      case 'channel_unarchive':
      case 'group_unarchive':
        return this.channelChange(event, base, 'unarchived', { archived: false });
      case 'channel_deleted':
      case 'group_deleted':
        return this.channelChange(event, base, 'deleted');
      case 'channel_id_changed':
        return this.moved(event, base);
      case 'channel_shared':
      case 'channel_unshared':
        return this.channelChange(event, base, 'visibility');
      case 'user_change':
      case 'team_join':
        return this.profile(json(event.user), base);
      case 'app_uninstalled':
        this.trouble('the app was removed from the workspace; install it again');
        return [];
      case 'tokens_revoked':
        if (Array.isArray(json(event.tokens).bot) && (json(event.tokens).bot as unknown[]).includes(us.botUserId))
          this.trouble('the bot token was revoked; install the app again');
        return [];
      default:
        return [];
    }
  }

  private async message(event: Json, base: Base, us: Identity): Promise<InboundEvent[]> {
    const channelId = present(event.channel);
    if (channelId === undefined) return [];
    const subtype = present(event.subtype);
    switch (subtype) {
      case 'message_changed':
        return this.changed(event, channelId, base, us);
      case 'message_deleted':
        return this.deleted(json(event.previous_message), event.deleted_ts, event, base);
      case 'channel_topic':
      case 'group_topic':
        if (isOurs(event, us)) return [];
        return this.channelChange(event, base, 'topic', { topic: asTyped(text(event.topic)) });
      case 'channel_convert_to_private':
        return this.channelChange(event, base, 'visibility', { private: true });
      case 'channel_convert_to_public':
        return this.channelChange(event, base, 'visibility', { private: false });
    }
    if (!SAID.has(subtype) || isOurs(event, us)) return [];
    const nativeId = timestamp(event.ts);
    if (nativeId === undefined) return [];
    const channel = await this.channelOf(channelId, event);
    const author = await this.authorOf(event);
    if (author === undefined) return [];
    const command = subtype === undefined && author.bot !== true ? commandIn(event, us) : undefined;
    if (command !== undefined) return [{ ...base, type: 'command', channel, actor: author, text: command, nativeId }];
    const body = fromSlack(event, await this.names(event));
    if (body.blocks.length === 0 && body.attachments.length === 0) return [];
    const root = timestamp(event.thread_ts);
    const thread = root === undefined || root === nativeId ? undefined : root;
    const also = subtype === 'thread_broadcast' ? { alsoToChannel: true } : {};
    return [
      {
        type: 'message',
        // The same wherever it is found: in an event, in history, after an outage.
        nativeEventId: `message:${channelId}:${nativeId}`,
        time: timeOf(nativeId),
        channel,
        author,
        nativeId,
        body,
        ...(thread === undefined ? {} : { thread: { root: thread, ...also } }),
      },
    ];
  }

  /** A message as history holds it; undefined when it is nobody's words, or ours. Rejects with PlatformError. */
  async ofHistory(message: Json, channelId: string, us: Identity): Promise<InboundMessage | undefined> {
    const base = { nativeEventId: '', time: 0 };
    const [event] = await this.message({ ...message, channel: channelId }, base, us);
    return event?.type === 'message' ? event : undefined;
  }

  /** The edit that a message of history has behind it, when it is not older than `since`. Rejects with PlatformError. */
  async editOfHistory(message: Json, channelId: string, us: Identity, since: number): Promise<InboundEvent[]> {
    const edited = timestamp(json(message.edited).ts);
    if (edited === undefined || Number(edited) < since) return [];
    return this.changed({ message }, channelId, { nativeEventId: '', time: timeOf(edited) }, us);
  }

  private async changed(event: Json, channelId: string, base: Base, us: Identity): Promise<InboundEvent[]> {
    const message = json(event.message);
    const before = json(event.previous_message);
    const nativeId = timestamp(message.ts);
    if (nativeId === undefined || isOurs(message, us)) return [];
    // A deleted message under which a thread hangs stays as a tombstone.
    if (message.subtype === 'tombstone') return this.deleted(before, nativeId, event, base);
    if (!SAID.has(present(message.subtype)) || !differs(message, before)) return [];
    const author = await this.authorOf(message);
    if (author === undefined) return [];
    const body = fromSlack(message, await this.names(message));
    const channel = await this.channelOf(channelId, event);
    const edited = timestamp(json(message.edited).ts);
    const id = edited === undefined ? base.nativeEventId : `edit:${channelId}:${nativeId}:${edited}`;
    return [{ type: 'edit', nativeEventId: id, time: base.time, channel, author, nativeId, body }];
  }

  private async deleted(before: Json, ts: unknown, event: Json, base: Base): Promise<InboundEvent[]> {
    const nativeId = timestamp(ts);
    const channelId = text(event.channel);
    if (nativeId === undefined || before.subtype === 'tombstone') return [];
    if (this.ownDeletes.has(`${channelId} ${nativeId}`)) return [];
    return [{ ...base, type: 'delete', channel: await this.channelOf(channelId, event), nativeId }];
  }

  private async reaction(event: Json, base: Base, us: Identity): Promise<InboundEvent[]> {
    const item = json(event.item);
    const user = present(event.user);
    const nativeId = timestamp(item.ts);
    const channelId = present(item.channel);
    const emoji = emojiOf(text(event.reaction));
    if (item.type !== 'message' || user === undefined || user === us.botUserId) return [];
    if (nativeId === undefined || channelId === undefined || emoji === undefined) return [];
    const change = event.type === 'reaction_added' ? 'add' : 'remove';
    const actor = await this.person(user);
    return [
      { ...base, type: 'reaction', change, channel: await this.channelOf(channelId, event), actor, nativeId, emoji },
    ];
  }

  private async membership(event: Json, base: Base, us: Identity): Promise<InboundEvent[]> {
    const user = present(event.user);
    const channelId = present(event.channel);
    if (user === undefined || channelId === undefined) return [];
    const joined = event.type === 'member_joined_channel';
    if (user === us.botUserId) return this.channelChange(event, base, joined ? 'bot_added' : 'bot_removed');
    const inviter = present(event.inviter);
    const actor = inviter === undefined || inviter === user ? undefined : await this.person(inviter);
    return [
      {
        ...base,
        type: 'membership',
        change: joined ? 'join' : 'leave',
        channel: await this.channelOf(channelId, event),
        user: await this.person(user),
        ...(actor === undefined ? {} : { actor }),
      },
    ];
  }

  private async renamed(event: Json, base: Base): Promise<InboundEvent[]> {
    const { id, name } = json(event.channel);
    if (present(id) === undefined || present(name) === undefined) return [];
    return this.channelChange({ ...event, channel: id }, base, 'name', { name: text(name) });
  }

  private async moved(event: Json, base: Base): Promise<InboundEvent[]> {
    const formerId = present(event.old_channel_id);
    const id = present(event.new_channel_id);
    if (formerId === undefined || id === undefined) return [];
    const channel = { ...this.directory.knownChannel(formerId), id };
    this.directory.forgetChannel(formerId);
    return [{ ...base, type: 'channel', change: 'moved', formerId, channel }];
  }

  private async channelChange(
    event: Json,
    base: Base,
    change: InboundChannelChange['change'],
    news: Partial<NativeChannel> = {},
  ): Promise<InboundEvent[]> {
    const channelId = present(event.channel);
    if (channelId === undefined) return [];
    const actor = present(event.user) ?? present(event.actor_id);
    // Of what is gone nothing can be asked any more.
    if (change !== 'deleted' && change !== 'bot_removed') await this.channelOf(channelId, event);
    const channel = this.directory.changeChannel(channelId, news);
    if (change === 'deleted' || change === 'visibility' || change === 'bot_removed')
      this.directory.forgetChannel(channelId);
    const known = actor === undefined ? undefined : this.directory.knownUser(actor);
    return [{ ...base, type: 'channel', change, channel, ...(known === undefined ? {} : { actor: known }) }];
  }

  private async profile(user: Json, base: Base): Promise<InboundEvent[]> {
    const id = present(user.id);
    if (id === undefined) return [];
    const before = this.directory.knownUser(id);
    const after = await this.directory.takeUser(user);
    // A new status is no news.
    if (JSON.stringify(before) === JSON.stringify(after)) return [];
    return [{ ...base, type: 'profile', user: after }];
  }

  private async command(body: Json, us: Identity): Promise<InboundEvent[]> {
    const [channelId, user, trigger] = [present(body.channel_id), present(body.user_id), present(body.trigger_id)];
    if (channelId === undefined || user === undefined || trigger === undefined || user === us.botUserId) return [];
    const url = present(body.response_url);
    if (url !== undefined) this.responseUrls.set(`${channelId} ${user}`, url);
    const [base, channel] = [
      { nativeEventId: `command:${trigger}`, time: Date.now() },
      await this.channelOf(channelId, {}),
    ];
    return [{ ...base, type: 'command', channel, actor: await this.person(user), text: text(body.text).trim() }];
  }

  private async action(body: Json, us: Identity): Promise<InboundEvent[]> {
    if (body.type !== 'block_actions') return [];
    const container = json(body.container);
    const channelId = present(json(body.channel).id) ?? present(container.channel_id);
    const user = present(json(body.user).id);
    const [action] = objects(body.actions);
    if (channelId === undefined || user === undefined || action === undefined || user === us.botUserId) return [];
    const url = present(body.response_url);
    if (url !== undefined) this.responseUrls.set(`${channelId} ${user}`, url);
    const nativeId = timestamp(container.message_ts);
    const id = present(action.value) ?? text(action.action_id);
    const stamp = text(action.action_ts);
    return [
      {
        nativeEventId: `action:${channelId}:${user}:${stamp}:${id}`.slice(0, 250),
        time: timestamp(stamp) === undefined ? Date.now() : timeOf(stamp),
        type: 'action',
        channel: await this.channelOf(channelId, {}),
        actor: await this.person(user),
        action: id,
        ...(nativeId === undefined
          ? {}
          : { nativeId: container.is_ephemeral === true ? privateId(nativeId) : nativeId }),
      },
    ];
  }

  /** What a channel is called matters less than what is said in it: one that may not be seen has its id for a name. */
  private async channelOf(id: string, event: Json): Promise<NativeChannel> {
    try {
      return await this.directory.channel(id);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code === 'unavailable') throw error;
      const kind = event.channel_type === 'mpim' ? { kind: 'group' as const } : {};
      return { ...this.directory.knownChannel(id), ...kind };
    }
  }

  private async authorOf(message: Json): Promise<NativeUser | undefined> {
    const user = present(message.user);
    if (user !== undefined && message.subtype !== 'bot_message') return this.person(user);
    const bot = present(message.bot_id);
    if (bot === undefined) return undefined;
    const profile = json(message.bot_profile);
    const name = present(profile.name) ?? present(message.username) ?? 'bot';
    return { id: bot, username: name, displayName: name.slice(0, 80), bot: true };
  }

  private async person(id: string): Promise<NativeUser> {
    try {
      return await this.directory.user(id);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'user_gone')
        return { id, username: id.toLowerCase(), displayName: id };
      throw error;
    }
  }

  /** Names of whom a message mentions. One that cannot be had now is worth no delay: then the id stands there. */
  private async names(message: Json): Promise<Names> {
    const { users, channels } = mentionedIn(message);
    const known = new Map<string, string>();
    const look = async (id: string, name: Promise<string>): Promise<void> => {
      try {
        known.set(id, await name);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
      }
    };
    await Promise.all([
      ...users.slice(0, MAX_NAMES).map((id) =>
        look(
          id,
          this.directory.user(id).then((user) => user.displayName),
        ),
      ),
      ...channels.slice(0, MAX_NAMES).map((id) =>
        look(
          id,
          this.directory.channel(id).then((channel) => channel.name),
        ),
      ),
    ]);
    const nameOf = (id: string, label: string | undefined): string =>
      known.get(id) ?? (label === '' ? id : (label ?? id));
    return {
      user: (id, label) => ({ type: 'user', user: { nativeId: id }, name: nameOf(id, label) }),
      channel: (id, label) => ({ type: 'channel', channel: { nativeId: id }, name: nameOf(id, label) }),
    };
  }
}
