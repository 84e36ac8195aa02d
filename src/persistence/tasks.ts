/** Work under way that nobody waits for, until the process stops: then all of it is waited for. */
export class Tasks {
  private readonly running = new Set<Promise<unknown>>();

  /** `failed` is told of what the work rejects with. */
  constructor(private readonly failed: (error: unknown) => void) {}

  add(work: Promise<unknown>): void {
    const task = work.catch(this.failed).finally(() => this.running.delete(task));
    this.running.add(task);
  }

  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
