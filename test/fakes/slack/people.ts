import { randomUUID } from 'node:crypto';
import type { Conversations, Draft } from './conversations.js';
import type { Installation } from './installation.js';
import { SlashCall, pressed, shortcut } from './interactions.js';
import { type Channel, type Json, type Message, type StoredFile, type User } from './model.js';
import { normalise } from './mrkdwn.js';
import type { Outbox } from './outbox.js';
import type { ResponseUrls } from './pages.js';
import { channelJson, createdJson, userJson } from './shapes.js';
import { type NewFile, storedFile } from './uploads.js';
import { mrkdwnOf } from './visible-text.js';
import type { NewUser, Workspace } from './workspace.js';

export interface Words {
  /** As Slack keeps it: mentions as `<@U…>`; a stray `<` is escaped. */
  text?: string;
  blocks?: Json[];
  /** ts of the message that is answered. */
  thread?: string;
  /** Also send to channel. */
  broadcast?: boolean;
  files?: readonly StoredFile[];
}

type Who = User | string;
type Where = Channel | string;
type What = Message | string;

/** What people do in a workspace, each with exactly the events that Slack sends for it. Names or ids will do. */
export class People {
  constructor(
    private readonly workspace: Workspace,
    private readonly conversations: Conversations,
    private readonly outbox: Outbox,
    private readonly installation: Installation,
    private readonly responses: ResponseUrls,
  ) {}

  user(who: Who): User {
    return typeof who === 'string' ? this.workspace.user(this.workspace.userByName(who) ?? who) : who;
  }

  channel(where: Where): Channel {
    return typeof where === 'string' ? this.workspace.channel(this.workspace.channelByName(where) ?? where) : where;
  }

  private message(where: Where, what: What): Message {
    return typeof what === 'string' ? this.workspace.message(this.channel(where), what) : what;
  }

  // ——— the workspace

  /** Somebody new, in no channel yet. */
  arrive(user: NewUser): User {
    const added = this.workspace.addUser(user);
    this.workspace.emit({ type: 'team_join', user: userJson(this.workspace, added) });
    return added;
  }

  changeProfile(who: Who, change: Partial<Pick<User, 'name' | 'realName' | 'displayName' | 'title' | 'avatar'>>): void {
    const user = this.user(who);
    Object.assign(user, change);
    this.tellUser(user, 'user_profile_changed');
  }

  setStatus(who: Who, text: string, emoji: string): void {
    const user = this.user(who);
    Object.assign(user, { statusText: text, statusEmoji: emoji });
    this.tellUser(user, 'user_status_changed');
  }

  deactivate(who: Who): void {
    const user = this.user(who);
    user.deleted = true;
    this.tellUser(user, undefined);
  }

  addEmoji(name: string, value: string): void {
    this.workspace.emoji.set(name, value);
    this.tellEmoji({ subtype: 'add', name, value });
  }

  removeEmoji(name: string): void {
    this.workspace.emoji.delete(name);
    this.tellEmoji({ subtype: 'remove', names: [name] });
  }

  uninstallApp(): void {
    const bots = [this.workspace.app.botUser];
    this.installation.end(this.workspace, 'inactive');
    this.workspace.emit({
      type: 'tokens_revoked',
      tokens: { oauth: [], bot: bots },
      event_ts: this.workspace.eventTs(),
    });
    this.workspace.emit({ type: 'app_uninstalled', event_ts: this.workspace.eventTs() });
    this.workspace.installed = false;
  }

  revokeTokens(): void {
    this.installation.end(this.workspace, 'revoked');
    const tokens = { oauth: [], bot: [this.workspace.app.botUser] };
    this.workspace.emit({ type: 'tokens_revoked', tokens, event_ts: this.workspace.eventTs() });
  }

  // ——— words

  say(who: Who, where: Where, words: string | Words): Message {
    const said = typeof words === 'string' ? { text: words } : words;
    return this.conversations.post(this.channel(where), {
      ...this.draft(said),
      user: this.user(who).id,
      ...((said.files ?? []).length > 0 ? { subtype: 'file_share' } : {}),
    });
  }

  /** `/me waves`. */
  emote(who: Who, where: Where, text: string): Message {
    return this.conversations.post(this.channel(where), {
      user: this.user(who).id,
      subtype: 'me_message',
      text: normalise(text),
    });
  }

  edit(who: Who, where: Where, what: What, words: string | Json[]): void {
    const change = typeof words === 'string' ? { text: normalise(words) } : { text: mrkdwnOf(words), blocks: words };
    this.conversations.edit(this.channel(where), this.message(where, what), change, this.user(who).id);
  }

