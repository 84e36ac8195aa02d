import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from './database.js';
import { LeaseEntity } from './entities/index.js';
import type { Durability } from './group-commit.js';
import { GatewayName } from './gateway-name.js';
import { PRESENCE } from './wakeup-relay.js';
import { Wakeups } from './wakeups.js';

/** A process that is paused for longer loses what it holds; so does one whose death nobody sees (its machine is gone). */
const LEASE_MS = 10_000;
const RENEW_MS = 2_000;
/** How long a lease that nobody uses is kept: acquiring and releasing it costs a write each. */
const LINGER_MS = 10_000;
const ASK_AGAIN_MS = 2_000;
const GATEWAY = 'gateway/';
/** The database's clock: those of several machines differ. */
const NOW = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;

/** Another process has taken over: what this one was about to write must not be written. */
export class LeaseLost extends Error {
  constructor(resource: string) {
    super(`the lease of ${resource} was lost`);
  }
}

/** The right to work on a resource. It can be lost at any time: what depends on it is written in its `transaction`. */
export interface Lease {
  readonly resource: string;
  /** Throws LeaseLost. As long as the transaction lasts nobody takes the lease over. */
  confirm(manager: EntityManager): Promise<void>;
  /** A transaction (or a part of the one around it) that is committed only if the lease is still held. */
  transaction<T>(work: (manager: EntityManager) => Promise<T>, durability?: Durability): Promise<T>;
}

interface Held {
  lease: Lease;
  token: number;
  /** On the clock of `performance.now()`. */
  heldUntil: number;
  restingSince: number | undefined;
}

/**
 * One holder of a resource at a time, over all gateway processes on one database. A token that grows with each change of holder is
 * checked in the transactions of the holder (fencing), so that a process that was paused cannot finish what another has
 * taken over. On SQLite there is one process, which always holds everything.
 */
