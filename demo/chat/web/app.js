import {
  deleteMessage,
  editMessage,
  loadWorkspace,
  press,
  react,
  setArchived,
  setTopic,
  tellRead,
} from './chat-api.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { ConversationDialog } from './conversation-dialog.js';
import { avatar, byId, element, initials, paintAvatar } from './dom.js';
import { openLive } from './live.js';
import { serverBadge } from './message-list.js';
import { Outbox } from './outbox.js';
import { initTheme } from './theme.js';
import { ThreadPanel } from './thread-panel.js';
import { Seen } from './seen.js';
import { Typing } from './typing.js';
import { ReadMarks, rememberedPerson, rememberPerson } from './read-marks.js';
import { serversOf, Sidebar } from './sidebar.js';

// A break shorter than this (a proxy that changes connections, a laptop that wakes) is not worth a word.
const BANNER_DELAY_MS = 1_000;
const RELOAD_MS = 3_000;

const sidebar = new Sidebar();
const as = () => session.person.username;
const onEdit = (message, text) => attempt(() => editMessage(as(), message, text));
const composer = new Composer({
  prefix: 'composer',
  as,
  onEdit,
  onSend: (written) => {
    session.outbox.add(channel.id, written);
    session.conversation.scrollToEnd();
  },
  onLast: () => session.conversation.lastOwn(),
});
const threadComposer = new Composer({
  prefix: 'thread-composer',
  as,
  onEdit,
  onSend: (written) => {
    const { channelId, rootId } = session.thread.open;
    const also = byId('also-to-channel');
    session.outbox.add(channelId, { ...written, thread: rootId, alsoToChannel: also.checked });
    also.checked = false;
  },
});
const typing = new Typing(() => channel?.id);
const seen = new Seen(() => session?.conversation.newest());
const dialog = new ConversationDialog(as, (opened) => {
  wantedChannel = opened.name;
  location.hash = encodeURIComponent(opened.name);
});
initTheme(byId('theme'));

/** What can be done with a message; what fails is told, and what succeeds comes back by the live updates. */
const does = {
  react: (message, emoji, change) => attempt(() => react(as(), message, emoji, change)),
  press: (message, action) => attempt(() => press(as(), message, action)),
  reply: (message) => composer.answer(message),
  edit: (message) => composer.edit(message),
  remove: (message) => {
    if (globalThis.confirm('Delete this message for everybody, also in other companies?'))
      attempt(() => deleteMessage(as(), message));
  },
  thread: (message) => void session.thread.show(channel, message.thread_root ?? message.id),
};
const threadDoes = { ...does, reply: undefined, thread: undefined, edit: (message) => threadComposer.edit(message) };

let workspace;
let people = [];
let channels = [];
let channel;
/** The name of one that was just made, until the live updates tell of it. */
let wantedChannel;
/** What belongs to the chosen person: `{ person, conversation, outbox, marks, live }`. */
let session;
let bannerTimer;

async function start() {
  clearTimeout(bannerTimer);
  let loaded;
  try {
    loaded = await loadWorkspace(asked());
  } catch {
    showBanner('The chat cannot be reached. Trying again…');
    setTimeout(start, RELOAD_MS);
    return;
  }
  hideBanner();
  ({ workspace, people, channels } = loaded);
  sidebar.paintWorkspace(workspace);
  const wanted = asked();
  const username = wanted ?? rememberedPerson(workspace.id);
  const person = people.find((candidate) => candidate.username === username);
  paintIdentity(person);
  if (person) return become(person);
  welcome(wanted);
}

const asked = () => new URLSearchParams(location.search).get('as') ?? undefined;

async function become(person) {
  endSession();
  rememberPerson(workspace.id, person.username);
  history.replaceState(null, '', `?as=${encodeURIComponent(person.username)}${location.hash}`);
  showWelcome(false);
  paintIdentity(person);
  const marks = new ReadMarks(workspace.id, person.username);
  const outbox = new Outbox(person.username, (channelId) => {
    if (channelId === channel?.id) session?.conversation.paintOutbox();
    session?.thread.paintOutbox();
  });
  const onRead = (message) => void tellRead(person.username, message.channel_id, message.id).catch(() => undefined); // may be lost
  const conversation = new Conversation({ person, people, outbox, marks, does, onChange: paint, onRead });
  const thread = new ThreadPanel({ person, outbox, composer: threadComposer, does: threadDoes });
  session = { person, conversation, outbox, marks, thread };
  const mine = session;
  let position;
  try {
    // The channels' last positions and guests are those that this person may see.
    ({ channels, position } = await loadWorkspace(person.username));
  } catch {
    return start();
  }
  if (session !== mine) return;
  session.live = openLive({
    as: person.username,
    position,
    onMessage: receive,
    onChannels: updateChannels,
    onTyping: (event) => typing.receive(event),
    onRead: (event) => seen.receive(event),
    onState: connection,
    onReset: () => location.reload(),
    onBeat: () => conversation.refreshDays(),
  });
  openChannel();
}

function endSession() {
  session?.live?.close();
  session?.conversation.close();
  session?.thread.close();
  session = undefined;
  channel = undefined;
}

function receive(message) {
  const its = channels.find(({ id }) => id === message.channel_id);
  if (its) {
    if (message.in_channel && !message.deleted) its.last_position = Math.max(its.last_position, message.position);
    if (message.author?.server !== undefined) its.guests = withGuest(its.guests, message.author);
  }
  typing.stop(message.author?.id);
  session.conversation.receive(message);
  session.thread.receive(message);
}

const withGuest = (guests, guest) =>
  guests.some(({ id }) => id === guest.id)
    ? guests.map((known) => (known.id === guest.id ? guest : known))
    : [...guests, guest];

