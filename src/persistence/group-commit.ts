import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database as SqliteConnection } from 'better-sqlite3';

/**
 * `synced`: on the disk before it is reported. `relaxed`: it outlives the process but perhaps not the machine; then it and what
 * came after it are gone together, never what came before (docs/adr/0010).
 */
export type Durability = 'synced' | 'relaxed';

interface Place {
  durability: Durability;
  admit(group: Group): void;
  refuse(error: unknown): void;
}

const MAX_GROUP = 200;
const SYNCHRONOUS = { synced: 'FULL', relaxed: 'NORMAL' } as const;

/**
 * SQLite's one writer, shared: the units of work that wait at the same time take turns in one transaction and are committed
 * together, so that a wait for the disk serves all of them. Each has a savepoint of its own: one that fails undoes
 * nothing but itself.
 */
export class GroupCommit {
  private readonly waiting: Place[] = [];
  private draining: Promise<void> | undefined;
  private synchronous: Durability | undefined;

  constructor(private readonly connection: SqliteConnection) {}

  /** Resolves once the work is committed. Rejects with what the work rejects with, or when the commit failed. */
  async run<T>(durability: Durability, work: () => Promise<T>): Promise<T> {
    const group = await new Promise<Group>((admit, refuse) => {
      this.waiting.push({ durability, admit, refuse });
      this.draining ??= this.drain();
    });
    const result = await group.turn(work);
    await group.committed;
    return result;
  }

  /** Resolves when nothing waits or runs any more. */
  async settled(): Promise<void> {
    while (this.draining !== undefined) await this.draining;
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      // What this turn of the event loop still brings belongs to the same group.
      await nextTurn();
      await this.commit(this.waiting.splice(0, MAX_GROUP));
    }
    this.draining = undefined;
  }

  private async commit(places: readonly Place[]): Promise<void> {
    try {
      this.wait(places.some(({ durability }) => durability === 'synced') ? 'synced' : 'relaxed');
      this.connection.exec('BEGIN IMMEDIATE');
    } catch (error) {
      for (const place of places) place.refuse(error);
      return;
    }
    const group = new Group(this.connection, places.length > 1);
    for (const [index, place] of places.entries()) {
      if (!this.connection.inTransaction) {
        this.waiting.unshift(...places.slice(index)); // SQLite gave the whole transaction up: they have not begun
        break;
      }
      place.admit(group);
      await group.left();
    }
    group.end();
  }

  /** How long a commit waits for the disk: it can be changed between transactions alone. */
  private wait(durability: Durability): void {
    if (this.synchronous === durability) return;
    this.connection.pragma(`synchronous = ${SYNCHRONOUS[durability]}`);
    this.synchronous = durability;
  }
}

class Group {
  readonly committed: Promise<void>;
  private settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  private leave: (() => void) | undefined;
  private leaving: Promise<void>;
  private rolledBack: Error | undefined;

  constructor(
    private readonly connection: SqliteConnection,
    private readonly savepoints: boolean,
  ) {
    this.committed = new Promise<void>((resolve, reject) => (this.settle = { resolve, reject }));
    this.committed.catch(() => undefined); // told to those whose work succeeded, of whom there may be none
    this.leaving = this.nextLeave();
  }

  /** Runs `work`, and undoes what it did when it rejects. */
  async turn<T>(work: () => Promise<T>): Promise<T> {
    try {
      if (this.savepoints) this.connection.exec('SAVEPOINT work');
      const result = await work();
      if (this.savepoints) this.connection.exec('RELEASE work');
      return result;
    } catch (error) {
      this.undo(error);
      throw error;
    } finally {
      this.leave?.();
    }
  }

  /** Resolves when the work whose turn it is has ended. */
  async left(): Promise<void> {
    await this.leaving;
    this.leaving = this.nextLeave();
  }

  end(): void {
    try {
      if (this.connection.inTransaction) this.connection.exec('COMMIT');
      else if (this.rolledBack !== undefined) throw this.rolledBack;
      this.settle?.resolve();
    } catch (error) {
      if (this.connection.inTransaction) this.connection.exec('ROLLBACK');
      this.settle?.reject(error);
    }
  }

  private undo(error: unknown): void {
    if (!this.connection.inTransaction) {
      // The disk is full, or fails: that is why those before it fail too.
      this.rolledBack = error instanceof Error ? error : new Error(String(error));
      return;
    }
    this.connection.exec(this.savepoints ? 'ROLLBACK TO work; RELEASE work' : 'ROLLBACK');
  }

  private nextLeave(): Promise<void> {
    return new Promise((resolve) => (this.leave = resolve));
  }
}
