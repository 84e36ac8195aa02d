import type { Wakeups } from './wakeups.js';

/** Who types, and who has read what: told to whoever listens now, and kept by nobody. */
export interface Ephemeral {
  type: 'typing' | 'read';
  channelId: string;
  by: { id: string; display_name: string; username?: string; server?: string };
  typing?: boolean;
  messageId?: string;
}

const MAX_WAITING = 100;

export class Ephemera {
  readonly #wakeups: Wakeups;
  readonly #listeners = new Set<(event: Ephemeral) => void>();
  #waiting: Ephemeral[] = [];

  constructor(wakeups: Wakeups) {
    this.#wakeups = wakeups;
  }

  /** Pages. @returns the function that ends the subscription. */
  subscribe(listener: (event: Ephemeral) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What a person of this workspace does: for pages, and for the gateway's next question. */
  fromPage(event: Ephemeral): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(event);
    this.fromGateway(event);
    this.#wakeups.release();
  }

  fromGateway(event: Ephemeral): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** For the gateway; each once. */
  take(): Ephemeral[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }
}
