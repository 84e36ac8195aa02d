import { loadHistory } from './chat-api.js';
import { avatar, byId, element } from './dom.js';
import { belongsTo, dayKey, messageItemOf, messageItems, outboxItem, outboxMessage } from './message-list.js';

const NEAR_END_PX = 80;

/** The messages of the open channel: what is loaded of each channel, and how it stands on the page. */
export class Conversation {
  #as;
  #view;
  #replies = new Map();
  #outbox;
  #marks;
  #onChange;
  #onRead;
  #histories = new Map();
  #person;
  #people = [];
  #channel;
  #unreadFrom = 0;
  #atEnd = true;
  #paintedDay = '';
  #scroller = byId('scroller');
  #list = byId('messages');
  #resized = new ResizeObserver(() => this.#atEnd && this.scrollToEnd());
  #listening = new AbortController();

  /** @param {{ person, people: object[], outbox, marks, does, onChange: () => void, onRead: (message) => void }} options `does`: what can be done with a message */
  constructor({ person, people, outbox, marks, does, onChange, onRead }) {
    this.#view = { me: person, does, find: (id) => this.find(id) };
    this.#as = person.username;
    this.#person = person;
    this.#people = people;
    this.#outbox = outbox;
    this.#marks = marks;
    this.#onChange = onChange;
    this.#onRead = onRead;
    const { signal } = this.#listening;
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    byId('jump').addEventListener('click', () => this.scrollToEnd(), { signal });
    byId('earlier').addEventListener('click', () => void this.#loadEarlier(), { signal });
    const seen = () => {
      this.#markRead();
      onChange();
    };
    document.addEventListener('visibilitychange', seen, { signal });
    this.#resized.observe(this.#scroller);
    this.#resized.observe(byId('thread'));
  }

  close() {
    this.#listening.abort();
    this.#resized.disconnect();
  }

  async show(channel) {
    this.#channel = channel;
    this.#unreadFrom = this.#marks.position(channel.id);
    this.#atEnd = true;
    this.paint();
    if (!this.#histories.get(channel.id)?.loaded) await this.#load(channel);
    else this.#settle();
  }

  /** The chat is reached again: what could not be loaded is loaded now. */
  reconnected() {
    if (this.#histories.get(this.#channel?.id)?.failed) void this.#load(this.#channel);
  }

  /** The open channel was archived or restored. */
  update(channel) {
    this.#channel = channel;
    this.#paintEnds();
  }

  /** A message that is loaded. */
  find(id) {
    return this.#messages().find((message) => message.id === id);
  }

  /** The newest message of ours in the open channel. */
  lastOwn() {
    return this.#messages().findLast(({ author }) => author?.id === this.#person.id);
  }

  /** A message from the live updates, as it is now; of any channel. */
  receive(message) {
    if (message.client_id) this.#outbox.remove(message.client_id);
    this.#countReply(message);
    const history = this.#histories.get(message.channel_id);
    const current = message.channel_id === this.#channel?.id;
    if (history && (message.in_channel || message.deleted)) this.#merge(history, message, current);
    if (current) this.#markRead();
    this.#onChange();
  }

  #merge(history, message, current) {
    const at = history.messages.findIndex(({ id }) => id === message.id);
    if (message.deleted) {
      if (at < 0) return;
      history.messages.splice(at, 1);
      if (current) this.paint();
      return;
    }
    if (at >= 0) {
      history.messages[at] = message;
      if (current) this.#repaint(message, history.messages[at - 1]);
      return;
    }
    if (!insert(history.messages, message)) return;
    const mine = message.author?.id === this.#person.id;
    if (current && mine) this.#unreadFrom = 0;
    if (current && document.hidden && !byId('log').querySelector('#unread-mark')) {
      this.#unreadFrom = this.#marks.position(message.channel_id);
    }
    if (current && history.loaded) this.#append(history, message, mine);
  }

  /** A thread's first message says how many hang under it; the log tells of each of them alone. */
  #countReply({ thread_root: rootId, id, deleted, channel_id: channelId }) {
    if (rootId === undefined) return;
    const known = this.#replies.get(rootId) ?? new Set();
    this.#replies.set(rootId, known);
    const step = deleted ? (known.delete(id) ? -1 : 0) : known.has(id) ? 0 : 1;
    if (!deleted) known.add(id);
    const messages = this.#histories.get(channelId)?.messages ?? [];
    const at = messages.findIndex((message) => message.id === rootId);
    if (at < 0 || step === 0) return;
    messages[at] = { ...messages[at], replies: messages[at].replies + step };
    if (channelId === this.#channel?.id) this.#repaint(messages[at], messages[at - 1]);
  }

  #repaint(message, previous) {
    const item = this.#list.querySelector(`[data-message-id="${CSS.escape(message.id)}"]`);
    if (!item) return;
    const focused = item.contains(document.activeElement) && document.activeElement?.getAttribute('data-testid');
    const grouped = item.classList.contains('grouped') && previous !== undefined && belongsTo(message, previous);
    const fresh = messageItemOf(message, grouped, this.#view);
    item.replaceWith(fresh);
    if (focused) fresh.querySelector(`[data-testid="${focused}"]`)?.focus();
    if (this.#atEnd) this.scrollToEnd();
  }

  /** "Today" is another day after midnight. */
  refreshDays() {
    if (this.#paintedDay !== dayKey(Date.now())) this.paint();
  }

  paint() {
    const log = byId('log');
    // What is painted anew has been there before: it is not read out again.
    log.setAttribute('aria-live', 'off');
    const messages = this.#messages();
    this.#list.replaceChildren(...messages.flatMap((message, index) => this.#items(message, messages[index - 1])));
    this.#paintedDay = dayKey(Date.now());
    this.paintOutbox();
    setTimeout(() => log.setAttribute('aria-live', 'polite'), 100);
    if (this.#atEnd) this.scrollToEnd();
  }

  paintOutbox() {
    if (!this.#channel) return;
    const entries = this.#outbox.of(this.#channel.id);
    const items = entries.map((entry, index) => {
      const previous = index > 0 ? outboxMessage(entries[index - 1], this.#person) : this.#messages().at(-1);
      return outboxItem(entry, this.#person, previous, {
        retry: () => this.#outbox.retry(entry),
        discard: () => this.#outbox.remove(entry.clientId),
      });
    });
    byId('outbox').replaceChildren(...items);
    this.#paintEnds();
  }

  /** Also for who has just written: it must be seen wherever they had scrolled to. */
  scrollToEnd() {
    this.#atEnd = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    byId('jump').hidden = true;
  }

  #messages() {
    return this.#histories.get(this.#channel?.id)?.messages ?? [];
  }

  #items(message, previous) {
    const from = this.#unreadFrom;
    const first = from > 0 && previous !== undefined && previous.position <= from && message.position > from;
    return messageItems(message, previous, first && message.author?.id !== this.#person.id, this.#view);
  }

  #append(history, message, mine) {
    this.#scrolled(); // The browser tells of a scroll a frame late.
    const atEnd = this.#atEnd;
    if (history.messages.at(-1) === message) {
      this.#list.append(...this.#items(message, history.messages.at(-2)));
      this.#paintEnds();
    } else {
      this.paint();
    }
    if (atEnd || mine) this.scrollToEnd();
    else byId('jump').hidden = false;
  }

  async #load(channel) {
    const history = this.#histories.get(channel.id) ?? { messages: [], more: false, loaded: false, failed: false };
    this.#histories.set(channel.id, history);
    history.failed = false;
    try {
      const page = await loadHistory(this.#as, channel.id);
      for (const message of page.messages) {
        insert(history.messages, message);
        if (message.client_id) this.#outbox.remove(message.client_id);
      }
      history.more = page.more;
      history.loaded = true;
    } catch {
      history.failed = true;
    }
    if (this.#channel?.id !== channel.id) return;
    this.paint();
    this.#settle();
  }

  /** The channel's messages have just come into sight. */
  #settle() {
    this.#markRead();
    this.#scrollToUnread();
    this.#onChange();
  }

  async #loadEarlier() {
    const channel = this.#channel;
    const history = this.#histories.get(channel?.id);
    const before = history?.messages[0]?.position;
    if (!history?.more || before === undefined || history.busy) return;
    history.busy = true;
    try {
      const page = await loadHistory(this.#as, channel.id, before);
      for (const message of page.messages) insert(history.messages, message);
      history.more = page.more;
      if (this.#channel?.id !== channel.id) return;
      const fromEnd = this.#scroller.scrollHeight - this.#scroller.scrollTop;
      this.#atEnd = false;
      this.paint();
      this.#scroller.scrollTop = this.#scroller.scrollHeight - fromEnd;
    } catch {
      // The button stays, and so does the banner of the lost connection.
    } finally {
      history.busy = false;
    }
  }

  /** What stands above the first message, or instead of it. */
  #paintEnds() {
    const history = this.#histories.get(this.#channel.id);
    byId('earlier').hidden = !history?.more;
    const empty = byId('empty');
    const nothing = this.#messages().length === 0 && this.#outbox.of(this.#channel.id).length === 0;
    empty.hidden = !(history?.failed || (history?.loaded && nothing));
    if (empty.hidden) return;
    if (history.failed) {
      const again = element('button', { type: 'button', class: 'quiet-button' }, 'Try again');
      again.addEventListener('click', () => void this.#load(this.#channel));
      empty.replaceChildren(element('h2', {}, 'The messages could not be loaded'), again);
      return;
    }
    const name = this.#channel.kind === 'channel' ? `#${this.#channel.name}` : this.#channel.name;
    const heading = element('h2', {}, `This is the beginning of ${name}`);
    if (this.#channel.archived) {
      empty.replaceChildren(heading, element('p', {}, 'It was archived before anybody wrote here.'));
      return;
    }
    if (this.#channel.kind !== 'channel') {
      empty.replaceChildren(heading, element('p', {}, 'Only the people in this conversation see it.'));
      return;
    }
    const other = this.#people.find(({ id }) => id !== this.#person.id);
    empty.replaceChildren(
      heading,
      element('p', {}, 'Write something below. Everybody of this company who has the channel open sees it at once.'),
      other &&
        element(
          'p',
          { class: 'empty-tip' },
          avatar(other, false, true),
          element('span', {}, 'Want an answer? Open this channel in another window ', this.#linkAs(other), '.'),
        ),
      element(
        'p',
        {},
        'When an administrator shares the channel with another company, their people write here too, with their company’s name beside theirs.',
      ),
    );
  }

  #linkAs(person) {
    const href = `?as=${encodeURIComponent(person.username)}#${encodeURIComponent(this.#channel.name)}`;
    return element('a', { href, target: '_blank', rel: 'noopener' }, `as ${person.display_name}`);
  }

  /** The newest message of the open channel: no notice, and nothing that is for one person. */
  newest() {
    return this.#messages().findLast((message) => message.kind === 'message' && !message.private);
  }

  #markRead() {
    const last = this.#messages().at(-1);
    if (!last || document.hidden) return;
    const before = this.#marks.position(this.#channel.id);
    this.#marks.advance(this.#channel.id, last.position);
    const newest = this.newest();
    if (newest && newest.position > before && newest.author?.id !== this.#person.id) this.#onRead(newest);
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#atEnd) byId('jump').hidden = true;
  }

  #scrollToUnread() {
    const mark = document.getElementById('unread-mark');
    if (!mark || mark.getBoundingClientRect().top >= this.#scroller.getBoundingClientRect().top) return;
    this.#atEnd = false;
    mark.scrollIntoView({ block: 'start' });
  }
}

/** Keeps the list in the order of the log. @returns {boolean} false when it was there already */
function insert(messages, message) {
  const index = messages.findLastIndex(({ position }) => position <= message.position);
  if (messages[index]?.position === message.position) return false;
  messages.splice(index + 1, 0, message);
  return true;
}
