import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Configuration, type RetainedTable } from '../config/index.js';
import { Chore } from './chore.js';
import { Clock } from './clock.js';
import { Database } from './database.js';
import { type Lease, Leases } from './leases.js';
import { Wakeups } from './wakeups.js';

const SWEEP_EVERY_MS = 10 * 60_000;
/** Rows of one transaction: nobody waits long for it. */
const BATCH = 500;
const DAY_MS = 24 * 3_600_000;

interface Sweep {
  key: string;
  /** Column with the age, in ms since the epoch. */
  age: string;
  /** Which rows are settled: the others are kept however old they are. */
  settled?: string;
}

const SWEEPS: Record<RetainedTable, Sweep> = {
  inbox: {
    key: 'platform, workspace, native_event_id',
    age: 'received_at',
    settled: `state IN ('carried', 'ignored', 'refused', 'discarded')`,
  },
  delivery: { key: 'id', age: 'created_at', settled: `state IN ('done', 'discarded')` },
  personal_notice: { key: 'id', age: 'created_at', settled: `state <> 'intent'` },
  transaction_in: { key: 'origin, endpoint, txn_id, body_hash', age: 'received_at' },
  lpdu_out: { key: 'lpdu_hash', age: 'created_at', settled: `state = 'refused'` },
  audit_log: { key: 'id', age: 'at' },
};

/** Deletes old rows of what is settled, table by table, in small transactions (the setting RETENTION). */
@Injectable()
export class Retention implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly chore: Chore;

  constructor(
    leases: Leases,
    wakeups: Wakeups,
    private readonly configuration: Configuration,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    const work = (lease: Lease): Promise<void> => this.sweep(lease);
    this.chore = new Chore(leases, wakeups, { name: 'retention', everyMs: SWEEP_EVERY_MS, work });
  }

  onApplicationBootstrap(): void {
    this.chore.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.chore.stop();
  }

  private async sweep(lease: Lease): Promise<void> {
    for (const [table, days] of this.configuration.retentionDays) {
      const before = this.clock.now() - days * DAY_MS;
      while ((await lease.transaction(() => this.deleteSome(table, before))) === BATCH) {
        await new Promise((resolve) => setImmediate(resolve)); // whoever else wants to write comes first
      }
    }
  }

  /** How many rows were deleted. */
  private async deleteSome(table: RetainedTable, before: number): Promise<number> {
    const { key, age, settled = '1 = 1' } = SWEEPS[table];
    const parameter = this.database.engine === 'postgres' ? '$1' : '?';
    const old = `SELECT ${key} FROM ${table} WHERE ${age} < ${parameter} AND ${settled} LIMIT ${String(BATCH)}`;
    const sql = `DELETE FROM ${table} WHERE (${key}) IN (${old})`;
    return this.database.transaction(async (manager) => {
      const rows = await manager.query<unknown[]>(`${sql} RETURNING 1`, [Math.floor(before)]);
      return this.database.engine === 'postgres' ? Number(rows[1]) : rows.length;
    });
  }
}
