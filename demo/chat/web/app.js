import { loadWorkspace, setArchived } from './chat-api.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { avatar, byId, element, initials, paintAvatar } from './dom.js';
import { openLive } from './live.js';
import { serverBadge } from './message-list.js';
import { Outbox } from './outbox.js';
import { ReadMarks, rememberedPerson, rememberPerson } from './read-marks.js';
import { serversOf, Sidebar } from './sidebar.js';

// A break shorter than this (a proxy that changes connections, a laptop that wakes) is not worth a word.
const BANNER_DELAY_MS = 1_000;
const RELOAD_MS = 3_000;

const sidebar = new Sidebar();
const composer = new Composer((text) => {
  session.outbox.add(channel.id, text);
  session.conversation.scrollToEnd();
});

let workspace;
let people = [];
let channels = [];
let channel;
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
  });
  const conversation = new Conversation({ person, people, outbox, marks, onChange: paint });
  session = { person, conversation, outbox, marks };
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
    onState: connection,
    onReset: () => location.reload(),
    onBeat: () => conversation.refreshDays(),
  });
  openChannel();
}

function endSession() {
  session?.live?.close();
  session?.conversation.close();
  session = undefined;
  channel = undefined;
}

function receive(message) {
  const its = channels.find(({ id }) => id === message.channel_id);
  if (its) {
    its.last_position = message.position;
    if (message.author?.server !== undefined) its.guests = withGuest(its.guests, message.author);
  }
  session.conversation.receive(message);
}

const withGuest = (guests, guest) =>
  guests.some(({ id }) => id === guest.id)
    ? guests.map((known) => (known.id === guest.id ? guest : known))
    : [...guests, guest];

function updateChannels(list) {
  const known = new Map(channels.map((each) => [each.id, each]));
  channels = list.map((fresh) => ({ last_position: 0, guests: [], ...known.get(fresh.id), ...fresh }));
  const open = channels.find(({ id }) => id === channel?.id);
  if (!open) return openChannel();
  channel = open;
  composer.show(channel);
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
  const next = channels.find((candidate) => candidate.name === name) ?? channels[0];
  if (!next) return;
  if (next.name !== name) history.replaceState(null, '', `${location.search}#${encodeURIComponent(next.name)}`);
  if (next.id === channel?.id) return;
  channel = next;
  composer.show(channel);
  void session.conversation.show(channel);
  paint();
  if (matchMedia('(hover: hover)').matches) composer.focus();
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
  byId('channel-name').textContent = `#${channel.name}`;
  byId('channel-name').title = `Channel id ${channel.id}`;
  paintShared(serversOf(channel));
  byId('archive').hidden = channel.archived;
  document.title = `${channels.some(isUnread) ? '● ' : ''}#${channel.name} · ${workspace.name}`;
}

/** Whether what is written here leaves the company: known once somebody of another one has written here. */
function paintShared(servers) {
  const detail = byId('channel-detail');
  detail.classList.toggle('shared', servers.length > 0);
  if (servers.length > 0)
    detail.replaceChildren('Shared with ', ...servers.map((server) => serverBadge(server, 'channel-server')));
  else detail.replaceChildren('Nobody of another company has written here');
  composer.address(channel, servers);
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

async function archive(archived) {
  try {
    await setArchived(channel.id, archived);
  } catch {
    showBanner('That did not work. Try again in a moment.');
    bannerTimer = setTimeout(hideBanner, RELOAD_MS);
  }
}

addEventListener('hashchange', openChannel);
byId('identity').addEventListener('change', (event) => {
  const person = people.find(({ username }) => username === event.target.value);
  if (person) void become(person);
});
byId('archive').addEventListener('click', () => void archive(true));
byId('restore').addEventListener('click', () => void archive(false));
byId('skip').addEventListener('click', () => composer.focus());

void start();
