import { LRUCache } from 'lru-cache';
import type { OutboundMessage } from '../port.js';
import { type Json, json, objects, present, timestamp } from './json.js';
import { SlackRefusal } from './slack-errors.js';
import type { WebApi } from './web-api.js';

const PAGE = 200;
/** So much of a channel is looked through. */
const MAX_PAGES = 25;
/** Clocks of other companies are not believed further than this. */
const LONGEST_MS = 7 * 24 * 3_600_000;
const SLACK_MS = 10 * 60_000;

interface Progress {
  oldest: string;
  cursor: string | undefined;
  pages: number;
}

/**
 * Looks whether a call whose answer is unknown has posted its message. What has been looked through is remembered: when Slack asks to
 * come back later, the search goes on where it stood.
 */
export class Reconciliation {
  private readonly progress = new LRUCache<string, Progress>({ max: 1_000, ttl: LONGEST_MS });

  constructor(
    private readonly api: WebApi,
    private readonly isIt: (message: Json, hash: string) => boolean,
    private readonly botId: () => string | undefined,
    private readonly now: () => number = () => Date.now(),
  ) {}

  /** ts of the message, undefined when it is not there. Rejects with PlatformError. */
  async find(channelId: string, message: OutboundMessage, hash: string): Promise<string | undefined> {
    if (message.visibleTo !== undefined) return undefined;
    const root = message.thread === undefined ? undefined : timestamp(message.thread.root);
    const at = this.progress.get(hash) ?? { oldest: this.oldest(message), cursor: undefined, pages: 0 };
    this.progress.set(hash, at);
    do {
      const page = await this.page(channelId, root, at);
      if (page === undefined) break;
      const found = objects(page.messages).find((each) => this.isOurs(each) && this.isIt(each, hash));
      const ts = timestamp(found?.ts);
      at.cursor = present(json(page.response_metadata).next_cursor);
      at.pages += 1;
      if (ts === undefined) continue;
      this.progress.delete(hash);
      return ts;
    } while (at.cursor !== undefined && at.pages < MAX_PAGES);
    this.progress.delete(hash);
    return undefined;
  }

  private async page(channelId: string, root: string | undefined, at: Progress): Promise<Json | undefined> {
    const args = {
      channel: channelId,
      oldest: at.oldest,
      limit: PAGE,
      include_all_metadata: true,
      ...(at.cursor === undefined ? {} : { cursor: at.cursor }),
    };
    try {
      return await (root === undefined
        ? this.api.call('conversations.history', args)
        : this.api.call('conversations.replies', { ...args, ts: root }));
    } catch (error) {
      // Where the app is not it has not posted; a thread that is gone holds nothing.
      const nothing = error instanceof SlackRefusal && NOTHING.has(error.word);
      if (nothing) return undefined;
      throw error;
    }
  }

  private isOurs(message: Json): boolean {
    const botId = this.botId();
    return botId === undefined || message.bot_id === undefined || message.bot_id === botId;
  }

  private oldest({ sentAt }: OutboundMessage): string {
    const now = this.now();
    const since = sentAt === undefined || sentAt > now ? now - LONGEST_MS : Math.max(sentAt, now - LONGEST_MS);
    return ((since - SLACK_MS) / 1_000).toFixed(6);
  }
}

const NOTHING = new Set(['not_in_channel', 'thread_not_found', 'channel_not_found']);
