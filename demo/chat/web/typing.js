import { byId, nameAndCompany } from './dom.js';

/** Who is not heard of again has stopped. */
const SHOWN_MS = 6_000;

/** Who types in the open channel, with their company. */
export class Typing {
  #channelId;
  #people = new Map();

  /** @param {() => string | undefined} channelId of the open channel */
  constructor(channelId) {
    this.#channelId = channelId;
  }

  receive({ channel_id: channelId, by, typing }) {
    clearTimeout(this.#people.get(by.id)?.timer);
    this.#people.delete(by.id);
    if (typing) this.#people.set(by.id, { by, channelId, timer: setTimeout(() => this.stop(by.id), SHOWN_MS) });
    this.paint();
  }

  stop(id) {
    clearTimeout(this.#people.get(id)?.timer);
    if (this.#people.delete(id)) this.paint();
  }

  paint() {
    const names = [...this.#people.values()]
      .filter(({ channelId }) => channelId === this.#channelId())
      .map(({ by }) => nameAndCompany(by));
    const shown =
      names.length > 3
        ? 'Several people are typing…'
        : `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing…`;
    byId('typing').textContent = names.length === 0 ? '' : shown;
  }
}
