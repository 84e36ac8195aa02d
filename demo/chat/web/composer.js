import { byId } from './dom.js';

/** Where people write. What is not sent yet stays with its channel while they look elsewhere. */
export class Composer {
  #onSend;
  #drafts = new Map();
  #channelId;
  #field = byId('composer');
  #button = byId('send');

  /** @param {(text: string) => void} onSend */
  constructor(onSend) {
    this.#onSend = onSend;
    this.#field.addEventListener('input', () => this.#fit());
    this.#field.addEventListener('keydown', (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    byId('composer-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
      this.focus();
    });
  }

  /** @param channel the open channel; an archived one has no composer */
  show(channel) {
    byId('composer-form').hidden = channel.archived;
    byId('archived-note').hidden = !channel.archived;
    if (channel.id === this.#channelId) return;
    this.#drafts.set(this.#channelId, this.#field.value);
    this.#channelId = channel.id;
    this.#field.value = this.#drafts.get(channel.id) ?? '';
    this.#fit();
  }

  /** Says who will read it. @param {string[]} servers the other companies in the channel */
  address(channel, servers) {
    const readers =
      servers.length > 0 ? `Message #${channel.name} and ${servers.join(', ')}` : `Message #${channel.name}`;
    byId('composer-label').textContent = readers;
    this.#field.placeholder = readers;
  }

  focus() {
    this.#field.focus();
  }

  #send() {
    const text = this.#field.value.trim();
    if (text === '') return;
    this.#field.value = '';
    this.#fit();
    this.#onSend(text);
  }

  #fit() {
    this.#button.disabled = this.#field.value.trim() === '';
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
