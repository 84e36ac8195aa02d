import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { InboundEvent } from '../port.js';
import type { Payload } from './events.js';
import { json, present, text, timestamp } from './json.js';

const MAX_WAITING = 2_000;
const MAX_DONE = 20_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 15_000;
/** Some five minutes; Slack itself gives up after six. */
const MAX_TRIES = 25;

/** There is no room, or no way, to take this now: Slack shall send it again. */
export class NotTaken extends Error {}

/** Events of one moment come over several connections: what is older goes first when it comes within this time. */
const SETTLE_MS = 25;

interface Waiting {
  readonly payload: Payload;
  readonly id: string;
  /** When it happened, in seconds. */
  readonly at: number;
  settle(error?: NotTaken): void;
}

/**
 * What Slack sends, in its order by channel, until it is committed. A repetition of what is under way waits with it. What cannot be
 * committed now is tried again here, so that nothing overtakes it in its channel; Slack's own repetitions come on top.
 */
export class Intake {
  private readonly logger = new Logger('SlackIntake');
  private readonly stopping = new AbortController();
  /** By channel, the oldest first. */
  private readonly lanes = new Map<string, Waiting[]>();
  private readonly workers = new Set<Promise<void>>();
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly done = new LRUCache<string, true>({ max: MAX_DONE });

  constructor(
    private readonly workspace: string,
    private readonly convert: (payload: Payload) => Promise<InboundEvent[]>,
    private readonly accept: (events: InboundEvent[]) => Promise<void>,
    /** What happened since then (ms since the epoch) must be looked for: it was given up here. */
    private readonly missed: (since: number) => void,
  ) {}

  /** Resolves once it is durable. Rejects with NotTaken. */
  async take(payload: Payload): Promise<void> {
    const id = idOf(payload);
    if (id === undefined || this.done.has(id)) return;
    const running = this.underWay.get(id);
    if (running !== undefined) return running;
    if (this.stopping.signal.aborted || this.underWay.size >= MAX_WAITING) throw new NotTaken('too much waits already');
    const taken = new Promise<void>((resolve, reject) => {
      const settle = (error?: NotTaken): void => {
        this.underWay.delete(id);
        if (error === undefined) resolve();
        else reject(error);
      };
      this.enqueue(laneOf(payload), { payload, id, at: secondsOf(payload), settle });
    });
    this.underWay.set(id, taken);
    return taken;
  }

  /** Resolves when nothing is handed over any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.workers);
  }

  private enqueue(name: string, waiting: Waiting): void {
    const lane = this.lanes.get(name);
    if (lane !== undefined) {
      const behind = lane.findLastIndex(({ at }) => at <= waiting.at);
      lane.splice(behind + 1, 0, waiting);
      return;
    }
    this.lanes.set(name, [waiting]);
    const worker = this.work(name);
    this.workers.add(worker);
    void worker.then(() => this.workers.delete(worker));
  }

  private async work(name: string): Promise<void> {
    await this.pause(SETTLE_MS);
    const lane = this.lanes.get(name) ?? [];
    for (let next = lane.shift(); next !== undefined; next = lane.shift()) next.settle(await this.untilTaken(next));
    this.lanes.delete(name);
  }

  /** Resolves with why it was given up. */
  private async untilTaken({ payload, id, at }: Waiting): Promise<NotTaken | undefined> {
    for (let tries = 1; !this.stopping.signal.aborted; tries += 1) {
      try {
        const events = await this.convert(payload);
        if (events.length > 0) await this.accept(events);
        this.done.set(id, true);
        return undefined;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (tries >= MAX_TRIES) {
          this.logger.error({ workspace: this.workspace, id, reason }, 'an event of Slack is given back untaken');
          this.missed(at * 1_000);
          return new NotTaken(reason);
        }
        this.logger.warn({ workspace: this.workspace, id, reason, tries }, 'an event of Slack is not taken yet');
        await this.pause(Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), LONGEST_RETRY_MS));
      }
    }
    return new NotTaken('the gateway stops');
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}

function secondsOf({ kind, body }: Payload): number {
  const { event_ts: stamp, ts } = kind === 'event' ? json(body.event) : {};
  const at = timestamp(stamp) ?? timestamp(ts);
  return at === undefined ? Date.now() / 1_000 : Number(at);
}

function idOf({ kind, body }: Payload): string | undefined {
  if (kind === 'event') return present(body.event_id);
  const trigger = present(body.trigger_id);
  return trigger === undefined ? undefined : `${kind}:${trigger}`;
}

function laneOf({ kind, body }: Payload): string {
  if (kind === 'command') return text(body.channel_id);
  if (kind === 'action') return text(json(body.channel).id);
  const { channel, item, user } = json(body.event);
  return present(channel) ?? present(json(channel).id) ?? present(json(item).channel) ?? present(json(user).id) ?? '';
}
