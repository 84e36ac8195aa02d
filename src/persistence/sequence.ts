import { Injectable } from '@nestjs/common';
import { Clock } from './clock.js';
import { Database } from './database.js';

/** Wherever numbers are kept. */
const COLUMNS = ['inbox.sequence', 'lpdu_out.sequence', 'pending_pdu.sequence', 'incident.id', 'audit_log.id'];
const HIGHEST = `SELECT MAX(number) AS number FROM (${COLUMNS.map((column) => {
  const [table = '', name = ''] = column.split('.');
  return `SELECT MAX(${name}) AS number FROM ${table}`;
}).join(' UNION ALL ')})`;

/**
 * Numbers that only grow, also over a restart and over several processes: from the database's sequence on PostgreSQL (the clocks of
 * two machines do not agree on an order); on SQLite microseconds since the epoch, or one more than the last, also of those that were
 * given before a restart: the clock may have been set back.
 */
@Injectable()
export class Sequence {
  private last = 0;
  private knowsLast = false;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async next(): Promise<number> {
    const [number] = await this.take(1);
    if (number === undefined) throw new Error('the sequence gave no number');
    return number;
  }

  /** The next numbers, in their order. */
  async take(count: number): Promise<number[]> {
    if (this.database.engine === 'postgres') {
      const sql = `SELECT nextval('causeway_sequence') AS number FROM generate_series(1, $1)`;
      const rows = await this.database.read.query<{ number: string }[]>(sql, [count]);
      return rows.map(({ number }) => Number(number));
    }
    if (!this.knowsLast) {
      const [highest] = await this.database.read.query<{ number: number | null }[]>(HIGHEST);
      this.last = Math.max(this.last, highest?.number ?? 0);
      this.knowsLast = true;
    }
    return Array.from({ length: count }, () => (this.last = Math.max(this.last + 1, this.clock.now() * 1000)));
  }
}
