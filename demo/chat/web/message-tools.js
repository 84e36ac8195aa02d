import { element, icon, ICONS } from './dom.js';

export const EMOJI = [
  ['+1', '👍', 'thumbs up'],
  ['heart', '❤️', 'heart'],
  ['joy', '😂', 'laughing'],
  ['tada', '🎉', 'party'],
  ['eyes', '👀', 'eyes'],
  ['white_check_mark', '✅', 'done'],
  ['pray', '🙏', 'thank you'],
  ['thinking_face', '🤔', 'thinking'],
  ['fire', '🔥', 'fire'],
  ['wave', '👋', 'waving'],
  ['cry', '😢', 'sad'],
  ['rocket', '🚀', 'rocket'],
];

/**
 * What can be done with a message: to be reached by pointer and by Tab.
 * @param {{ react, thread, reply, edit, remove, press }} does each absent where it cannot be done
 */
export function toolbar(message, me, does) {
  const mine = message.author?.id === me.id;
  const tool = (label, path, testId, onclick) =>
    element(
      'button',
      { type: 'button', class: 'tool', title: label, 'aria-label': label, 'data-testid': testId, onclick },
      icon(path),
    );
  return element(
    'div',
    { class: 'tools', role: 'toolbar', 'aria-label': 'Message' },
    tool('React', ICONS.smile, 'tool-react', (event) => openPicker(event.currentTarget, message, me, does)),
    does.thread && tool('Answer in a thread', ICONS.thread, 'tool-thread', () => does.thread(message)),
    does.reply && tool('Reply', ICONS.reply, 'tool-reply', () => does.reply(message)),
    mine && tool('Edit', ICONS.pencil, 'tool-edit', () => does.edit(message)),
    mine && tool('Delete', ICONS.bin, 'tool-delete', () => does.remove(message)),
  );
}

/** Who reacted with what; a press adds or takes back one's own. */
export function reactionRow(message, me, does) {
  if (message.reactions.length === 0) return undefined;
  return element(
    'ul',
    { class: 'reactions', 'aria-label': 'Reactions' },
    ...message.reactions.map((reaction) => element('li', {}, chip(message, reaction, me, does))),
  );
}

function chip(message, { shortcode, unicode, people }, me, does) {
  const mine = people.some(({ id }) => id === me.id);
  const names = people.map(({ display_name: name, server }) => (server ? `${name} (${server})` : name)).join(', ');
  const shown = unicode ?? `:${shortcode}:`;
  return element(
    'button',
    {
      type: 'button',
      class: 'reaction',
      'data-testid': 'reaction',
      'aria-pressed': String(mine),
      'aria-label': `${shown}, ${people.length}: ${names}`,
      title: names,
      onclick: () => does.react(message, { shortcode, ...(unicode && { unicode }) }, mine ? 'remove' : 'add'),
    },
    element('span', { 'aria-hidden': 'true' }, shown),
    element('span', { class: 'count', 'aria-hidden': 'true' }, String(people.length)),
  );
}

/** Buttons of the gateway: invitations and the like. */
export function actionRow(message, does) {
  if (message.actions.length === 0) return undefined;
  return element(
    'p',
    { class: 'actions' },
    ...message.actions.map(({ id, label, style }) =>
      element(
        'button',
        {
          type: 'button',
          class: `action action-${style === 'primary' || style === 'danger' ? style : 'plain'}`,
          'data-testid': 'action',
          onclick: (event) => {
            for (const button of event.currentTarget.parentElement.children) button.disabled = true;
            void does.press(message, id);
          },
        },
        label,
      ),
    ),
  );
}

function openPicker(opener, message, me, does) {
  document.querySelector('.picker')?.remove();
  const close = () => {
    opener.focus(); // and with the focus the picker goes
  };
  const choose = (shortcode, unicode) => {
    const mine = message.reactions.some(
      (each) => each.shortcode === shortcode && each.people.some(({ id }) => id === me.id),
    );
    does.react(message, { shortcode, unicode }, mine ? 'remove' : 'add');
    close();
  };
  const picker = element(
    'div',
    { class: 'picker', role: 'dialog', 'aria-label': 'Choose a reaction' },
    ...EMOJI.map(([shortcode, unicode, name]) =>
      element(
        'button',
        {
          type: 'button',
          'aria-label': name,
          title: name,
          'data-emoji': shortcode,
          onclick: () => choose(shortcode, unicode),
        },
        unicode,
      ),
    ),
  );
  picker.addEventListener('keydown', (event) => {
    const buttons = [...picker.children];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 6, ArrowUp: -6 }[event.key];
    if (event.key === 'Escape') close();
    else if (step !== undefined) buttons[(at + step + buttons.length) % buttons.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  picker.addEventListener('focusout', (event) => {
    if (!picker.contains(event.relatedTarget)) setTimeout(() => picker.remove());
  });
  opener.closest('.message').append(picker);
  picker.firstElementChild.focus();
}
