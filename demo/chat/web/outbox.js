import { postMessage, Refusal } from './chat-api.js';

/**
 * What one person has written and the log has not shown yet, in order. One call is under way at a time, so messages
 * appear in the order in which they were written; each has a client id, so trying again never doubles it.
 */
export class Outbox {
  #as;
  #onChange;
  #entries = [];
  #busy = false;

  constructor(as, onChange) {
    this.#as = as;
    this.#onChange = onChange;
  }

  /** @param {string} [thread] the first message of a thread; absent: the channel's own. */
  of(channelId, thread) {
    return this.#entries.filter((entry) => entry.channelId === channelId && entry.thread === thread);
  }

  /** @param {{ text: string, files?: object[], thread?: string, replyTo?: string, alsoToChannel?: boolean }} written */
  add(channelId, written) {
    this.#entries.push({ ...written, clientId: newClientId(), channelId, time: Date.now(), state: 'waiting' });
    this.#onChange(channelId);
    void this.#work();
  }

  /** It is no longer ours to send: the log shows it, or its writer thought better of it. */
  remove(clientId) {
    const entry = this.#entries.find((candidate) => candidate.clientId === clientId);
    if (!entry) return;
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#onChange(entry.channelId);
  }

  retry(entry) {
    entry.state = 'waiting';
    this.#onChange(entry.channelId);
    void this.#work();
  }

  /** After a reconnect: tries again what did not reach the server; what the server refused is left to the person. */
  retryUnreached() {
    for (const entry of this.#entries) if (entry.state === 'failed' && entry.unreached) this.retry(entry);
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    let entry;
    while ((entry = this.#entries.find(({ state }) => state === 'waiting'))) {
      try {
        const { command } = await postMessage(this.#as, entry);
        entry.state = 'accepted';
        if (command) this.remove(entry.clientId); // It is answered, and shown nowhere
      } catch (error) {
        if (error instanceof Refusal) this.#fail(entry, error.message);
        // Those behind it fail with it, else one of them might overtake it.
        else for (const other of this.#entries) if (other.state === 'waiting') this.#fail(other);
      }
    }
    this.#busy = false;
  }

  /** @param {string} [refusal] absent: the server was not reached */
  #fail(entry, refusal) {
    entry.state = 'failed';
    entry.unreached = refusal === undefined;
    entry.error = refusal ?? 'The chat cannot be reached.';
    this.#onChange(entry.channelId);
  }
}

// Not crypto.randomUUID(): browsers withhold it from pages that come over plain HTTP from another machine.
function newClientId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
