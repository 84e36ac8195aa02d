import { canonicalEmoji } from './emoji.js';
import { type Channel, type Json, type Mention, type Message, type StoredFile, SlackError, without } from './model.js';
import { mentionsInJson, mentionsInText, richTextOf } from './mrkdwn.js';
import { channelJson, messageJson, teamOf } from './shapes.js';
import type { Workspace } from './workspace.js';

export interface Draft {
  user?: string;
  botId?: string;
  appId?: string;
  username?: string;
  icons?: Json;
  subtype?: string;
  text: string;
  /** What the author gave; Slack makes them of the text otherwise. */
  blocks?: Json[];
  attachments?: Json[];
  files?: readonly string[];
  threadTs?: string;
  broadcast?: boolean;
  clientMsgId?: string;
  metadata?: Json;
  extra?: Json;
}

export interface Change {
  text?: string;
  blocks?: Json[];
  attachments?: Json[];
  files?: readonly string[];
  metadata?: Json;
  broadcast?: boolean;
}

/** Everything that changes a conversation, each with the events that Slack sends for it. */
export class Conversations {
  constructor(private readonly workspace: Workspace) {}

  /** Throws nothing of Slack's: who may is asked before. */
  post(channel: Channel, draft: Draft): Message {
    const parent = draft.threadTs === undefined ? undefined : channel.messages.find((m) => m.ts === draft.threadTs);
    const blocksGiven = draft.blocks !== undefined && draft.blocks.length > 0;
    const message: Message = {
      ...without({
        user: draft.user,
        botId: draft.botId,
        appId: draft.appId,
        username: draft.username,
        icons: draft.icons,
        clientMsgId: draft.clientMsgId,
        metadata: draft.metadata,
        threadTs: draft.threadTs,
      }),
      ts: this.workspace.nextTs(channel),
      subtype: draft.broadcast === true && parent !== undefined ? 'thread_broadcast' : draft.subtype,
      text: draft.text,
      blocks: this.withIds(blocksGiven ? (draft.blocks ?? []) : this.blocksOf(draft.text, draft.subtype)),
      blocksGiven,
      attachments: draft.attachments ?? [],
      files: [...(draft.files ?? [])],
      broadcast: draft.broadcast === true && parent !== undefined,
      reactions: new Map(),
      extra: draft.extra ?? {},
      hidden: false,
      notified: [],
    };
    if (parent !== undefined) parent.threadTs = parent.ts;
    message.notified = mentionsOf(message);
    channel.messages.push(message);
    channel.posted += 1;
    for (const id of message.files) this.share(channel, message, this.workspace.files.get(id));
    this.tell(channel, { ...messageJson(this.workspace, channel, message, { root: true }), event_ts: message.ts });
    this.tellMention(channel, message);
    return message;
  }

  edit(channel: Channel, message: Message, change: Change, by: string): void {
    const before = messageJson(this.workspace, channel, message);
    const known = message.notified;
    if (change.text !== undefined) message.text = change.text;
    if (change.blocks !== undefined && change.blocks.length > 0) {
      message.blocks = this.withIds(change.blocks);
      message.blocksGiven = true;
    } else if (change.blocks !== undefined || (change.text !== undefined && !message.blocksGiven)) {
      message.blocks = this.withIds(this.blocksOf(message.text, message.subtype));
      message.blocksGiven = false;
    }
    if (change.attachments !== undefined) message.attachments = change.attachments;
    if (change.files !== undefined) message.files = [...change.files];
    if (change.metadata !== undefined)
      message.metadata = Object.keys(change.metadata).length > 0 ? change.metadata : undefined;
    if (change.broadcast === true && message.threadTs !== undefined) message.broadcast = true;
    const ts = this.workspace.nextTs(channel);
    message.edited = { user: by, ts: `${ts.slice(0, -6)}000000` };
    const added = mentionsOf(message).filter((mention) => !known.some((old) => sameMention(old, mention)));
    message.notified = [...known, ...added];
    this.tellChanged(channel, messageJson(this.workspace, channel, message), before, ts);
  }

