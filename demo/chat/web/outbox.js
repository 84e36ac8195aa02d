import { ChatError, postMessage } from './chat-api.js';

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

  of(channelId) {
    return this.#entries.filter((entry) => entry.channelId === channelId);
  }

  add(channelId, text) {
    this.#entries.push({ clientId: newClientId(), channelId, text, time: Date.now(), state: 'waiting' });
    this.#onChange(channelId);
    void this.#work();
  }

  /** The log shows it: it is no longer ours to send. */
  confirm(clientId) {
    this.#entries = this.#entries.filter((entry) => entry.clientId !== clientId);
  }

  discard(entry) {
    this.confirm(entry.clientId);
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
        await postMessage(this.#as, entry.channelId, entry.clientId, entry.text);
        entry.state = 'accepted';
      } catch (error) {
        entry.state = 'failed';
        entry.unreached = !(error instanceof ChatError);
        entry.error = entry.unreached ? 'the chat cannot be reached.' : error.message;
        this.#onChange(entry.channelId);
      }
    }
    this.#busy = false;
  }
}

// Not crypto.randomUUID(): browsers withhold it from pages that come over plain HTTP from another machine.
function newClientId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
