/** What a consumer does for one key: works until nothing is left; the ms after which to come back, if it must wait. */
export type Work<K> = (key: K) => Promise<number | undefined>;

/**
 * One loop per key (a server, a channel, a mapping): never two at once for the same, started by wake-ups, by a timer when it
 * has to wait, and once more when a wake-up came while it ran.
 */
export class Loops<K extends string> {
  private readonly running = new Map<K, Promise<void>>();
  private readonly again = new Set<K>();
  private readonly timers = new Map<K, NodeJS.Timeout>();
  private stopping = false;

  /** `failed` is told of what `work` rejects with, and says after how many ms to come back. */
  constructor(
    private readonly work: Work<K>,
    private readonly failed: (key: K, error: unknown) => number,
  ) {}

  get stopped(): boolean {
    return this.stopping;
  }

  start(key: K): void {
    if (this.stopping) return;
    if (this.running.has(key)) {
      this.again.add(key);
      return;
    }
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    const loop = this.work(key)
      .catch((error: unknown) => this.failed(key, error))
      .then((wait) => {
        this.running.delete(key);
        if (this.again.delete(key) && wait === undefined) this.start(key);
        else if (wait !== undefined) this.startIn(key, wait);
      });
    this.running.set(key, loop);
  }

  /** Starts nothing more, and resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    await Promise.all(this.running.values());
  }

  private startIn(key: K, ms: number): void {
    if (this.stopping) return;
    const timer = setTimeout(() => {
      this.start(key);
    }, ms);
    this.timers.set(key, timer);
  }
}
