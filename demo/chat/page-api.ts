import type { Ephemera } from './ephemera.js';
import { type Files, fileId } from './files.js';
import {
  asObject,
  type Exchange,
  integerParameter,
  invalid,
  notFound,
  Problem,
  readJson,
  sendJson,
  sendNothing,
} from './http.js';
import type { LiveUpdates } from './live-updates.js';
import { authorView, viewsOf } from './message-view.js';
import type { Content, Messages } from './messages.js';
import type { Body, Channel, Message, Person } from './model.js';
import { boundedText, parseEmoji, parseText } from './posted-message.js';
import { personView, type Store } from './store.js';
import { bodyOf } from './typed-text.js';

const MAX_CLIENT_ID_LENGTH = 64;
const MAX_PAGE = 200;
const MAX_THREAD = 500;
const MAX_FILES = 10;
const MAX_PARTICIPANTS = 20;
const MAX_NAME_BYTES = 80;
const MAX_TOPIC_BYTES = 1_000;
const MAX_ID_BYTES = 255;
const USER_ID = /^@[a-z0-9._=/+-]{1,200}:[A-Za-z0-9.-]{1,200}(?::\d{1,5})?$/;
const COMMAND = /^\/causeway(?:\s+([\s\S]*))?$/;

export interface PageApiOptions {
  store: Store;
  messages: Messages;
  files: Files;
  ephemera: Ephemera;
  live: LiveUpdates;
  workspace: { id: string; name: string };
  accent: string;
}

type Handler = (exchange: Exchange, ids: readonly string[]) => Promise<void> | void;

/**
 * What the web page calls. There is no login: `?as=username` is believed. It is a demo; do not put it where people
 * who should not read each other's messages can reach it.
 */
export class PageApi {
  readonly #options: PageApiOptions;

  constructor(options: PageApiOptions) {
    this.#options = options;
  }

  /** @param exchange with a path that begins behind `/api`. */
  async handle(exchange: Exchange): Promise<void> {
    const { request, path } = exchange;
    const ids = path.filter((_, n) => n % 2 === 1);
    const route = `${request.method} ${path.map((segment, n) => (n % 2 === 1 ? ':id' : segment)).join(' ')}`;
    const handler = Object.hasOwn(this.#routes, route) ? this.#routes[route] : undefined;
    if (!handler) throw notFound();
    await handler(exchange, ids);
  }

  readonly #routes: Readonly<Record<string, Handler>> = {
    'GET workspace': (exchange) => this.#workspace(exchange),
    'GET live': (exchange) => this.#live(exchange),
    'GET channels :id messages': (exchange, ids) => this.#history(exchange, ids),
    'POST channels :id messages': (exchange, ids) => this.#write(exchange, ids),
    'GET channels :id threads :id': (exchange, ids) => this.#thread(exchange, ids),
    'PUT channels :id messages :id': (exchange, ids) => this.#edit(exchange, ids),
    'DELETE channels :id messages :id': (exchange, ids) => this.#delete(exchange, ids),
    'POST channels :id messages :id reactions': (exchange, ids) => this.#react(exchange, ids),
    'POST channels :id messages :id actions': (exchange, ids) => this.#press(exchange, ids),
    'POST channels :id typing': (exchange, ids) => this.#typing(exchange, ids),
    'POST channels :id read': (exchange, ids) => this.#read(exchange, ids),
    'PUT channels :id archived': (exchange, ids) => this.#archive(exchange, ids),
    'PUT channels :id topic': (exchange, ids) => this.#setTopic(exchange, ids),
    'PUT channels :id name': (exchange, ids) => this.#rename(exchange, ids),
    'POST conversations': (exchange) => this.#openConversation(exchange),
    'PUT profile': (exchange) => this.#profile(exchange),
    'POST files': (exchange) => this.#upload(exchange),
    'GET files :id': ({ response }, [id = '']) => this.#options.files.send(response, fileId(id), { download: false }),
  };

