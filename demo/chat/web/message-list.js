import { avatar, element, icon, ICONS } from './dom.js';
import { actionRow, reactionRow, toolbar } from './message-tools.js';
import { files, richText } from './rich-text.js';

const GROUP_MS = 5 * 60_000;
// A message that waited longer than this on its way says when it was written.
const LATE_MS = 2 * 60_000;

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });

/**
 * What stands before `message` and the message itself: a day separator, the mark of the first unread one.
 * @param {{ me, does, find }} view who looks, what they can do, and how another message is found
 */
export function messageItems(message, previous, isFirstUnread, view) {
  const newDay = !previous || dayKey(previous.time) !== dayKey(message.time);
  const items = [];
  if (newDay) items.push(element('li', { class: 'day' }, element('span', {}, dayName(message.time))));
  if (isFirstUnread) items.push(element('li', { class: 'unread-mark', id: 'unread-mark' }, element('span', {}, 'New')));
  const grouped = !newDay && !isFirstUnread && belongsTo(message, previous);
  items.push(messageItemOf(message, grouped, view));
  return items;
}

/** The message by itself, as it is now. */
export const messageItemOf = (message, grouped, view) =>
  message.kind === 'notice' ? noticeItem(message, view) : messageItem(message, grouped, view);

/** A message of ours that the log does not show yet; `previous` is the one above it. */
export function outboxItem(entry, me, previous, { retry, discard }) {
  const failed = entry.state === 'failed';
  const message = outboxMessage(entry, me);
  const grouped = previous !== undefined && belongsTo(message, previous);
  const item = messageItem({ ...message, id: entry.clientId }, grouped, { me });
  item.dataset.state = entry.state;
  item.classList.add(failed ? 'failed' : 'sending');
  const status = failed
    ? element(
        'p',
        { class: 'delivery', role: 'alert' },
        element('strong', {}, 'Not sent. '),
        `${entry.error} `,
        element(
          'button',
          { type: 'button', class: 'link-button', 'data-testid': 'retry', onclick: retry },
          'Try again',
        ),
        element(
          'button',
          { type: 'button', class: 'link-button', 'data-testid': 'discard', onclick: discard },
          'Discard',
        ),
      )
    : element('p', { class: 'delivery' }, 'Sending…');
  item.querySelector('.message-body').append(status);
  return item;
}

/** An entry of the outbox as a message among others. */
export const outboxMessage = ({ text: written, time: moment, files: sent = [] }, me) => ({
  kind: 'message',
  author: me,
  text: written,
  body: { attachments: sent.map(({ id, name, size }) => ({ kind: 'file', name, size, source: { nativeId: id } })) },
  time: moment,
  private: false,
});

export const dayKey = (time) => new Date(time).toDateString();

function messageItem(message, grouped, view) {
  const { author } = message;
  const remote = author.server !== undefined;
  const item = shell(message, author.display_name, author.server ?? '');
  item.dataset.authorId = author.id;
  if (grouped) item.classList.add('grouped');
  const gutter = grouped ? time(message, 'gutter-time') : avatar(author, remote);
  const head = element(
    'p',
    { class: grouped ? 'message-head hidden-text' : 'message-head' },
    element('bdi', { class: 'author', 'data-testid': 'message-author' }, author.display_name),
    remote && serverBadge(author.server, 'message-server'),
    !grouped && time(message, 'message-time'),
    !grouped && late(message),
    message.private && privateMark(),
  );
  const { me, does } = view;
  const answered = message.reply_to === undefined ? undefined : answeredLine(message, view);
  item.append(
    element('div', { class: 'gutter' }, gutter),
    element(
      'div',
      { class: 'message-body' },
      head,
      answered,
      richText(message, me),
      files(message),
      message.edited && element('span', { class: 'edited' }, '(edited)'),
      does && reactionRow(message, me, does),
      does?.thread && message.replies > 0 && threadLine(message, does),
    ),
  );
  if (does) item.append(toolbar(message, me, does));
  return item;
}

function noticeItem(message, { me, does }) {
  const item = shell(message, 'Causeway', '');
  item.classList.add('notice');
  if (message.private) item.classList.add('private');
  const head = element(
    'p',
    { class: 'message-head' },
    element('span', { class: 'author', 'data-testid': 'message-author' }, 'Causeway'),
    element('span', { class: 'badge badge-plain', title: 'The gateway to other companies speaks' }, 'gateway notice'),
    time(message, 'message-time'),
    message.private && privateMark(),
  );
  item.append(
    element(
      'div',
      { class: 'gutter' },
      element('span', { class: 'notice-mark', 'aria-hidden': 'true' }, icon(ICONS.bridge)),
    ),
    element('div', { class: 'message-body' }, head, richText(message, me), does && actionRow(message, does)),
  );
  return item;
}

function shell(message, author, server) {
  return element('li', {
    class: 'message',
    'data-testid': 'message',
    'data-message-id': message.id,
    'data-author': author,
    'data-server': server,
    'data-kind': message.kind ?? 'message',
    'data-private': String(message.private ?? false),
    'data-state': 'shown',
  });
}

/** What a message answers, in a line above it. */
function answeredLine(message, { find }) {
  const answered = find?.(message.reply_to);
  const who = answered?.author?.display_name;
  return element(
    'p',
    { class: 'answered', 'data-testid': 'answered' },
    icon(ICONS.reply),
    who === undefined ? 'an earlier message' : element('bdi', {}, `${who}: ${answered.text.slice(0, 120) || 'a file'}`),
  );
}

const threadLine = (message, does) =>
  element(
    'button',
    { type: 'button', class: 'thread-line', 'data-testid': 'thread-line', onclick: () => does.thread(message) },
    icon(ICONS.thread),
    message.replies === 1 ? '1 answer' : `${message.replies} answers`,
  );

const privateMark = () => element('span', { class: 'private-mark' }, icon(ICONS.lock), 'Only visible to you');

/** Another company, by the name of its server; never cut off, for its end tells whose it is. */
export const serverBadge = (server, testId) =>
  element(
    'span',
    { class: 'badge', 'data-testid': testId, title: 'Another company' },
    icon(ICONS.building),
    element('bdi', {}, server),
  );

function time(message, className) {
  const moment = new Date(message.time);
  return element(
    'time',
    { class: className, datetime: moment.toISOString(), title: FULL.format(moment) },
    TIME.format(moment),
  );
}

function late(message) {
  if (message.sent_at === undefined || message.time - message.sent_at < LATE_MS) return undefined;
  const sameDay = dayKey(message.sent_at) === dayKey(message.time);
  return element('span', { class: 'late' }, `written ${(sameDay ? TIME : SHORT).format(message.sent_at)}`);
}

export function belongsTo(message, previous) {
  return (
    message.kind === 'message' &&
    previous.kind === 'message' &&
    message.author.id === previous.author.id &&
    // A name that changed on its way is shown, not hidden behind the old one.
    message.author.display_name === previous.author.display_name &&
    message.private === previous.private &&
    message.reply_to === undefined &&
    message.time - previous.time < GROUP_MS &&
    late(message) === undefined
  );
}

function dayName(moment) {
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (dayKey(moment) === dayKey(today)) return 'Today';
  if (dayKey(moment) === dayKey(yesterday)) return 'Yesterday';
  const sameYear = new Date(moment).getFullYear() === today.getFullYear();
  return (sameYear ? DAY : DAY_OF_YEAR).format(moment);
}