@Injectable()
export class Leases implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly holder: string;
  private readonly logger = new Logger('Leases');
  private readonly held = new Map<string, Held>();
  /** Resources that another process holds: until when it is useless to ask. */
  private readonly foreign = new Map<string, number>();
  private gateways: readonly string[];
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly wakeups: Wakeups,
    gateway: GatewayName,
  ) {
    this.holder = gateway.value;
    this.gateways = [this.holder];
    // What was in other hands may be free.
    wakeups.on('lease', () => {
      this.foreign.clear();
    });
  }

  private get shared(): boolean {
    return this.database.engine === 'postgres';
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.shared) return;
    await this.renew();
    this.timer = setInterval(() => {
      this.renewing = this.renew().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'the leases could not be renewed');
      });
    }, RENEW_MS);
  }

  stopRenewing(): void {
    clearInterval(this.timer);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopRenewing();
    await this.renewing;
    await this.release([GATEWAY + this.holder]);
  }

  /** The gateway processes that are alive, this one among them. */
  alive(): readonly string[] {
    return this.gateways;
  }

  /** Whether this process holds a resource, or is the one that should take it when it is free: so work is spread. */
  prefers(resource: string): boolean {
    return this.held.has(resource) || this.isPreferred(resource);
  }

  /** undefined: another process holds it. Held until `release`, or until it has rested for a while. */
  async acquire(resource: string): Promise<Lease | undefined> {
    if (!this.shared) return new SoleLease(resource, this.database);
    const now = performance.now();
    const known = this.held.get(resource);
    if (known !== undefined && known.heldUntil > now) {
      known.restingSince = undefined;
      return known.lease;
    }
    this.held.delete(resource);
    if ((this.foreign.get(resource) ?? 0) > now) return undefined;
    const token = await this.take(resource, now);
    if (token === undefined) return undefined;
    const lease = new SharedLease(resource, token, this.database);
    this.held.set(resource, { lease, token, heldUntil: now + LEASE_MS, restingSince: undefined });
    return lease;
  }

  /** Waits for its turn. Rejects when `signal` aborts, or when the database fails. */
  async acquired(resource: string, signal: AbortSignal): Promise<Lease> {
    for (;;) {
      signal.throwIfAborted();
      const lease = await this.acquire(resource);
      if (lease !== undefined) return lease;
      await sleep(ASK_AGAIN_MS, undefined, { signal });
    }
  }

  /** The work is done for now: after a while another process may have the lease. */
  rest({ resource }: Lease): void {
    const held = this.held.get(resource);
    if (held !== undefined) held.restingSince = performance.now();
  }

  /** Gives leases back, so that others need not wait until they expire. */
  async release(resources: readonly string[]): Promise<void> {
    const ours = resources.filter((resource) => this.held.delete(resource));
    if (ours.length === 0) return;
    await this.database.transaction((manager) =>
      manager
        .createQueryBuilder()
        .update(LeaseEntity)
        .set({ expiresAt: 0 })
        .where('holder = :holder AND resource IN (:...ours)', { holder: this.holder, ours })
        .execute(),
    );
    this.wakeups.wake('lease', this.holder);
  }

  /** Gives back what this process holds of a kind: `kind/…`. */
  releaseAll(prefix: string): Promise<void> {
    return this.release([...this.held.keys()].filter((resource) => resource.startsWith(prefix)));
  }

  /** The token, when the resource is free or its lease has expired. Looks before it locks: most that ask get nothing. */
  private async take(resource: string, now: number): Promise<number | undefined> {
    const [taken] = await this.query<{ left: string }>(
      `SELECT expires_at - ${NOW} AS left FROM lease WHERE resource = $1 AND holder <> $2 AND expires_at > ${NOW}`,
      [resource, this.holder],
    );
    if (taken !== undefined) {
      this.foreign.set(resource, now + Math.min(LEASE_MS, Math.max(0, Number(taken.left))));
      return undefined;
    }
    const [row] = await this.query<{ token: string }>(
      `INSERT INTO lease (resource, holder, token, expires_at)
       VALUES ($1, $2, nextval('causeway_sequence'), ${NOW} + $3)
       ON CONFLICT (resource) DO UPDATE
         SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at
         WHERE lease.expires_at <= ${NOW} OR lease.holder = excluded.holder
       RETURNING token`,
      [resource, this.holder, LEASE_MS],
    );
    return row === undefined ? undefined : Number(row.token);
  }

  private async renew(): Promise<void> {
    await this.releaseIdle();
    const now = performance.now();
    for (const [resource, until] of this.foreign) if (until <= now) this.foreign.delete(resource);
    const rows = await this.query<{ resource: string; token: string }>(
      `WITH renewed AS (
         UPDATE lease SET expires_at = ${NOW} + $2 WHERE holder = $1 AND resource = ANY($3) AND expires_at > 0
         RETURNING resource, token)
       SELECT resource, token FROM renewed`,
      [this.holder, LEASE_MS, [...this.held.keys()]],
    );
    const renewed = new Map(rows.map(({ resource, token }) => [resource, Number(token)]));
    for (const [resource, held] of this.held) {
      if (renewed.get(resource) === held.token) held.heldUntil = now + LEASE_MS;
      else if (held.heldUntil <= now) this.held.delete(resource);
    }
    if (this.wakeups.present) await this.acquire(GATEWAY + this.holder);
    await this.freeAbandoned();
    const alive = await this.query<{ holder: string }>(
      `SELECT holder FROM lease WHERE resource LIKE '${GATEWAY}%' AND expires_at > ${NOW}`,
      [],
    );
    this.gateways = [...new Set([this.holder, ...alive.map(({ holder }) => holder)])];
  }

  /** What a process held that is gone, or that did not renew it: whoever sees it first tells all to look for the work that was left. */
  private async freeAbandoned(): Promise<void> {
    const freed = await this.query(
      `WITH gone AS (
         SELECT holder FROM lease
         WHERE resource LIKE '${GATEWAY}%' AND holder <> $1 AND NOT EXISTS (
           SELECT 1 FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND classid = $2
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND objid = (hashtext(holder)::bigint & 4294967295)::oid)),
       freed AS (
         UPDATE lease SET expires_at = 0
         WHERE expires_at > 0 AND (expires_at <= ${NOW} OR holder IN (SELECT holder FROM gone)) RETURNING resource)
       SELECT resource FROM freed`,
      [this.holder, PRESENCE],
    );
    await this.query(`DELETE FROM lease WHERE resource LIKE '${GATEWAY}%' AND expires_at = 0`, []);
    if (freed.length > 0) this.wakeups.wake('lease', this.holder);
  }

  /** The gateway with the highest weight: a gateway that comes or goes moves its own share alone (rendezvous hashing). */
  private isPreferred(resource: string): boolean {
    const ours = weight(this.holder, resource);
    return this.gateways.every((gateway) => gateway === this.holder || weight(gateway, resource) < ours);
  }

  private releaseIdle(): Promise<void> {
    const now = performance.now();
    const idle = [...this.held].filter(([resource, { restingSince }]) => {
      if (restingSince === undefined) return false;
      return now - restingSince > LINGER_MS || !this.isPreferred(resource);
    });
    return this.release(idle.map(([resource]) => resource));
  }

  private async query<T>(sql: string, parameters: unknown[]): Promise<T[]> {
    return this.database.transaction((manager) => manager.query<T[]>(sql, parameters));
  }
}

class SharedLease implements Lease {
  constructor(
    readonly resource: string,
    private readonly token: number,
    private readonly database: Database,
  ) {}

  async confirm(manager: EntityManager): Promise<void> {
    const sql = 'SELECT 1 FROM lease WHERE resource = $1 AND token = $2 FOR SHARE';
    const rows = await manager.query<unknown[]>(sql, [this.resource, this.token]);
    if (rows.length === 0) throw new LeaseLost(this.resource);
  }

  transaction<T>(work: (manager: EntityManager) => Promise<T>, durability?: Durability): Promise<T> {
    return this.database.transaction(async (manager) => {
      await this.confirm(manager);
      return work(manager);
    }, durability);
  }
}

class SoleLease implements Lease {
  constructor(
    readonly resource: string,
    private readonly database: Database,
  ) {}

  confirm(): Promise<void> {
    return Promise.resolve();
  }

  transaction<T>(work: (manager: EntityManager) => Promise<T>, durability?: Durability): Promise<T> {
    return this.database.transaction(work, durability);
  }
}

const weight = (gateway: string, resource: string): string =>
  createHash('sha256').update(`${gateway} ${resource}`).digest('hex');
