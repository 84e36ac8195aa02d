import { Injectable, Logger } from '@nestjs/common';
import { IsNull, Not } from 'typeorm';
import { asAsked, backoff } from '../../persistence/backoff.js';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { DestinationEntity } from '../../persistence/entities/index.js';
import { selectRows } from '../../persistence/statements.js';
import { Wakeups } from '../../persistence/wakeups.js';
import type { ServerName } from '../../protocol/index.js';
import { RemoteRefusal } from '../../rooms/remote-servers.js';

const RETRY = { firstMs: 2_000, longestMs: 3_600_000 }; // profile §5
const MAX_ERROR = 500;
const SUCCESS_NOTED_MS = 60_000;
const RETRY_STATE = 'SELECT failing_since AS since, next_attempt_at AS next FROM destination WHERE server = ?';

/** Which servers answer and which do not, and when to try again (profile §5). */
@Injectable()
export class Destinations {
  private readonly logger = new Logger('Destinations');
  /** Servers that are known to be failing: the common case costs no look at the database. Other processes change it too: `refresh`. */
  private failing = new Map<ServerName, { lastFailureAt: number }>();
  private readonly successes = new Map<ServerName, number>();

  constructor(
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  /** How long the server is to be left alone, in ms. */
  async waitFor(server: ServerName): Promise<number> {
    const [row] = await selectRows<{ since: unknown; next: number | string }>(this.database.read, RETRY_STATE, [
      server,
    ]);
    if (row === undefined) return 0;
    if (row.since !== null && !this.failing.has(server)) this.failing.set(server, { lastFailureAt: 0 });
    return Math.max(0, Number(row.next) - this.clock.now());
  }

  /** Writes only what changes something for the admin: a recovery, or the first success in a while. */
  async succeeded(server: ServerName): Promise<void> {
    const now = this.clock.now();
    if (!this.failing.delete(server) && this.clock.since(this.successes.get(server) ?? 0) < SUCCESS_NOTED_MS) return;
    this.successes.set(server, now);
    await this.database.transaction((manager) =>
      manager.upsert(
        DestinationEntity,
        { server, failingSince: null, attempts: 0, nextAttemptAt: 0, lastError: null, lastSuccessAt: now },
        ['server'],
      ),
    );
  }

  async failed(server: ServerName, error: Error): Promise<void> {
    this.failing.set(server, { lastFailureAt: this.clock.now() });
    await this.database.transaction(async (manager) => {
      const now = this.clock.now();
      const row = await manager.findOneBy(DestinationEntity, { server });
      const attempts = (row?.attempts ?? 0) + 1;
      const asked = error instanceof RemoteRefusal ? error.retryAfterMs : undefined;
      await manager.upsert(
        DestinationEntity,
        {
          server,
          failingSince: row?.failingSince ?? now,
          attempts,
          nextAttemptAt: now + waitAfter(attempts, asked),
          lastError: error.message.slice(0, MAX_ERROR),
          lastSuccessAt: row?.lastSuccessAt ?? null,
        },
        ['server'],
      );
    });
  }

  /** As far as this process knows. */
  isFailing(server: ServerName): boolean {
    return this.failing.has(server);
  }

  /** Which servers fail now, whichever process has found it out. */
  async refresh(): Promise<void> {
    const rows = await this.database.read.findBy(DestinationEntity, { failingSince: Not(IsNull()) });
    this.failing = new Map(rows.map(({ server }) => [server, this.failing.get(server) ?? { lastFailureAt: 0 }]));
  }

  /**
   * A server that sends an authenticated request is up: what waits for it is tried at once. One that we have just failed to reach
   * does not make us try with each of its requests.
   */
  heardFrom(server: ServerName): void {
    const failing = this.failing.get(server);
    if (failing === undefined || this.clock.since(failing.lastFailureAt) < RETRY.firstMs) return;
    this.failing.delete(server);
    this.retryNow(server).catch((error: unknown) => {
      this.logger.error({ server, err: error }, 'its backoff could not be ended');
    });
  }

  /** Forgets the waiting time, not the failures. */
  async retryNow(server: ServerName): Promise<void> {
    await this.database.transaction(async (manager) => {
      await manager.update(DestinationEntity, { server }, { nextAttemptAt: 0, attempts: 0 });
      this.wakeups.wake('destination', server);
    });
  }
}

/** A server may ask for a longer rest than we would take, not for one of years; nor for none. */
function waitAfter(attempts: number, asked: number | undefined): number {
  if (asked === undefined) return backoff(RETRY, attempts);
  return asAsked(Math.max(asked, RETRY.firstMs));
}