function updateChannels(list) {
  const known = new Map(channels.map((each) => [each.id, each]));
  channels = list.map((fresh) => ({ last_position: 0, guests: [], ...known.get(fresh.id), ...fresh }));
  const open = channels.find(({ id }) => id === channel?.id);
  if (!open || channels.some(({ name }) => name === wantedChannel)) return openChannel();
  channel = open;
  showComposer();
  session.conversation.update(channel);
  paint();
}

function connection(connected) {
  clearTimeout(bannerTimer);
  if (!connected) {
    bannerTimer = setTimeout(() => {
      showBanner('Connection lost. Reconnecting… What you miss meanwhile will appear here.');
    }, BANNER_DELAY_MS);
    return;
  }
  hideBanner();
  session?.outbox.retryUnreached();
  session?.conversation.reconnected();
}

function openChannel() {
  if (!session) return;
  const name = decodeHash();
  if (name === wantedChannel && channels.some((each) => each.name === name)) wantedChannel = undefined;
  if (name === wantedChannel) return;
  const next = channels.find((candidate) => candidate.name === name) ?? channels[0];
  if (!next) return;
  if (next.name !== name) history.replaceState(null, '', `${location.search}#${encodeURIComponent(next.name)}`);
  if (next.id === channel?.id) return;
  channel = next;
  showComposer();
  composer.show(channel.id);
  session.thread.hide();
  typing.paint();
  void session.conversation.show(channel);
  paint();
  if (matchMedia('(hover: hover)').matches) composer.focus();
}

/** An archived channel has no composer. */
function showComposer() {
  byId('composer-form').hidden = channel.archived;
  byId('archived-note').hidden = !channel.archived;
}

function decodeHash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

function isUnread({ id, last_position: last }) {
  return session !== undefined && last > session.marks.position(id);
}

function paint() {
  if (!session || !channel) return;
  sidebar.paintChannels(channels, channel.id, isUnread);
  sidebar.paintPeople(people, session.person, channel.guests);
  byId('channel-name').textContent = titleOf(channel);
  byId('topic').textContent = channel.topic;
  byId('topic').hidden = channel.topic === '';
  byId('channel-name').title = `Channel id ${channel.id}`;
  paintShared(serversOf(channel));
  byId('archive').hidden = channel.archived;
  seen.paint();
  document.title = `${channels.some(isUnread) ? '● ' : ''}${titleOf(channel)} · ${workspace.name}`;
}

const titleOf = ({ kind, name }) => (kind === 'channel' ? `#${name}` : name);

/** Whether what is written here leaves the company: known once somebody of another one has written here. */
function paintShared(servers) {
  const detail = byId('channel-detail');
  detail.classList.toggle('shared', servers.length > 0);
  if (servers.length > 0)
    detail.replaceChildren('Shared with ', ...servers.map((server) => serverBadge(server, 'channel-server')));
  else detail.replaceChildren('Nobody of another company has written here');
  const title = titleOf(channel);
  composer.address(servers.length > 0 ? `Message ${title} and ${servers.join(', ')}` : `Message ${title}`);
}

function paintIdentity(person) {
  const select = byId('identity');
  byId('identity-box').hidden = person === undefined;
  select.replaceChildren(
    ...people.map(({ username, display_name: name }) => element('option', { value: username }, name)),
  );
  if (!person) return;
  select.value = person.username;
  paintAvatar(byId('identity-avatar'), person);
}

function welcome(wanted) {
  document.title = workspace.name;
  const box = byId('welcome');
  box.replaceChildren(
    element(
      'div',
      { class: 'welcome-card' },
      element('span', { class: 'workspace-mark', 'aria-hidden': 'true' }, initials(workspace.name).slice(0, 1)),
      element('h1', {}, `Welcome to ${workspace.name}`),
      wanted !== undefined && element('p', { class: 'welcome-problem' }, `There is nobody called “${wanted}” here.`),
      element('p', {}, 'This is a demo without login. Who do you want to be?'),
      element('ul', { class: 'choices' }, ...people.map((person) => element('li', {}, choice(person)))),
    ),
  );
  showWelcome(true);
  box.querySelector('button')?.focus();
}

function showWelcome(shown) {
  byId('welcome').hidden = !shown;
  for (const covered of ['sidebar', 'main', 'skip']) byId(covered).inert = shown;
}

function choice(person) {
  return element(
    'button',
    { type: 'button', class: 'choice', 'data-testid': 'choice', onclick: () => void become(person) },
    avatar(person, false),
    element('span', {}, person.display_name),
  );
}

function showBanner(text) {
  byId('banner').textContent = text;
}

function hideBanner() {
  byId('banner').textContent = '';
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    showBanner(
      error instanceof Error && error.name === 'Error' ? error.message : 'That did not work. Try again in a moment.',
    );
    clearTimeout(bannerTimer);
    bannerTimer = setTimeout(hideBanner, RELOAD_MS);
  }
}

const archive = (archived) => attempt(() => setArchived(as(), channel.id, archived));

addEventListener('hashchange', openChannel);
byId('identity').addEventListener('change', (event) => {
  const person = people.find(({ username }) => username === event.target.value);
  if (person) void become(person);
});
byId('archive').addEventListener('click', () => void archive(true));
byId('restore').addEventListener('click', () => void archive(false));
byId('edit-topic').addEventListener('click', () => {
  const topic = globalThis.prompt('What is this channel about?', channel.topic);
  if (topic !== null && topic !== channel.topic) void attempt(() => setTopic(as(), channel.id, topic.trim()));
});
byId('new-conversation').addEventListener('click', () => dialog.show(people, session.person, channels));
byId('skip').addEventListener('click', () => composer.focus());

void start();