  /** Without `?as`, nobody looks yet: the page asks who that will be. */
  #workspace({ response, url }: Exchange): void {
    const { store, messages, workspace, accent } = this.#options;
    const viewer = store.personNamed(url.searchParams.get('as') ?? '');
    const last = viewer && messages.lastPositions(viewer);
    const guests = viewer && store.guests(viewer);
    sendJson(response, 200, {
      workspace: { ...workspace, accent },
      people: store.people().map(personView),
      channels: (viewer ? store.channels(viewer) : store.channels().filter(({ kind }) => kind === 'channel')).map(
        (channel) => ({
          ...channel,
          last_position: last?.get(channel.id) ?? 0,
          guests: guests?.get(channel.id)?.map(authorView) ?? [],
        }),
      ),
      position: store.head(),
    });
  }

  #live({ request, response, url }: Exchange): void {
    const viewer = this.#viewer(url);
    const resumed = request.headers['last-event-id'];
    const after =
      typeof resumed === 'string' && /^\d{1,15}$/.test(resumed)
        ? Number(resumed)
        : integerParameter(url, 'after', { min: 0, max: Number.MAX_SAFE_INTEGER, or: this.#options.store.head() });
    this.#options.live.open(response, viewer, after);
  }

  #history({ response, url }: Exchange, [channelId]: readonly string[]): void {
    const { messages } = this.#options;
    const [viewer, channel] = this.#place(url, channelId);
    const limit = integerParameter(url, 'limit', { min: 1, max: MAX_PAGE, or: 50 });
    const end = Number.MAX_SAFE_INTEGER;
    const before = integerParameter(url, 'before', { min: 1, max: end, or: end });
    const found = messages.history(channel.id, viewer, before, limit + 1);
    sendJson(response, 200, {
      messages: viewsOf(found.slice(-limit), viewer, messages),
      more: found.length > limit,
    });
  }

  #thread({ response, url }: Exchange, [channelId, rootId = '']: readonly string[]): void {
    const { messages } = this.#options;
    const [viewer, channel] = this.#place(url, channelId);
    const root = this.#message(channel, rootId);
    const found = messages.thread(channel.id, root.id, viewer, MAX_THREAD);
    sendJson(response, 200, { messages: viewsOf([root, ...found], viewer, messages) });
  }

  async #write({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const { store, messages } = this.#options;
    const body = asObject(await readJson(request));
    const clientId = body.client_id;
    if (typeof clientId !== 'string' || clientId === '' || clientId.length > MAX_CLIENT_ID_LENGTH) {
      throw invalid(`client_id must have 1 to ${MAX_CLIENT_ID_LENGTH} characters.`);
    }
    const attachments = this.#attachments(body.files);
    const text = attachments.length > 0 && body.text === '' ? '' : parseText(body.text);
    if (text.trim() === '' && attachments.length === 0) throw invalid('The message is empty.');
    const [viewer, channel] = this.#place(url, channelId);
    if (channel.archived) throw new Problem(409, 'channel_archived', 'This channel is archived.');
    const command = COMMAND.exec(text);
    if (command) {
      store.tell({ type: 'command', channel, actor: personView(viewer), text: command[1] ?? 'help' });
      sendJson(response, 201, { id: `command-${clientId}`, command: true });
      return;
    }
    const root = body.thread === undefined ? undefined : this.#message(channel, body.thread);
    const answered = body.reply_to === undefined ? undefined : this.#message(channel, body.reply_to);
    const { id, created } = messages.post({
      channel,
      author: { kind: 'person', person: viewer },
      ...this.#content(viewer, channel, text, attachments),
      ...(root && { threadRoot: root.threadRoot ?? root.id, alsoToChannel: body.also_to_channel === true }),
      ...(answered && { replyTo: answered.id }),
      clientId,
    });
    sendJson(response, created ? 201 : 200, { id });
  }

  async #edit({ request, response, url }: Exchange, [channelId, id]: readonly string[]): Promise<void> {
    const text = parseText(asObject(await readJson(request)).text);
    if (text.trim() === '') throw invalid('The message is empty.');
    const [viewer, channel] = this.#place(url, channelId);
    const message = this.#own(viewer, channel, id);
    const attachments = message.body?.attachments ?? [];
    this.#options.messages.edit(channel, message, this.#content(viewer, channel, text, attachments), viewer);
    sendNothing(response);
  }

  #delete({ response, url }: Exchange, [channelId, id]: readonly string[]): void {
    const [viewer, channel] = this.#place(url, channelId);
    this.#options.messages.delete(channel, this.#own(viewer, channel, id), viewer);
    sendNothing(response);
  }

  async #react({ request, response, url }: Exchange, [channelId, id]: readonly string[]): Promise<void> {
    const { change, emoji } = asObject(await readJson(request));
    if (change !== 'add' && change !== 'remove') throw invalid('change must be add or remove.');
    const [viewer, channel] = this.#place(url, channelId);
    const author = { kind: 'person', person: viewer } as const;
    this.#options.messages.react(channel, this.#message(channel, id), parseEmoji(emoji), change, author);
    sendNothing(response);
  }

  async #press({ request, response, url }: Exchange, [channelId, id]: readonly string[]): Promise<void> {
    const { action } = asObject(await readJson(request));
    const [viewer, channel] = this.#place(url, channelId);
    const message = this.#message(channel, id);
    if (!message.actions.some((each) => each.id === action)) throw invalid('The message has no such button.');
    const actor = personView(viewer);
    this.#options.store.tell({ type: 'action', channel, actor, action, message_id: message.id });
    sendNothing(response);
  }

  async #typing({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const { typing } = asObject(await readJson(request));
    const [{ id, username, displayName }, channel] = this.#place(url, channelId);
    const by = { id, username, display_name: displayName };
    this.#options.ephemera.fromPage({ type: 'typing', channelId: channel.id, by, typing: typing === true });
    sendNothing(response);
  }

  async #read({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const { message_id: id } = asObject(await readJson(request));
    const [{ id: personId, username, displayName }, channel] = this.#place(url, channelId);
    const by = { id: personId, username, display_name: displayName };
    const messageId = this.#message(channel, id).id;
    this.#options.ephemera.fromPage({ type: 'read', channelId: channel.id, by, messageId });
    sendNothing(response);
  }

  async #archive({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const { archived } = asObject(await readJson(request));
    if (typeof archived !== 'boolean') throw invalid('archived must be true or false.');
    const { store } = this.#options;
    const channel = this.#channel(channelId);
    const viewer = store.personNamed(url.searchParams.get('as') ?? '');
    sendJson(
      response,
      200,
      store.change(channel, archived ? 'archived' : 'unarchived', '', viewer ?? store.people()[0]),
    );
  }

  async #setTopic({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const { topic } = asObject(await readJson(request));
    const value = topic === '' ? '' : boundedText(topic, 'topic', MAX_TOPIC_BYTES);
    const [viewer, channel] = this.#place(url, channelId);
    sendJson(response, 200, this.#options.store.change(channel, 'topic', value, viewer));
  }

  async #rename({ request, response, url }: Exchange, [channelId]: readonly string[]): Promise<void> {
    const name = boundedText(asObject(await readJson(request)).name, 'name', MAX_NAME_BYTES);
    const [viewer, channel] = this.#place(url, channelId);
    sendJson(response, 200, this.#options.store.change(channel, 'name', name, viewer));
  }

  /** With people of other companies the gateway is told, which invites them; among ourselves nobody else needs to know. */
  async #openConversation({ request, response, url }: Exchange): Promise<void> {
    const { store } = this.#options;
    const { people, remote } = asObject(await readJson(request));
    const viewer = this.#viewer(url);
    if (!Array.isArray(people) || !Array.isArray(remote) || people.length + remote.length > MAX_PARTICIPANTS) {
      throw invalid(`people and remote are lists of at most ${MAX_PARTICIPANTS} people.`);
    }
    const here = people.map((id: unknown) => this.#person(id));
    const there = remote.map((id: unknown) => boundedText(id, 'remote', MAX_ID_BYTES));
    if (!there.every((id) => USER_ID.test(id))) throw invalid('People of other companies are @name:company.example.');
    if (here.length + there.length === 0) throw invalid('Nobody is to talk with.');
    const guests = there.map((id) => {
      const [localpart = '', server = ''] = id.slice(1).split(/:(.*)/s);
      return { kind: 'remote', id, displayName: localpart, server } as const;
    });
    const everybody = [viewer, ...here.filter(({ id }) => id !== viewer.id)];
    const name = [...everybody, ...guests].map(({ displayName }) => displayName.split(' ')[0]).join(', ');
    const channel = store.openConversation(name.slice(0, MAX_NAME_BYTES), everybody, guests);
    if (there.length > 0) {
      const participants = [
        ...there.map((id) => ({ user_id: id })),
        ...everybody.filter(({ id }) => id !== viewer.id).map(({ id }) => ({ id })),
      ];
      store.tell({ type: 'conversation', channel, actor: personView(viewer), participants });
    }
    sendJson(response, 201, channel);
  }

  async #profile({ request, response, url }: Exchange): Promise<void> {
    const { display_name: name } = asObject(await readJson(request));
    const viewer = this.#viewer(url);
    const renamed = this.#options.store.rename(viewer, boundedText(name, 'display_name', MAX_NAME_BYTES));
    sendJson(response, 200, personView(renamed));
  }

  async #upload({ request, response, url }: Exchange): Promise<void> {
    this.#viewer(url);
    const name = boundedText(url.searchParams.get('name'), 'name', MAX_ID_BYTES);
    const type = request.headers['content-type']?.split(';', 1)[0];
    sendJson(response, 201, await this.#options.files.keep(request, name, type));
  }

  #content(viewer: Person, channel: Channel, text: string, attachments: readonly unknown[]): Content {
    const { store } = this.#options;
    const guests = store.guests(viewer).get(channel.id) ?? [];
    const body: Body = { ...bodyOf(text, { people: store.people(), guests }), attachments: [...attachments] };
    return { text, body };
  }

  #attachments(ids: unknown): unknown[] {
    if (ids === undefined) return [];
    if (!Array.isArray(ids) || ids.length > MAX_FILES) throw invalid(`files is a list of at most ${MAX_FILES}.`);
    return ids.map((id: unknown) => {
      const file = this.#options.files.find(boundedText(id, 'files', MAX_ID_BYTES));
      if (!file) throw new Problem(404, 'unknown_file', 'There is no such file.');
      const { name, type, size } = file;
      return { kind: kindOf(type), name, mimeType: type, size, source: { nativeId: file.id } };
    });
  }

  #viewer(url: URL): Person {
    const viewer = this.#options.store.personNamed(url.searchParams.get('as') ?? '');
    if (!viewer) throw new Problem(404, 'unknown_user', 'There is nobody of this name.');
    return viewer;
  }

  #person(id: unknown): Person {
    const person = typeof id === 'string' ? this.#options.store.person(id) : undefined;
    if (!person) throw new Problem(404, 'unknown_user', 'There is nobody of this name.');
    return person;
  }

  #channel(id = ''): Channel {
    const channel = this.#options.store.channel(id);
    if (!channel) throw new Problem(404, 'unknown_channel', 'There is no such channel.');
    return channel;
  }

  /** Somebody, and a channel that they see. */
  #place(url: URL, channelId: string | undefined): [Person, Channel] {
    const channel = this.#channel(channelId);
    const viewer = this.#viewer(url);
    if (!this.#options.store.sees(viewer, channel)) this.#channel('');
    return [viewer, channel];
  }

  #message(channel: Channel, id: unknown): Message {
    const message = typeof id === 'string' ? this.#options.messages.find(channel.id, id) : undefined;
    if (!message) throw new Problem(404, 'unknown_message', 'This message is not there any more.');
    return message;
  }

  #own(viewer: Person, channel: Channel, id: unknown): Message {
    const message = this.#message(channel, id);
    const own = message.author.kind === 'person' && message.author.person.id === viewer.id;
    if (!own) throw new Problem(403, 'not_yours', 'Only who wrote a message may change it.');
    return message;
  }
}

function kindOf(type: string): string {
  const [kind = ''] = type.split('/');
  return ['image', 'video', 'audio'].includes(kind) ? kind : 'file';
}
