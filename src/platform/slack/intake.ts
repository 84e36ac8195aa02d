import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { InboundEvent } from '../port.js';
import type { Payload } from './events.js';
import { json, present, text } from './json.js';

const MAX_WAITING = 2_000;
const MAX_DONE = 20_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 15_000;
/** Some five minutes; Slack itself gives up after six. */
const MAX_TRIES = 25;

/** There is no room, or no way, to take this now: Slack shall send it again. */
export class NotTaken extends Error {}

/**
 * What Slack sends, in its order by channel, until it is committed. A repetition of what is under way waits with it. What cannot be
 * committed now is tried again here, so that nothing overtakes it in its channel; Slack's own repetitions come on top.
 */
export class Intake {
  private readonly logger = new Logger('SlackIntake');
  private readonly stopping = new AbortController();
  private readonly channels = new Map<string, Promise<unknown>>();
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly done = new LRUCache<string, true>({ max: MAX_DONE });

  constructor(
    private readonly workspace: string,
    private readonly convert: (payload: Payload) => Promise<InboundEvent[]>,
    private readonly accept: (events: InboundEvent[]) => Promise<void>,
  ) {}

  /** Resolves once it is durable. Rejects with NotTaken. */
  async take(payload: Payload): Promise<void> {
    const id = idOf(payload);
    if (id === undefined || this.done.has(id)) return;
    const running = this.underWay.get(id);
    if (running !== undefined) return running;
    if (this.stopping.signal.aborted || this.underWay.size >= MAX_WAITING) throw new NotTaken('too much waits already');
    const lane = laneOf(payload);
    const before = this.channels.get(lane) ?? Promise.resolve();
    const taken = before.then(() => this.untilTaken(payload, id));
    const settled = taken.then(
      () => undefined,
      () => undefined,
    );
    this.underWay.set(id, taken);
    this.channels.set(lane, settled);
    void settled.then(() => {
      this.underWay.delete(id);
      if (this.channels.get(lane) === settled) this.channels.delete(lane);
    });
    return taken;
  }

  /** Resolves when nothing is handed over any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([...this.channels.values()]);
  }

  private async untilTaken(payload: Payload, id: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      if (this.stopping.signal.aborted) throw new NotTaken('the gateway stops');
      try {
        const events = await this.convert(payload);
        if (events.length > 0) await this.accept(events);
        this.done.set(id, true);
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (tries >= MAX_TRIES) {
          this.logger.error(
            { workspace: this.workspace, id, reason },
            'an event of Slack cannot be taken; it was given back',
          );
          throw new NotTaken(reason);
        }
        this.logger.warn({ workspace: this.workspace, id, reason, tries }, 'an event of Slack is not taken yet');
        const wait = Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), LONGEST_RETRY_MS);
        await sleep(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }
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
