import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type Call, type NativeMessageRef, type OutboundMessage, PlatformError, type RemoteAuthor } from '../port.js';
import type { Emoji } from '../../message/index.js';
import { emojiName } from './convert/emoji.js';
import { type Rights, buttons, cut, fallbackText, textElement, toSlack } from './convert/to-slack.js';
import { METADATA_TYPE, privateId } from './own-and-others.js';
import type { Files } from './files.js';
import { type Json, isJson, isUserId, json, present, text, timestamp } from './json.js';
import type { Reconciliation } from './reconciliation.js';
import { SlackRefusal } from './slack-errors.js';
import type { WebApi } from './web-api.js';

const MAX_USERNAME = 80;
const MAX_KEYS = 20_000;

export interface SenderParts {
  api: WebApi;
  files: Files;
  reconciliation: Reconciliation;
  rights: Rights;
  avatarUrl: (mxc: string) => string | undefined;
  /** A private notice where the app cannot speak, in answer to a command. False: there is no such way. */
  respond: (channelId: string, userId: string, message: Json) => Promise<boolean>;
  weDelete: (channelId: string, ts: string) => void;
}

/** What the bridge says, into Slack. All methods reject with PlatformError. */
export class Sender {
  /** Keys whose attempts so far, all of this process, certainly did nothing: they need not be looked for. */
  private readonly undone = new LRUCache<string, true>({ max: MAX_KEYS });
  /** What this process has posted. */
  private readonly posted = new LRUCache<string, string>({ max: MAX_KEYS });

  constructor(private readonly parts: SenderParts) {}

  async send(channelId: string, message: OutboundMessage, call: Call): Promise<{ nativeId: string }> {
    const known = this.posted.get(call.key);
    if (known !== undefined) return { nativeId: known };
    if (call.repeated && !this.undone.has(call.key)) {
      const before = await this.parts.reconciliation.find(channelId, message, keyHash(call.key));
      if (before !== undefined) return this.keep(call.key, before);
    }
    try {
      return this.keep(call.key, await this.post(channelId, message, call));
    } catch (error) {
      const undone = error instanceof PlatformError && error.options.certainlyNotDone;
      if (undone && (!call.repeated || this.undone.has(call.key))) this.undone.set(call.key, true);
      else this.undone.delete(call.key);
      throw error;
    }
  }

  async edit({ channelId, nativeId }: NativeMessageRef, to: OutboundMessage): Promise<void> {
    if (timestamp(nativeId) === undefined) return; // a private notice stays as it is
    const blocks = [...this.blocks(to), ...buttons(to.actions ?? [])];
    await this.parts.api.call('chat.update', {
      channel: channelId,
      ts: nativeId,
      text: this.fallback(to),
      blocks,
      parse: 'none',
    });
  }

  async delete({ channelId, nativeId }: NativeMessageRef): Promise<void> {
    if (timestamp(nativeId) === undefined) return;
    this.parts.weDelete(channelId, nativeId);
    await this.parts.files.deleteOf(channelId, nativeId);
    await settled(this.parts.api.call('chat.delete', { channel: channelId, ts: nativeId }), 'message_not_found');
  }

  async react({ channelId, nativeId }: NativeMessageRef, emoji: Emoji, change: 'add' | 'remove'): Promise<void> {
    const name = emojiName(emoji);
    if (name === undefined) throw noSuchEmoji(emoji);
    const args = { channel: channelId, timestamp: nativeId, name };
    try {
      if (change === 'add') await settled(this.parts.api.call('reactions.add', args), 'already_reacted');
      else await settled(this.parts.api.call('reactions.remove', args), 'no_reaction');
    } catch (error) {
      throw error instanceof SlackRefusal && error.word === 'invalid_name' ? noSuchEmoji(emoji) : error;
    }
  }

  private async post(channelId: string, message: OutboundMessage, call: Call): Promise<string> {
    if (message.visibleTo !== undefined) return this.whisper(channelId, message, message.visibleTo);
    if (message.body.attachments.length > 0) return this.withFiles(channelId, message, call);
    const args = {
      channel: channelId,
      ...this.content(message),
      ...authorOf(message.author, this.parts.avatarUrl),
      ...threadOf(message),
      metadata: { event_type: METADATA_TYPE, event_payload: { key: keyHash(call.key) } },
    };
    const answer = await this.inChannel(channelId, () => this.parts.api.call('chat.postMessage', args));
    const ts = timestamp(answer.ts);
    if (ts !== undefined) return ts;
    throw new PlatformError('unavailable', 'Slack did not say under which ts it posted', { certainlyNotDone: false });
  }

