import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type InboundEvent, PlatformError } from '../port.js';
import type { Directory } from './directory.js';
import type { Events } from './events.js';
import { type Json, json, objects, present, timestamp } from './json.js';
import type { Identity } from './own-and-others.js';
import type { WebApi } from './web-api.js';

const PAGE = 200;
/** So much of one channel is fetched at most. */
const MAX_PAGES = 25;
/** Clocks, and what was on its way when we went down. */
const OVERLAP_S = 600;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 60_000;

/**
 * What was said while the gateway was away: Slack gives an event up after six minutes. Read from the channels in which the app is; what
 * came already is recognised by its id. Replies are found under messages of that time and the page before it. Deletes and reactions of
 * that time are not told by anything.
 */
export class CatchUp {
  private readonly logger = new Logger('SlackCatchUp');

  constructor(
    private readonly api: WebApi,
    private readonly directory: Directory,
    private readonly events: Events,
    private readonly accept: (events: InboundEvent[]) => Promise<void>,
    private readonly signal: AbortSignal,
  ) {}

  /** `seconds`: of the last thing that is known, since the epoch. Rejects when the gateway stops. */
  async since(seconds: number, us: Identity): Promise<void> {
    const from = Math.max(0, seconds - OVERLAP_S);
    const channels = await this.patiently(() => this.directory.joined('public_channel,private_channel,mpim'));
    for (const { id } of channels ?? []) await this.channel(id, from, us);
  }

  private async channel(channel: string, from: number, us: Identity): Promise<void> {
    const missed = await this.pages('conversations.history', { channel, oldest: from.toFixed(6) }, MAX_PAGES);
    const before = await this.pages('conversations.history', { channel, latest: from.toFixed(6) }, 1);
    const threads: Json[] = [];
    for (const parent of [...missed, ...before]) {
      if (Number(timestamp(parent.latest_reply) ?? 0) < from) continue;
      const replies = { channel, ts: parent.ts, oldest: from.toFixed(6) };
      const found = await this.pages('conversations.replies', replies, MAX_PAGES);
      threads.push(...found.filter(({ ts }) => ts !== parent.ts));
    }
    const edited = before.filter((message) => Number(timestamp(json(message.edited).ts) ?? 0) >= from);
    const all = new Map([...edited, ...missed, ...threads].map((message) => [String(message.ts), message]));
    const inOrder = [...all.values()].sort((one, other) => Number(one.ts) - Number(other.ts));
    for (const message of inOrder) {
      await this.patiently(async () => {
        const said = await this.events.ofHistory(message, channel, us);
        const edits = await this.events.editOfHistory(message, channel, us, from);
        const news = [...(said !== undefined && Number(message.ts) >= from ? [said] : []), ...edits];
        if (news.length > 0) await this.accept(news);
      });
    }
  }

  private async pages(method: string, args: Json, most: number): Promise<Json[]> {
    const out: Json[] = [];
    let cursor: string | undefined;
    for (let n = 0; n < most; n += 1) {
      const wanted = { ...args, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
      const page = await this.patiently(() => this.api.call(method, wanted));
      if (page === undefined) break;
      out.push(...objects(page.messages));
      cursor = present(json(page.response_metadata).next_cursor);
      if (cursor === undefined) return out;
    }
    if (most > 1 && cursor !== undefined)
      this.logger.warn({ method, args }, 'more was said while we were away than is fetched');
    return out;
  }

  /** Waits as Slack asks for; undefined: it is refused. */
  private async patiently<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await work();
      } catch (error) {
        if (this.signal.aborted) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.warn({ reason, failures }, 'what was missed cannot be read');
        if (error instanceof PlatformError && error.code !== 'unavailable') return undefined;
        const asked = error instanceof PlatformError ? error.options.retryAfterMs : undefined;
        const wait = asked ?? Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
        await sleep(wait, undefined, { signal: this.signal });
      }
    }
  }
}
