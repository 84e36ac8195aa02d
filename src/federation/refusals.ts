import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Metrics } from '../observability/metrics.js';
import { Clock } from '../persistence/clock.js';
import type { RoomId, ServerName } from '../protocol/index.js';

const MAX_SERVERS = 1_000;

/**
 * `denied`: by FEDERATION_ALLOW and FEDERATION_DENY; `denied_in_room`: by the lists of a mapping; `rate_limited`: asked too much.
 */
export type RefusalReason = 'denied' | 'denied_in_room' | 'rate_limited';

export interface ServerRefusals {
  /** What the server called itself: for `denied` that is not verified. */
  server: ServerName;
  counts: Partial<Record<RefusalReason, number>>;
  last: { reason: RefusalReason; roomId: RoomId | undefined; at: number };
}

/**
 * Whom this process has refused, and why, since its start. Not kept: strangers must not be able to fill our disk. Of the servers
 * that were refused last, a bounded number.
 */
@Injectable()
export class Refusals {
  private readonly servers = new LRUCache<ServerName, ServerRefusals>({ max: MAX_SERVERS });

  constructor(
    private readonly metrics: Metrics,
    private readonly clock: Clock,
  ) {}

  note(server: ServerName, reason: RefusalReason, roomId?: RoomId): void {
    this.metrics.federationRefusals.inc({ reason });
    const counts = this.servers.get(server)?.counts ?? {};
    this.servers.set(server, {
      server,
      counts: { ...counts, [reason]: (counts[reason] ?? 0) + 1 },
      last: { reason, roomId, at: this.clock.now() },
    });
  }

  /** Those refused last come first. */
  all(): ServerRefusals[] {
    return [...this.servers.values()];
  }
}