  /** Slack shows a file under the app's name alone: the author's stands in the words beside it. */
  private async withFiles(channelId: string, message: OutboundMessage, call: Call): Promise<string> {
    const head = message.author === undefined ? [] : [textElement(username(message.author), ['bold'])];
    const first = { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: head }] };
    const blocks = [...(head.length > 0 ? [first] : []), ...this.blocks(message)];
    const marked = blocks.map((block, n) => (n === 0 ? { ...block, block_id: keyHash(call.key) } : block));
    return this.inChannel(channelId, () =>
      this.parts.files.share(
        channelId,
        message.body.attachments,
        {
          blocks: marked,
          ...threadOf(message, true),
        },
        call.key,
      ),
    );
  }

  private async whisper(channelId: string, message: OutboundMessage, users: readonly string[]): Promise<string> {
    let ts: string | undefined;
    for (const user of users.filter(isUserId)) {
      const content = this.content(message);
      try {
        const args = { channel: channelId, user, ...content, ...threadOf(message, true) };
        ts = present((await this.parts.api.call('chat.postEphemeral', args)).message_ts);
      } catch (error) {
        if (!(error instanceof SlackRefusal) || !ELSEWHERE.has(error.word)) throw error;
        if (!(await this.parts.respond(channelId, user, content))) await this.direct(user, content);
      }
    }
    return privateId(ts ?? '0');
  }

  private async direct(user: string, content: Json): Promise<void> {
    const { channel } = await this.parts.api.call('conversations.open', { users: user });
    await this.parts.api.call('chat.postMessage', { channel: text(json(channel).id), ...content });
  }

  private content(message: OutboundMessage): Json {
    const blocks = [...this.blocks(message), ...buttons(message.actions ?? [])];
    return {
      text: this.fallback(message) || ' ',
      ...(blocks.length === 0 ? {} : { blocks }),
      parse: 'none',
      link_names: false,
      mrkdwn: false,
    };
  }

  private blocks({ body }: OutboundMessage): Json[] {
    return toSlack(body, this.parts.rights);
  }

  private fallback({ body }: OutboundMessage): string {
    return fallbackText(body);
  }

  private keep(key: string, nativeId: string): { nativeId: string } {
    this.posted.set(key, nativeId);
    this.undone.delete(key);
    return { nativeId };
  }

  /** A public channel in which the app is not is one that it can join. */
  private async inChannel<T>(channelId: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof SlackRefusal) || error.word !== 'not_in_channel') throw error;
      try {
        await this.parts.api.call('conversations.join', { channel: channelId });
      } catch (join) {
        throw join instanceof PlatformError && join.code === 'unavailable' ? join : error;
      }
      return call();
    }
  }
}

/** Nobody is told privately where they, or the app, are not. */
const ELSEWHERE = new Set(['user_not_in_channel', 'not_in_channel', 'channel_not_found', 'is_archived']);

/** What Slack keeps of a key: short, and nobody's secret. */
export const keyHash = (key: string): string => `cw-${createHash('sha256').update(key).digest('hex').slice(0, 40)}`;

/** “Ada · globex.example” */
export function username({ displayName, server }: RemoteAuthor): string {
  const end = ` · ${server}`;
  const name = displayName.replace(/[\s\p{C}]+/gu, ' ').trim();
  return `${cut(name, Math.max(MAX_USERNAME - end.length, 10))}${end}`;
}

function authorOf(author: RemoteAuthor | undefined, avatarUrl: (mxc: string) => string | undefined): Json {
  if (author === undefined) return {};
  const icon = author.avatar === undefined ? undefined : avatarUrl(author.avatar);
  return { username: username(author), ...(icon === undefined ? {} : { icon_url: icon }) };
}

function threadOf({ thread }: OutboundMessage, privately = false): Json {
  if (thread === undefined || timestamp(thread.root) === undefined) return {};
  return { thread_ts: thread.root, ...(thread.alsoToChannel === true && !privately ? { reply_broadcast: true } : {}) };
}

async function settled(call: Promise<unknown>, fine: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof SlackRefusal) || error.word !== fine) throw error;
  }
}

const noSuchEmoji = ({ shortcode, unicode }: Emoji): PlatformError =>
  new PlatformError('invalid', `Slack has no emoji ${unicode ?? `:${shortcode}:`}`, { certainlyNotDone: true });

export const isMessageOf = (message: Json, hash: string): boolean => {
  const metadata = json(message.metadata);
  if (metadata.event_type === METADATA_TYPE && json(metadata.event_payload).key === hash) return true;
  return Array.isArray(message.blocks) && message.blocks.some((block) => isJson(block) && block.block_id === hash);
};
