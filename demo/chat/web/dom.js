/**
 * Makes an element. Strings become text nodes and nothing else: there is no way from here to markup.
 * @param {string} tag
 * @param {Record<string, string | boolean | EventListener>} [attributes] `onclick` and the like take a listener
 * @param {...(Node | string | false | undefined)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== false && child !== undefined));
  return made;
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A line drawing on a 20 × 20 grid. @param {string} path */
export function icon(path) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(SVG, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  building:
    'M4 17V4.5A1.5 1.5 0 0 1 5.5 3h5A1.5 1.5 0 0 1 12 4.5V17M12 8h2.5A1.5 1.5 0 0 1 16 9.5V17M2.5 17h15M6.8 6.5h2.4M6.8 10h2.4M6.8 13.5h2.4',
  bridge:
    'M2 14.5h16M5 14.5V5M15 14.5V5M5 6c1.5 4.5 8.5 4.5 10 0M2 9.5C3.5 9 4.5 8 5 6M18 9.5C16.5 9 15.5 8 15 6M8 9v5.5M12 9v5.5',
  smile: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM7.5 8.2v.1M12.5 8.2v.1M6.8 11.5c1.2 2.3 5.2 2.3 6.4 0',
  thread: 'M4 4.5h12v8.5H9l-3.5 3v-3H4zM7 7.5h6M7 10h4',
  reply: 'M8 5 3.5 9.5 8 14M3.5 9.5h7a5.5 5.5 0 0 1 5.5 5.5',
  pencil: 'M4 16l.8-3.2L13.2 4.4a1.4 1.4 0 0 1 2 0l.4.4a1.4 1.4 0 0 1 0 2L7.2 15.2zM12 5.6l2.4 2.4',
  bin: 'M4.5 6h11M8 6V4.5h4V6M6 6l.6 10h6.8L14 6M8.5 8.5v5M11.5 8.5v5',
  clip: 'M14.5 9.5 9 15a3 3 0 0 1-4.3-4.3l6-6a2 2 0 0 1 2.9 2.9l-5.7 5.7a1 1 0 0 1-1.4-1.4l5-5',
  close: 'M5 5l10 10M15 5 5 15',
  plus: 'M10 4v12M4 10h12',
  lock: 'M6 9V6.5a4 4 0 0 1 8 0V9M5 9h10a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z',
};

/** A coloured circle with initials; people of other companies get a rounded square. */
export function avatar(person, remote, small = false) {
  const made = element('span', { class: 'avatar', 'aria-hidden': 'true' });
  if (small) made.classList.add('avatar-small');
  paintAvatar(made, person, remote);
  return made;
}

export function paintAvatar(target, person, remote = false) {
  target.textContent = initials(person.display_name);
  target.classList.toggle('avatar-remote', remote);
  target.style.setProperty('--hue', String(hue(person.id)));
}

export function initials(name) {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word));
  const chosen = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return (
    chosen
      .map((word) => [...word].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? '')
      .join('')
      .toUpperCase() || '?'
  );
}

// Golden-angle steps keep neighbours such as U1, U2, U3 apart.
function hue(id) {
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + letter.codePointAt(0)) % 9_973;
  return Math.round((hash * 137.508) % 360);
}

/** “Grace Hopper (globex.example)”; of people here the name alone. */
export const nameAndCompany = ({ display_name: name, server }) => (server ? `${name} (${server})` : name);
