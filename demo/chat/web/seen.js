import { byId, nameAndCompany } from './dom.js';

/** Who has read up to the newest message of the open channel, as far as this page was told. */
export class Seen {
  #newest;
  #read = new Map();

  /** @param {() => object | undefined} newest message of the open channel */
  constructor(newest) {
    this.#newest = newest;
  }

  receive({ channel_id: channelId, by, message_id: messageId }) {
    this.#read.set(`${channelId} ${by.id}`, { by, messageId });
    this.paint();
  }

  paint() {
    const newest = this.#newest();
    const names = [...this.#read.values()]
      .filter(({ by, messageId }) => messageId === newest?.id && by.id !== newest.author?.id)
      .map(({ by }) => nameAndCompany(by));
    const others = names.length > 3 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
    byId('seen').textContent = names.length === 0 ? '' : `Seen by ${others.join(', ')}`;
  }
}