  delete(where: Where, what: What): void {
    this.conversations.remove(this.channel(where), this.message(where, what));
  }

  react(who: Who, where: Where, what: What, emoji: string): void {
    this.conversations.react(this.channel(where), this.message(where, what), this.user(who).id, emoji);
  }

  unreact(who: Who, where: Where, what: What, emoji: string): void {
    this.conversations.unreact(this.channel(where), this.message(where, what), this.user(who).id, emoji);
  }

  pin(who: Who, where: Where, what: What): void {
    this.conversations.pin(this.channel(where), this.message(where, what), this.user(who).id);
  }

  unpin(who: Who, where: Where, what: What): void {
    this.conversations.unpin(this.channel(where), this.message(where, what), this.user(who).id);
  }

  /** Brings a file to Slack without showing it anywhere. */
  upload(who: Who, file: NewFile): StoredFile {
    const user = this.user(who);
    const stored = storedFile(this.workspace, this.workspace.newId('F'), user.id, file);
    this.workspace.files.set(stored.id, stored);
    const event = { type: 'file_created', file_id: stored.id, user_id: user.id, file: { id: stored.id } };
    this.workspace.emit({ ...event, event_ts: this.workspace.eventTs() });
    return stored;
  }

  deleteFile(file: StoredFile): void {
    this.conversations.deleteFile(file);
  }

  // ——— what is not people but looks so

  /** Another app writes: with `subtype` and its name, as most do. */
  otherBot(where: Where, name: string, text: string): Message {
    const bot = { botId: this.workspace.newId('B'), appId: this.workspace.newId('A') };
    return this.conversations.post(this.channel(where), { ...bot, subtype: 'bot_message', username: name, text });
  }

  unfurl(where: Where, what: What, url: string): void {
    const attachment = {
      id: 1,
      from_url: url,
      original_url: url,
      title: 'A preview',
      text: 'of the page',
      fallback: url,
    };
    this.conversations.unfurl(this.channel(where), this.message(where, what), attachment);
  }

  /** Messages of subtypes that say nothing. */
  noise(who: Who, where: Where): void {
    const user = this.user(who).id;
    for (const subtype of [
      'channel_posting_permissions',
      'ekm_access_denied',
      'huddle_thread',
      'pinned_item',
      'reminder_add',
    ]) {
      this.conversations.post(this.channel(where), { user, subtype, text: '' });
    }
  }

  // ——— channels

  create(who: Who, name: string, kind: 'channel' | 'group' = 'channel'): Channel {
    const user = this.user(who);
    const channel = this.workspace.addChannel({ name, kind, creator: user.id, members: [user.id] });
    const event = { type: 'channel_created', channel: createdJson(this.workspace, channel) };
    if (kind === 'channel') this.workspace.emit({ ...event, event_ts: this.workspace.eventTs(channel) }, channel);
    return channel;
  }

  join(who: Who, where: Where): void {
    this.conversations.join(this.channel(where), this.user(who).id);
  }

  leave(who: Who, where: Where): void {
    this.conversations.leave(this.channel(where), this.user(who).id);
  }

  invite(who: Who, where: Where, whom: Who): void {
    this.conversations.join(this.channel(where), this.user(whom).id, this.user(who).id);
  }

  /** `/invite @Causeway`. */
  inviteApp(who: Who, where: Where): void {
    this.invite(who, where, this.workspace.app.botUser);
  }

  removeApp(where: Where): void {
    this.leave(this.workspace.app.botUser, where);
  }

  setTopic(who: Who, where: Where, topic: string): void {
    this.conversations.setHeading(this.channel(where), 'topic', normalise(topic), this.user(who).id);
  }

  setPurpose(who: Who, where: Where, purpose: string): void {
    this.conversations.setHeading(this.channel(where), 'purpose', normalise(purpose), this.user(who).id);
  }

  rename(who: Who, where: Where, name: string): void {
    this.conversations.rename(this.channel(where), name, this.user(who).id);
  }

  archive(who: Who, where: Where): void {
    this.conversations.setArchived(this.channel(where), true, this.user(who).id);
  }

  unarchive(who: Who, where: Where): void {
    this.conversations.setArchived(this.channel(where), false, this.user(who).id);
  }