  /** Slack shows a preview of a link: the message changes, nobody edited it. */
  unfurl(channel: Channel, message: Message, attachment: Json): void {
    const before = messageJson(this.workspace, channel, message);
    message.attachments = [...message.attachments, attachment];
    const ts = this.workspace.nextTs(channel);
    this.tellChanged(channel, messageJson(this.workspace, channel, message), before, ts);
  }

  /** A message with replies leaves a tombstone, which goes with the last reply. */
  remove(channel: Channel, message: Message): void {
    const before = messageJson(this.workspace, channel, message);
    if (message.ts === message.threadTs && this.workspace.replies(channel, message.ts).length > 0) {
      const tombstone: Message = {
        ts: message.ts,
        threadTs: message.ts,
        subtype: 'tombstone',
        user: 'USLACKBOT',
        text: 'This message was deleted.',
        blocks: [],
        blocksGiven: false,
        attachments: [],
        files: [],
        broadcast: false,
        reactions: new Map(),
        extra: {},
        hidden: true,
        notified: message.notified,
      };
      channel.messages.splice(channel.messages.indexOf(message), 1, tombstone);
      const ts = this.workspace.nextTs(channel);
      this.tellChanged(channel, messageJson(this.workspace, channel, tombstone), before, ts);
      return;
    }
    channel.messages.splice(channel.messages.indexOf(message), 1);
    this.tellDeleted(channel, message.ts, before);
    const parent = channel.messages.find((each) => each.ts === message.threadTs);
    if (parent === undefined || this.workspace.replies(channel, parent.ts).length > 0) return;
    if (parent.subtype === 'tombstone') this.remove(channel, parent);
    else parent.threadTs = undefined;
  }

  react(channel: Channel, message: Message, user: string, emoji: string): void {
    const name = canonicalEmoji(emoji, this.workspace.emoji);
    if (name === undefined) throw new SlackError('invalid_name');
    const users = message.reactions.get(name) ?? [];
    if (users.includes(user)) throw new SlackError('already_reacted');
    if (users.length === 0 && message.reactions.size >= 50) throw new SlackError('too_many_emoji');
    message.reactions.set(name, [...users, user]);
    this.tellReaction('reaction_added', channel, message, user, name);
  }

  unreact(channel: Channel, message: Message, user: string, emoji: string): void {
    const name = canonicalEmoji(emoji, this.workspace.emoji);
    if (name === undefined) throw new SlackError('invalid_name');
    const users = message.reactions.get(name) ?? [];
    if (!users.includes(user)) throw new SlackError('no_reaction');
    const rest = users.filter((each) => each !== user);
    if (rest.length === 0) message.reactions.delete(name);
    else message.reactions.set(name, rest);
    this.tellReaction('reaction_removed', channel, message, user, name);
  }

  join(channel: Channel, user: string, inviter?: string): void {
    if (channel.members.has(user)) return;
    channel.members.add(user);
    channel.updated = this.workspace.now();
    const team = teamOf(this.workspace, user);
    const word = channel.kind === 'group' ? 'group_join' : 'channel_join';
    const place = channel.kind === 'group' ? 'group' : 'channel';
    if (channel.kind !== 'mpim' && channel.kind !== 'im') {
      this.notice(channel, user, word, `<@${user}> has joined the ${place}`, inviter === undefined ? {} : { inviter });
    }
    this.workspace.emit(
      without({
        type: 'member_joined_channel',
        user,
        channel: channel.id,
        channel_type: channelLetter(channel),
        team,
        inviter,
        event_ts: this.workspace.eventTs(channel),
      }),
      channel,
    );
  }

  leave(channel: Channel, user: string): void {
    if (!channel.members.has(user)) return;
    const place = channel.kind === 'group' ? 'group' : 'channel';
    // The one who goes is told too, when it is the app: channel_left, and the event of its leaving.
    this.notice(channel, user, `${place}_leave`, `<@${user}> has left the ${place}`, {});
    const team = teamOf(this.workspace, user);
    const common = { channel: channel.id, event_ts: this.workspace.eventTs(channel) };
    const event = { type: 'member_left_channel', user, channel_type: channelLetter(channel), team, ...common };
    this.workspace.emit(event, channel);
    if (user === this.workspace.app.botUser) {
      this.workspace.emit({ type: `${place}_left`, actor_id: user, ...common }, channel);
    }
    channel.members.delete(user);
    channel.updated = this.workspace.now();
  }

