export type Change = 'message' | 'channels';

/** Tells everybody who waits that the store has something new. It carries no data: each reader looks from its own position. */
export class Wakeups {
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  /** @returns the function that ends the subscription. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  raise(change: Change): void {
    for (const listener of [...this.#listeners]) listener(change);
    if (change === 'message') this.release();
  }

  /** Resolves at the next message, after `timeoutMs`, when `abandoned` fires or at close; it never rejects. */
  nextMessage(timeoutMs: number, abandoned: AbortSignal): Promise<void> {
    if (this.#closed || abandoned.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        abandoned.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
      abandoned.addEventListener('abort', done);
    });
  }

  /** Lets everybody go who waits, now and from now on. */
  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.release();
  }

  /** Lets everybody go who waits now. */
  release(): void {
    for (const done of [...this.#waiting]) done();
  }
}
