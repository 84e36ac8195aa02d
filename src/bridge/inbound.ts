import { Injectable, Logger } from '@nestjs/common';
import { RoomMappings, channelOfKey } from '../mapping/room-mappings.js';
import { backoff } from '../persistence/backoff.js';
import type { InboxEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { type Lease, LeaseLost, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import type { InboundEvent } from '../platform/port.js';
import { InboundHandlers } from './inbound-handlers.js';
import { Inbox } from './inbox.js';
import { OnItsWay } from './native-ids.js';

const RETRY = { firstMs: 500, longestMs: 60_000 };
const FAILED_RETRY_MS = 5_000;

/** From native channels into rooms: one worker per lane, in the order in which people saw the events. */
@Injectable()
export class Inbound {
  private readonly logger = new Logger('Inbound');
  readonly loops: Loops<string>;

  constructor(
    leases: Leases,
    private readonly inbox: Inbox,
    private readonly handlers: InboundHandlers,
    private readonly mappings: RoomMappings,
  ) {
    this.loops = new Loops<string>(
      leases,
      'inbound',
      (key, lease) => this.run(key, lease),
      (channel, error) => {
        this.logger.error({ channel, err: error }, 'carrying from the channel failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  private async run(key: string, lease: Lease): Promise<number | undefined> {
    const lane = channelOfKey(key);
    while (!this.loops.stopped) {
      let mapping = await this.mappings.ofChannel(lane);
      if (mapping !== null && mapping.state !== 'active') return undefined;
      const rows = await this.inbox.waiting(lane);
      if (rows.length === 0) return undefined;
      for (const row of rows) {
        if (this.loops.stopped) return undefined;
        mapping ??= await this.mappings.ofChannel(lane); // the event before may have made it
        const wait = await this.attempt(mapping, row, lease);
        if (wait !== undefined) return wait;
      }
    }
    return undefined;
  }

  private async attempt(
    mapping: RoomMappingEntity | null,
    row: InboxEntity,
    lease: Lease,
  ): Promise<number | undefined> {
    const event = JSON.parse(row.payload) as InboundEvent;
    const handler = this.handlers.of(event);
    try {
      if (handler === undefined) throw new Error(`nobody carries native events of the type ${event.type}`);
      return await handler.carry({ event, row, mapping, lease });
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      return error instanceof OnItsWay ? error.waitMs : this.failed(row, lease, error);
    }
  }

  /** What comes after it waits: its lane keeps its order. The admin sees it, and may discard it. */
  private async failed(row: InboxEntity, lease: Lease, error: unknown): Promise<number> {
    const { platform, workspace, channelId, nativeEventId } = row;
    const attempts = row.attempts + 1;
    this.logger.warn(
      { platform, workspace, channelId, nativeEventId, attempts, err: error },
      'a native event could not be carried yet',
    );
    const reason = error instanceof Error ? error.message : String(error);
    await lease.transaction((manager) => this.inbox.noteFailure(manager, row, reason));
    return backoff(RETRY, attempts);
  }
}
