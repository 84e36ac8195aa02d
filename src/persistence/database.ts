import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type DataSource, type EntityManager, QueryFailedError } from 'typeorm';
import { backoff } from './backoff.js';
import { type Durability, GroupCommit } from './group-commit.js';
import { sqliteConnection } from './statements.js';
import { unavailabilityOf } from './unavailability.js';

interface Transaction {
  readonly manager: EntityManager;
  readonly durability: Durability;
  readonly afterCommit: (() => void)[];
  open: boolean;
}

/** serialization_failure and deadlock_detected: the database says that the same transaction may succeed if it is repeated. */
const REPEATABLE = new Set(['40001', '40P01']);
const MAX_REPETITIONS = 20;
const REPEAT = { firstMs: 2, longestMs: 200 };
/** After the last failure: so soon it is found out whether the database can be written again. */
const PROBE_MS = 1_000;

/** Why nothing can be written. */
export interface DatabaseFailure {
  /** In words for an operator. */
  reason: string;
  /** ms since the epoch */
  since: number;
}

/**
 * The unit of work, and the only door to the database: every write goes through `transaction`, every read through `read`.
 *
 * On SQLite all query runners of a data source share one connection, so two concurrent transactions would nest as
 * savepoints and roll each other back. Writers take turns (GroupCommit), and reads outside a transaction use a second,
 * read-only connection, so that they see committed rows alone.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  private readonly current = new AsyncLocalStorage<Transaction>();
  private readonly logger = new Logger('Database');
  private lastFailure: DatabaseFailure | undefined;
  private probing: NodeJS.Timeout | undefined;
  private closing = false;

  /** SQLite alone: there is one connection that writes. */
  private readonly sole: { groups: GroupCommit; manager: EntityManager } | undefined;

  constructor(
    private readonly writer: DataSource,
    private readonly reader: DataSource,
  ) {
    const connection = sqliteConnection(writer.manager);
    this.sole = connection && {
      groups: new GroupCommit(connection),
      manager: writer.createEntityManager(writer.createQueryRunner()),
    };
  }

  get engine(): 'sqlite' | 'postgres' {
    return this.writer.options.type === 'postgres' ? 'postgres' : 'sqlite';
  }

  /** The transaction's own manager inside of one, else committed data. Not for writing. */
  get read(): EntityManager {
    const transaction = this.current.getStore();
    return transaction?.open ? transaction.manager : this.reader.manager;
  }

  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects (and the rejection passed on).
   * Inside of another transaction it joins that one. Nothing slow (a request to another server) belongs in it. `work` runs again
   * when PostgreSQL asks for it, after a deadlock or (distributed engines) a conflict. `relaxed` is for what may be done again
   * after the machine (not the process) was lost, and for nothing that anybody is told of (docs/adr/0010).
   */
  async transaction<T>(work: (manager: EntityManager) => Promise<T>, durability: Durability = 'synced'): Promise<T> {
    const outer = this.current.getStore();
    if (outer?.open) {
      if (outer.durability === 'relaxed' && durability === 'synced') {
        throw new Error('what must be on the disk cannot be a part of what need not');
      }
      return work(outer.manager);
    }
    for (let repetitions = 1; ; repetitions++) {
      try {
        return await this.begin(work, durability);
      } catch (error) {
        if (!isRepeatable(error) || repetitions > MAX_REPETITIONS) throw error;
        await sleep(backoff(REPEAT, repetitions));
      }
    }
  }

  /** Runs `effect` once the current transaction is committed (never when it is rolled back); at once outside of one. */
  afterCommit(effect: () => void): void {
    const transaction = this.current.getStore();
    if (transaction?.open) transaction.afterCommit.push(effect);
    else effect();
  }

  /** Set from a transaction that failed because the database could not be used until one is committed again. */
  get failure(): DatabaseFailure | undefined {
    return this.lastFailure;
  }

  /** Why the database cannot be used, found out now; undefined when it can. */
  async check(): Promise<string | undefined> {
    if (this.lastFailure !== undefined) return this.lastFailure.reason;
    try {
      await this.reader.query('SELECT 1');
      return undefined;
    } catch (error) {
      const reason = unavailabilityOf(error);
      if (reason === undefined) throw error;
      return reason;
    }
  }

  /** Last of all: whoever writes has stopped in `beforeApplicationShutdown`. */
  async onApplicationShutdown(): Promise<void> {
    this.closing = true;
    clearTimeout(this.probing);
    if (this.reader !== this.writer && this.reader.isInitialized) await this.reader.destroy();
    await this.sole?.groups.settled();
    if (this.writer.isInitialized) await this.writer.destroy();
  }

  private async begin<T>(work: (manager: EntityManager) => Promise<T>, durability: Durability): Promise<T> {
    try {
      return await (this.sole === undefined
        ? this.onConnection(work, durability)
        : this.inGroup(this.sole, work, durability));
    } catch (error) {
      const reason = unavailabilityOf(error);
      if (reason !== undefined) this.failed(reason);
      throw error;
    }
  }

  private async inGroup<T>(
    { groups, manager }: { groups: GroupCommit; manager: EntityManager },
    work: (manager: EntityManager) => Promise<T>,
    durability: Durability,
  ): Promise<T> {
    const transaction = this.opened(manager, durability);
    const result = await groups.run(durability, () => this.perform(transaction, work));
    this.effects(transaction);
    return result;
  }

  private async onConnection<T>(work: (manager: EntityManager) => Promise<T>, durability: Durability): Promise<T> {
    const runner = this.writer.createQueryRunner();
    const transaction = this.opened(this.writer.createEntityManager(runner), durability);
    try {
      await runner.connect();
      await runner.query(durability === 'synced' ? 'BEGIN' : 'BEGIN; SET LOCAL synchronous_commit = off');
      try {
        const result = await this.perform(transaction, work);
        await runner.query('COMMIT');
        this.effects(transaction);
        return result;
      } catch (error) {
        await runner.query('ROLLBACK').catch(() => undefined); // the connection is gone: nothing was committed
        throw error;
      }
    } finally {
      await runner.release();
    }
  }

  private opened(manager: EntityManager, durability: Durability): Transaction {
    return { manager, durability, afterCommit: [], open: true };
  }

  private async perform<T>(transaction: Transaction, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    try {
      return await this.current.run(transaction, () => work(transaction.manager));
    } finally {
      transaction.open = false;
    }
  }

  private effects({ afterCommit }: Transaction): void {
    this.current.exit(() => {
      for (const effect of afterCommit) effect();
    });
  }

  private failed(reason: string): void {
    if (this.lastFailure?.reason !== reason) {
      this.logger.error({ reason }, 'the database cannot be used; what waits is tried again');
    }
    this.lastFailure = { reason, since: this.lastFailure?.since ?? Date.now() };
    if (this.closing) return;
    clearTimeout(this.probing);
    this.probing = setTimeout(() => {
      void this.probe();
    }, PROBE_MS).unref();
  }

  /** Nobody else may have something to write. Never rejects: a failure is noted, and makes for the next probe. */
  private async probe(): Promise<void> {
    const { lastFailure } = this;
    try {
      await this.transaction((manager) => manager.query(PROBES[this.engine]));
    } catch (error) {
      if (unavailabilityOf(error) === undefined) this.failed(error instanceof Error ? error.message : String(error));
      return;
    }
    if (this.lastFailure !== lastFailure) return; // something else failed meanwhile, and is probed
    this.lastFailure = undefined;
    this.logger.log('the database can be used again');
  }
}

/** What writes and changes nothing: a page, or a record of the log. */
const PROBES = { sqlite: 'PRAGMA user_version = 0', postgres: 'SELECT pg_current_xact_id()' } as const;

function isRepeatable(error: unknown): boolean {
  return error instanceof QueryFailedError && REPEATABLE.has(String((error.driverError as { code?: unknown }).code));
}
