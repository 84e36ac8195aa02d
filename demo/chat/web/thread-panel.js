import { loadThread } from './chat-api.js';
import { byId, element } from './dom.js';
import { belongsTo, messageItemOf, outboxItem, outboxMessage } from './message-list.js';

/** The messages under one message, beside the channel. */
export class ThreadPanel {
  #person;
  #outbox;
  #composer;
  #view;
  #messages = [];
  #panel = byId('thread-panel');
  #opener;
  #listening = new AbortController();
  /** `{ channelId, rootId }` of the one that is shown. */
  open;

  /** @param {{ person, outbox, composer, does }} options */
  constructor({ person, outbox, composer, does }) {
    this.#person = person;
    this.#outbox = outbox;
    this.#composer = composer;
    this.#view = { me: person, does, find: (id) => this.#messages.find((message) => message.id === id) };
    const { signal } = this.#listening;
    byId('thread-close').addEventListener('click', () => this.hide(), { signal });
    this.#panel.addEventListener('keydown', (event) => event.key === 'Escape' && this.hide(), { signal });
  }

  close() {
    this.hide();
    this.#listening.abort();
  }

  async show(channel, rootId) {
    this.#opener = document.activeElement;
    this.open = { channelId: channel.id, rootId };
    const mine = this.open;
    this.#messages = [];
    this.#panel.hidden = false;
    this.#composer.show(`${channel.id}/${rootId}`);
    this.#composer.address('Answer in the thread');
    this.paint();
    this.#composer.focus();
    try {
      const { messages } = await loadThread(this.#person.username, channel.id, rootId);
      if (this.open !== mine) return;
      this.#messages = messages;
      this.paint();
    } catch {
      if (this.open === mine)
        byId('thread-messages').replaceChildren(element('li', {}, 'The thread could not be loaded.'));
    }
  }

  hide() {
    if (this.#panel.hidden) return;
    this.#panel.hidden = true;
    this.open = undefined;
    if (this.#opener instanceof HTMLElement && this.#opener.isConnected) this.#opener.focus();
  }

  receive(message) {
    if (this.open === undefined || message.channel_id !== this.open.channelId) return;
    if (message.id !== this.open.rootId && message.thread_root !== this.open.rootId) return;
    const at = this.#messages.findIndex(({ id }) => id === message.id);
    if (message.deleted) {
      if (message.id === this.open.rootId) return this.hide();
      if (at >= 0) this.#messages.splice(at, 1);
    } else if (at >= 0) this.#messages[at] = message;
    else this.#messages.push(message);
    this.paint();
  }

  paint() {
    const items = this.#messages.map((message, n) => {
      const previous = this.#messages[n - 1];
      return messageItemOf(message, n > 1 && belongsTo(message, previous), this.#view);
    });
    byId('thread-messages').replaceChildren(...items);
    this.paintOutbox();
  }

  paintOutbox() {
    if (this.open === undefined) return;
    const { channelId, rootId } = this.open;
    const entries = this.#outbox.of(channelId, rootId);
    byId('thread-outbox').replaceChildren(
      ...entries.map((entry, n) =>
        outboxItem(entry, this.#person, n > 0 ? outboxMessage(entries[n - 1], this.#person) : this.#messages.at(-1), {
          retry: () => this.#outbox.retry(entry),
          discard: () => this.#outbox.remove(entry.clientId),
        }),
      ),
    );
    const scroller = byId('thread-scroller');
    scroller.scrollTop = scroller.scrollHeight;
  }
}
