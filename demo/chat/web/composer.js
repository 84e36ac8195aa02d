import { tellTyping, uploadFile } from './chat-api.js';
import { byId, element, icon, ICONS } from './dom.js';
import { sizeOf } from './rich-text.js';

const TYPING_MS = 4_000;
const MAX_FILES = 10;

/** Where people write: text, files, what it answers, and what is being edited. What is not sent yet stays with its place. */
export class Composer {
  #options;
  #drafts = new Map();
  #place;
  #answers;
  #edits;
  #files = [];
  #typedAt = 0;
  #field;
  #button;
  #chips;
  #banner;

  /**
   * @param {{ prefix: string, as: () => string, onSend: (written) => void, onEdit: (message, text) => void,
   *   onLast?: () => object | undefined }} options `prefix`: of the ids of its elements; `onLast`: the message that ↑ edits
   */
  constructor(options) {
    this.#options = options;
    this.#field = byId(options.prefix);
    this.#button = byId(`${options.prefix}-send`);
    this.#chips = byId(`${options.prefix}-files`);
    this.#banner = byId(`${options.prefix}-banner`);
    const form = byId(`${options.prefix}-form`);
    const chooser = byId(`${options.prefix}-file`);
    this.#field.addEventListener('input', () => this.#typed());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#field.addEventListener('paste', (event) => this.#take(event.clipboardData?.files ?? [], event));
    form.addEventListener('dragover', (event) => event.preventDefault());
    form.addEventListener('drop', (event) => this.#take(event.dataTransfer?.files ?? [], event));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
      this.focus();
    });
    chooser.addEventListener('change', () => {
      this.#take(chooser.files ?? []);
      chooser.value = '';
      this.focus();
    });
  }

  /** @param {string} place the channel, or the thread: its draft is kept */
  show(place) {
    if (place === this.#place) return;
    if (this.#edits === undefined) this.#drafts.set(this.#place, this.#field.value);
    this.#place = place;
    this.#files = [];
    this.#leave();
    this.#field.value = this.#drafts.get(place) ?? '';
    this.#fit();
  }

  /** Says who will read it. */
  address(readers) {
    byId(`${this.#options.prefix}-label`).textContent = readers;
    this.#field.placeholder = readers;
  }

  answer(message) {
    this.#leave();
    this.#answers = message;
    this.#say(`Replying to ${message.author?.display_name ?? 'Causeway'}`);
    this.focus();
  }

  edit(message) {
    this.#leave();
    this.#drafts.set(this.#place, this.#field.value);
    this.#edits = message;
    this.#say('Editing your message');
    this.#field.value = message.text;
    this.#fit();
    this.focus();
  }

  focus() {
    this.#field.focus();
  }

  #say(text) {
    this.#banner.replaceChildren(
      text,
      element(
        'button',
        { type: 'button', class: 'tool', 'aria-label': 'Cancel', onclick: () => this.#cancel() },
        icon(ICONS.close),
      ),
    );
    this.#banner.hidden = false;
  }

  #cancel() {
    if (this.#edits !== undefined) this.#field.value = this.#drafts.get(this.#place) ?? '';
    this.#leave();
    this.#fit();
    this.focus();
  }

  #leave() {
    this.#answers = undefined;
    this.#edits = undefined;
    this.#banner.hidden = true;
    this.#paintFiles();
  }

  #key(event) {
    if (event.key === 'Escape' && !this.#banner.hidden) {
      event.stopPropagation();
      this.#cancel();
      return;
    }
    if (event.key === 'ArrowUp' && this.#field.value === '' && this.#edits === undefined) {
      const last = this.#options.onLast?.();
      if (!last) return;
      event.preventDefault();
      this.edit(last);
      return;
    }
    // While an input method composes, Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #typed() {
    this.#fit();
    const now = Date.now();
    if (this.#field.value === '' || now - this.#typedAt < TYPING_MS) return;
    this.#typedAt = now;
    const [channelId = ''] = (this.#place ?? '').split('/');
    // Nobody misses it when it does not arrive.
    tellTyping(this.#options.as(), channelId, true).catch(() => undefined);
  }

  #take(files, event) {
    if (files.length === 0 || this.#edits !== undefined) return;
    event?.preventDefault();
    for (const file of [...files].slice(0, MAX_FILES - this.#files.length)) void this.#upload(file);
  }

  async #upload(file) {
    const entry = { name: file.name || 'file', size: file.size, preview: previewOf(file), state: 'uploading' };
    this.#files.push(entry);
    this.#paintFiles();
    try {
      Object.assign(entry, await uploadFile(this.#options.as(), file), { state: 'ready' });
    } catch (error) {
      Object.assign(entry, { state: 'failed', error: error.message });
    }
    this.#paintFiles();
  }

  #paintFiles() {
    this.#chips.hidden = this.#files.length === 0;
    this.#chips.replaceChildren(...this.#files.map((entry) => this.#chip(entry)));
    this.#fit();
  }

  #chip(entry) {
    const states = { uploading: 'uploading…', ready: sizeOf(entry.size), failed: `not uploaded: ${entry.error ?? ''}` };
    const remove = () => {
      this.#files = this.#files.filter((other) => other !== entry);
      this.#paintFiles();
      this.focus();
    };
    return element(
      'li',
      { class: `chip chip-${entry.state}`, 'data-testid': 'upload', 'data-state': entry.state },
      entry.preview && element('img', { src: entry.preview, alt: '' }),
      element('span', { class: 'chip-name' }, entry.name),
      element('span', { class: 'chip-state', role: 'status' }, states[entry.state]),
      element(
        'button',
        { type: 'button', class: 'tool', 'aria-label': `Remove ${entry.name}`, onclick: remove },
        icon(ICONS.close),
      ),
    );
  }

  #send() {
    const text = this.#field.value.trim();
    const ready = this.#files.filter(({ state }) => state === 'ready');
    if (this.#files.some(({ state }) => state === 'uploading') || (text === '' && ready.length === 0)) return;
    if (this.#edits !== undefined) {
      if (text !== '' && text !== this.#edits.text) this.#options.onEdit(this.#edits, text);
      this.#cancel();
      return;
    }
    const replyTo = this.#answers?.id;
    this.#field.value = '';
    this.#files = [];
    this.#typedAt = 0;
    this.#leave();
    this.#options.onSend({ text, files: ready, ...(replyTo && { replyTo }) });
  }

  #fit() {
    const uploading = this.#files.some(({ state }) => state === 'uploading');
    this.#button.disabled = uploading || (this.#field.value.trim() === '' && this.#files.length === 0);
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

const previewOf = (file) => (/^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : undefined);