  setHeading(channel: Channel, which: 'topic' | 'purpose', value: string, user: string): void {
    channel[which] = { value, creator: user, lastSet: this.workspace.seconds() };
    const place = channel.kind === 'group' ? 'group' : 'channel';
    const text = value === '' ? `cleared the ${place} ${which}` : `set the ${place} ${which}: ${value}`;
    this.notice(channel, user, `${place}_${which}`, text, { [which]: value });
  }

  rename(channel: Channel, name: string, user: string): void {
    const old = channel.name;
    channel.previousNames.push(old);
    channel.name = name;
    channel.updated = this.workspace.now();
    const place = channel.kind === 'group' ? 'group' : 'channel';
    const text = `has renamed the ${place} from "${old}" to "${name}"`;
    this.notice(channel, user, `${place}_name`, text, { old_name: old, name });
    const json = channelJson(this.workspace, channel, user);
    const { id, is_channel, is_mpim, name_normalized, created } = json;
    const renamed = { id, is_channel, is_mpim, name, name_normalized, created };
    this.workspace.emit(
      { type: `${place}_rename`, channel: renamed, event_ts: this.workspace.eventTs(channel) },
      channel,
    );
  }

  setArchived(channel: Channel, archived: boolean, user: string): void {
    const place = channel.kind === 'group' ? 'group' : 'channel';
    const did = archived ? 'archive' : 'unarchive';
    if (!archived) channel.archived = false;
    this.notice(channel, user, `${place}_${did}`, `${did}d the ${place}`, {});
    channel.archived = archived;
    channel.updated = this.workspace.now();
    const moved = archived ? { is_moved: 0 } : {};
    const actor = place === 'group' && !archived ? { actor_id: user } : { user };
    const event = { type: `${place}_${did}`, channel: channel.id, ...actor, ...moved };
    this.workspace.emit({ ...event, event_ts: this.workspace.eventTs(channel) }, channel);
  }

  pin(channel: Channel, message: Message, user: string): void {
    if (channel.pins.some((pin) => pin.ts === message.ts)) throw new SlackError('already_pinned');
    channel.pins.push({ ts: message.ts, user, created: this.workspace.seconds() });
    this.tellPin('pin_added', channel, message, user);
  }

  unpin(channel: Channel, message: Message, user: string): void {
    const index = channel.pins.findIndex((pin) => pin.ts === message.ts);
    if (index < 0) throw new SlackError('no_pin');
    channel.pins.splice(index, 1);
    this.tellPin('pin_removed', channel, message, user);
  }

  deleteFile(file: StoredFile): void {
    file.deleted = true;
    const channels = [...new Set(file.shares.map((share) => share.channel))];
    const event = { type: 'file_deleted', file_id: file.id, channel_ids: channels, event_ts: this.workspace.eventTs() };
    this.workspace.emit(event);
    for (const { channel: id, ts } of file.shares) {
      const channel = this.workspace.channels.get(id);
      const message = channel?.messages.find((each) => each.ts === ts);
      if (channel === undefined || message === undefined) continue;
      // A message that was nothing but the file goes with it; another keeps a tombstone of the file.
      if (message.text === '' && message.files.length === 1) this.remove(channel, message);
      else {
        const json = messageJson(this.workspace, channel, message);
        this.tellChanged(channel, json, json, this.workspace.nextTs(channel));
      }
    }
  }

  private notice(channel: Channel, user: string, subtype: string, text: string, extra: Json): void {
    this.post(channel, { user, subtype, text, extra });
  }

  private blocksOf(text: string, subtype: string | undefined): Json[] {
    const spoken = subtype === undefined || ['bot_message', 'file_share', 'thread_broadcast'].includes(subtype);
    if (!spoken || text === '') return [];
    return [{ type: 'rich_text', elements: richTextOf(text) }];
  }

