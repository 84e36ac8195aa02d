const MOST_LANES = 2_000;
const MOST_IN_LANE = 200;
/** What is older says nothing true any more. */
const STALE_MS = 10_000;

interface Waiting<T> {
  value: T;
  at: number;
}

interface Work<T> {
  /** How many values are carried at once. */
  batch: number;
  carry: (subject: string, values: T[]) => Promise<void>;
  failed: (subject: string, error: unknown) => void;
}

/**
 * Lanes for what may be lost: one per subject, in each one call of `carry` at a time. While it runs, of each key only the newest value
 * waits; what is too much or too old is dropped. Nothing is stored.
 */
export class DroppingLanes<T> {
  private readonly lanes = new Map<string, Map<string, Waiting<T>>>();
  private readonly running = new Set<Promise<void>>();
  private stopped = false;

  constructor(private readonly work: Work<T>) {}

  /** Never waits, never fails. */
  add(subject: string, key: string, value: T): void {
    if (this.stopped) return;
    const waiting = { value, at: performance.now() };
    const lane = this.lanes.get(subject);
    if (lane !== undefined) {
      if (lane.delete(key) || lane.size < MOST_IN_LANE) lane.set(key, waiting);
    } else if (this.lanes.size < MOST_LANES) {
      const fresh = new Map([[key, waiting]]);
      this.lanes.set(subject, fresh);
      const running = this.run(subject, fresh).finally(() => this.running.delete(running));
      this.running.add(running);
    }
  }

  /** Resolves when nothing is carried any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }

  private async run(subject: string, lane: Map<string, Waiting<T>>): Promise<void> {
    while (lane.size > 0 && !this.stopped) {
      const values: T[] = [];
      for (const [key, { value, at }] of lane) {
        if (values.length === this.work.batch) break;
        lane.delete(key);
        if (performance.now() - at < STALE_MS) values.push(value);
      }
      try {
        if (values.length > 0) await this.work.carry(subject, values);
      } catch (error) {
        this.work.failed(subject, error);
      }
    }
    this.lanes.delete(subject);
  }
}
