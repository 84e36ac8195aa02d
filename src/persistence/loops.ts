import { type Lease, LeaseLost, type Leases } from './leases.js';

/** What a consumer does for one key: works until nothing is left; the ms after which to come back, if it must wait. */
export type Work<K> = (key: K, lease: Lease) => Promise<number | undefined>;

/** How long a process leaves a key to the one that should take it. */
const STANDBY_MS = 300;

/**
 * One loop per key (a server, a channel, a mapping): never two at once for the same, here or in another process, started by
 * wake-ups, by a timer when it has to wait, and once more when a wake-up came while it ran. What another process holds is
 * left to it: it gets the same wake-ups.
 */
export class Loops<K extends string> {
  private readonly running = new Map<K, Promise<void>>();
  private readonly again = new Set<K>();
  private readonly timers = new Map<K, NodeJS.Timeout>();
  private readonly standingBy = new Set<K>();
  private stopping = false;

  /**
   * `kind`: names the leases, `kind/key`. `failed` is told of what `work` rejects with, and says after how many ms to come
   * back; of a lost lease it is not told.
   */
  constructor(
    private readonly leases: Leases,
    private readonly kind: string,
    private readonly work: Work<K>,
    private readonly failed: (key: K, error: unknown) => number,
  ) {}

  get stopped(): boolean {
    return this.stopping;
  }

  start(key: K): void {
    if (this.stopping || this.standingBy.has(key)) return;
    if (this.running.has(key)) this.again.add(key);
    else if (this.leases.prefers(this.resource(key))) this.run(key);
    else {
      this.standingBy.add(key);
      this.runIn(key, STANDBY_MS);
    }
  }

  /** As `start`, for what is no reason to end a wait: a key that has to come back later is left to its timer. */
  startUnlessWaiting(key: K): void {
    if (!this.timers.has(key)) this.start(key);
  }

  /** Starts nothing more, and resolves when what runs has ended and other processes may go on with it. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.running.values());
    await this.leases.releaseAll(`${this.kind}/`);
  }

  private run(key: K): void {
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    this.standingBy.delete(key);
    const loop = this.turn(key)
      .catch((error: unknown) => this.failed(key, error))
      .then((wait) => {
        this.running.delete(key);
        if (this.stopping) return;
        if (this.again.delete(key) && wait === undefined) this.start(key);
        else if (wait !== undefined) this.runIn(key, wait);
      });
    this.running.set(key, loop);
  }

  private async turn(key: K): Promise<number | undefined> {
    const lease = await this.leases.acquire(this.resource(key));
    if (lease === undefined) return undefined;
    try {
      return await this.work(key, lease);
    } catch (error) {
      if (error instanceof LeaseLost) return undefined;
      throw error;
    } finally {
      this.leases.rest(lease);
    }
  }

  private runIn(key: K, ms: number): void {
    clearTimeout(this.timers.get(key));
    const timer = setTimeout(() => {
      this.run(key);
    }, ms);
    this.timers.set(key, timer);
  }

  private resource(key: K): string {
    return `${this.kind}/${key}`;
  }
}
