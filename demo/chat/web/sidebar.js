import { avatar, byId, element, icon, ICONS, initials } from './dom.js';

/** Workspace, channels and people, and the drawer they stand in on a narrow screen. */
export class Sidebar {
  #menu = byId('menu');

  constructor() {
    this.#menu.addEventListener('click', () => this.#toggle(!document.body.classList.contains('drawer-open')));
    byId('veil').addEventListener('click', () => this.#toggle(false));
    byId('channel-list').addEventListener('click', (event) => {
      if (event.target instanceof Element && event.target.closest('a')) this.#toggle(false);
    });
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !document.body.classList.contains('drawer-open')) return;
      this.#toggle(false);
      this.#menu.focus();
    });
  }

  paintWorkspace(workspace) {
    byId('workspace-name').textContent = workspace.name;
    byId('topbar-workspace').textContent = workspace.name;
    byId('workspace-mark').textContent = initials(workspace.name).slice(0, 1);
    document.documentElement.style.setProperty('--accent', workspace.accent);
    document.documentElement.style.setProperty('--on-accent', isLight(workspace.accent) ? '#16181d' : '#ffffff');
  }

  /** @param {(channel) => boolean} isUnread */
  paintChannels(channels, currentId, isUnread) {
    const items = channels.map((channel) => {
      const current = channel.id === currentId;
      const unread = !current && isUnread(channel);
      const link = element(
        'a',
        {
          href: `#${encodeURIComponent(channel.name)}`,
          class: 'channel',
          'data-testid': 'channel',
          'data-channel': channel.name,
          'data-unread': String(unread),
          'data-shared': String(serversOf(channel).length > 0),
          'aria-current': current ? 'page' : false,
        },
        element('span', { class: 'hash', 'aria-hidden': 'true' }, channel.kind === 'channel' ? '#' : '◦'),
        element('span', { class: 'channel-name' }, channel.name),
        serversOf(channel).length > 0 && sharedMark(serversOf(channel)),
        channel.archived && element('span', { class: 'channel-state' }, 'archived'),
        unread && element('span', { class: 'dot' }, element('span', { class: 'hidden-text' }, 'has unread messages')),
      );
      return element('li', {}, link);
    });
    keepFocus(byId('channel-list'), items);
    byId('menu-dot').hidden = !channels.some((channel) => channel.id !== currentId && isUnread(channel));
  }

  paintPeople(people, me, guests) {
    byId('people-list').replaceChildren(
      ...people.map((person) =>
        element(
          'li',
          { class: 'person' },
          avatar(person, false, true),
          element('span', { class: 'person-name' }, element('bdi', {}, person.display_name)),
          person.id === me?.id && element('span', { class: 'you' }, 'you'),
        ),
      ),
    );
    byId('guests').hidden = guests.length === 0;
    byId('guest-list').replaceChildren(
      ...guests.map((guest) =>
        element(
          'li',
          { class: 'person', title: guest.id },
          avatar(guest, true, true),
          element(
            'span',
            { class: 'person-name' },
            element('bdi', {}, guest.display_name),
            element('bdi', { class: 'person-server' }, guest.server),
          ),
        ),
      ),
    );
  }

  #toggle(open) {
    document.body.classList.toggle('drawer-open', open);
    this.#menu.setAttribute('aria-expanded', String(open));
    if (open) byId('channel-list').querySelector('a')?.focus();
  }
}

/** The other companies whose people wrote in a channel. */
export const serversOf = ({ guests }) => [...new Set(guests.map(({ server }) => server))];

function sharedMark(servers) {
  const meaning = `shared with ${servers.join(', ')}`;
  return element(
    'span',
    { class: 'shared-mark', title: meaning },
    icon(ICONS.building),
    element('span', { class: 'hidden-text' }, meaning),
  );
}

function keepFocus(list, items) {
  const focused = list.contains(document.activeElement) && document.activeElement?.getAttribute('href');
  list.replaceChildren(...items);
  if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

// WCAG 2.2 relative luminance; above 0.2, dark text has the better contrast.
function isLight(accent) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(accent.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2;
}