  deleteChannel(who: Who, where: Where): void {
    const channel = this.channel(where);
    const event = { type: channel.kind === 'group' ? 'group_deleted' : 'channel_deleted', channel: channel.id };
    const date = channel.kind === 'group' ? { date_deleted: this.workspace.seconds() } : {};
    const told = { ...event, ...date, actor_id: this.user(who).id, event_ts: this.workspace.eventTs(channel) };
    this.workspace.emit(told, channel);
    this.workspace.channels.delete(channel.id);
  }

  makePrivate(who: Who, where: Where): void {
    const channel = this.channel(where);
    channel.kind = 'group';
    const text = 'made this channel *private*. Now, it can only be viewed or joined by invitation.';
    this.conversations.post(channel, { user: this.user(who).id, subtype: 'channel_convert_to_private', text });
  }

  /** The channel is shared with another workspace, whose people may come: Slack Connect. `newId`: it gets another id. */
  connect(where: Where, teamId: string, newId = false): Channel {
    const channel = this.channel(where);
    channel.connectedTeams.add(teamId);
    const old = channel.id;
    if (newId) {
      this.workspace.channels.delete(old);
      channel.id = this.workspace.newId('C');
      this.workspace.channels.set(channel.id, channel);
      const ids = { old_channel_id: old, new_channel_id: channel.id };
      this.workspace.emit({ type: 'channel_id_changed', ...ids, event_ts: this.workspace.eventTs(channel) }, channel);
    }
    const shared = { type: 'channel_shared', connected_team_id: teamId, channel: channel.id };
    this.workspace.emit({ ...shared, event_ts: this.workspace.eventTs(channel) }, channel);
    return channel;
  }

  disconnect(where: Where, teamId: string): void {
    const channel = this.channel(where);
    channel.connectedTeams.delete(teamId);
    const event = { type: 'channel_unshared', previously_connected_team_id: teamId, channel: channel.id };
    const shared = { is_ext_shared: channel.connectedTeams.size > 0, event_ts: this.workspace.eventTs(channel) };
    this.workspace.emit({ ...event, ...shared }, channel);
  }

  /** The direct conversation of these people; with the app in it, the app is told of a new one. */
  direct(...who: Who[]): Channel {
    const members = who.map((each) => this.user(each).id);
    const { channel, created } = this.workspace.directOf(members);
    if (created && channel.kind === 'im') {
      const user = members[0];
      this.workspace.emit(
        { type: 'im_created', user, channel: channelJson(this.workspace, channel, user ?? '') },
        channel,
      );
    }
    return channel;
  }

  /** The direct conversation of somebody and the app. */
  directWithApp(...who: Who[]): Channel {
    return this.direct(...who, this.workspace.app.botUser);
  }

  // ——— commands and buttons

  slash(who: Who, where: Where, command: string, text = ''): SlashCall {
    return SlashCall.make(this.workspace, this.conversations, this.outbox, this.responses, {
      user: this.user(who),
      channel: this.channel(where),
      command,
      text,
      token: this.installation.app.verificationToken,
    });
  }

  press(who: Who, where: Where, what: What, button: { actionId: string; blockId?: string; value?: string }): SlashCall {
    const context = {
      user: this.user(who),
      channel: this.channel(where),
      token: this.installation.app.verificationToken,
    };
    const message = this.message(where, what);
    return pressed(this.workspace, this.conversations, this.outbox, this.responses, { ...context, message, ...button });
  }

  shortcut(who: Who, callbackId: string): void {
    const payload = shortcut(this.workspace, this.user(who), callbackId, this.installation.app.verificationToken);
    this.outbox.ask('interactive', payload);
  }

  private draft({ text, blocks, thread, broadcast, files }: Words): Draft {
    return {
      text: text === undefined ? mrkdwnOf(blocks ?? []) : normalise(text),
      ...((files ?? []).length > 0 ? {} : { clientMsgId: randomUUID() }),
      ...(blocks === undefined ? {} : { blocks }),
      ...(thread === undefined ? {} : { threadTs: thread, broadcast: broadcast === true }),
      ...(files === undefined ? {} : { files: files.map((file) => file.id) }),
    };
  }

  private tellUser(user: User, also: string | undefined): void {
    (user as { updated: number }).updated = this.workspace.seconds();
    const json = userJson(this.workspace, user);
    for (const type of ['user_change', ...(also === undefined ? [] : [also])]) {
      const cache = this.workspace.seconds();
      const ts = type === 'user_change' ? {} : { event_ts: this.workspace.eventTs() };
      this.workspace.emit({ type, user: json, cache_ts: cache, ...ts });
    }
  }

  private tellEmoji(change: Json): void {
    this.workspace.emit({ type: 'emoji_changed', ...change, event_ts: this.workspace.eventTs() });
  }
}