  private withIds(blocks: readonly Json[]): Json[] {
    return blocks.map((block) =>
      'block_id' in block ? block : { ...block, block_id: this.workspace.newId('b').slice(-5) },
    );
  }

  private share(channel: Channel, message: Message, file: StoredFile | undefined): void {
    if (file === undefined) return;
    file.shares.push({ channel: channel.id, ts: message.ts });
    const event = {
      type: 'file_shared',
      file_id: file.id,
      user_id: file.user,
      file: { id: file.id },
      channel_id: channel.id,
    };
    this.workspace.emit({ ...event, event_ts: this.workspace.eventTs(channel) }, channel);
  }

  private tell(channel: Channel, event: Json): void {
    this.workspace.emit({ ...event, channel: channel.id, channel_type: channel.kind }, channel);
  }

  private tellChanged(channel: Channel, message: Json, previous: Json, ts: string): void {
    const event = { type: 'message', subtype: 'message_changed', message, previous_message: previous, hidden: true };
    this.tell(channel, { ...event, ts, event_ts: ts });
  }

  private tellDeleted(channel: Channel, deleted: string, previous: Json): void {
    const ts = this.workspace.nextTs(channel);
    const event = { type: 'message', subtype: 'message_deleted', previous_message: previous, hidden: true };
    this.tell(channel, { ...event, deleted_ts: deleted, ts, event_ts: ts });
  }

  private tellMention(channel: Channel, message: Message): void {
    const { botUser } = this.workspace.app;
    if (message.user === botUser || message.botId !== undefined || message.subtype !== undefined) return;
    if (channel.kind === 'im' || !message.notified.some((mention) => mention.id === botUser)) return;
    const json = messageJson(this.workspace, channel, message);
    this.workspace.emit({ ...json, type: 'app_mention', channel: channel.id, event_ts: message.ts }, channel);
  }

  private tellReaction(type: string, channel: Channel, message: Message, user: string, reaction: string): void {
    const item = { type: 'message', channel: channel.id, ts: message.ts };
    const event = { type, user, reaction, item, item_user: message.user, event_ts: this.workspace.eventTs(channel) };
    this.workspace.emit(without(event), channel);
  }

  private tellPin(type: string, channel: Channel, message: Message, user: string): void {
    const json = messageJson(this.workspace, channel, message);
    const permalink = `${this.workspace.origin()}/archives/${channel.id}/p${message.ts.replace('.', '')}`;
    const created = this.workspace.seconds();
    const item = { type: 'message', created, created_by: user, channel: channel.id, message: { ...json, permalink } };
    const event = {
      type,
      user,
      channel_id: channel.id,
      item,
      item_user: message.user,
      pin_count: channel.pins.length,
      pinned_info: { channel: channel.id, pinned_by: user, pinned_ts: created },
      event_ts: this.workspace.eventTs(channel),
      ...(type === 'pin_removed' ? { has_pins: channel.pins.length > 0 } : {}),
    };
    this.workspace.emit(without(event), channel);
  }
}

/** The letter that member events give for the kind of channel. */
const channelLetter = (channel: Channel): string => (channel.kind === 'channel' ? 'C' : 'G');

const SYSTEM = /^(channel|group)_/;

/** Whom a message notifies. Blocks that Slack made of the text mention whom the text mentions: told once. */
export function mentionsOf(
  message: Pick<Message, 'text' | 'blocks' | 'blocksGiven' | 'attachments' | 'subtype'>,
): Mention[] {
  if (SYSTEM.test(message.subtype ?? '')) return [];
  const blocks = message.blocksGiven ? mentionsInJson(message.blocks, 'blocks') : [];
  const all = [
    ...blocks,
    ...mentionsInText(message.text, 'text'),
    ...message.attachments.flatMap((attachment) => mentionsInJson(attachment, 'attachments')),
  ];
  return all.filter((mention, index) => all.findIndex((each) => sameMention(each, mention)) === index);
}

const sameMention = (a: Mention, b: Mention): boolean => a.kind === b.kind && a.id === b.id;
