import { openConversation } from './chat-api.js';
import { byId, element } from './dom.js';

/** Begins a conversation with people here and in other companies, whom the gateway invites. */
export class ConversationDialog {
  #as;
  #onOpen;
  #dialog = byId('conversation-dialog');

  /** @param {() => string} as @param {(channel) => void} onOpen */
  constructor(as, onOpen) {
    this.#as = as;
    this.#onOpen = onOpen;
    byId('dialog-cancel').addEventListener('click', () => this.#dialog.close());
    byId('dialog-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#start();
    });
  }

  show(people, me, channels) {
    byId('dialog-people').replaceChildren(
      ...people
        .filter(({ id }) => id !== me.id)
        .map(({ id, display_name: name }) =>
          element(
            'li',
            {},
            element('label', {}, element('input', { type: 'checkbox', value: id }), element('bdi', {}, name)),
          ),
        ),
    );
    const guests = new Map(channels.flatMap((channel) => channel.guests).map((guest) => [guest.id, guest]));
    byId('dialog-known').replaceChildren(
      ...[...guests.values()].map(({ id, display_name: name, server }) =>
        element('option', { value: id }, `${name} (${server})`),
      ),
    );
    byId('dialog-remote').value = '';
    byId('dialog-problem').textContent = '';
    this.#dialog.showModal();
  }

  async #start() {
    const people = [...byId('dialog-people').querySelectorAll('input:checked')].map(({ value }) => value);
    const remote = byId('dialog-remote')
      .value.split(/[\s,]+/)
      .filter((id) => id !== '');
    try {
      const channel = await openConversation(this.#as(), people, remote);
      this.#dialog.close();
      this.#onOpen(channel);
    } catch (error) {
      byId('dialog-problem').textContent = error instanceof Error ? error.message : String(error);
    }
  }
}
