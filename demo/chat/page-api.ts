import { asObject, type Exchange, integerParameter, invalid, notFound, Problem, readJson, sendJson } from './http.js';
import type { LiveUpdates } from './live-updates.js';
import { authorView, viewOf } from './message-view.js';
import type { Channel, Person } from './model.js';
import { parseText } from './posted-message.js';
import type { Store } from './store.js';

const MAX_CLIENT_ID_LENGTH = 64;
const MAX_PAGE = 200;

export interface PageApiOptions {
  store: Store;
  live: LiveUpdates;
  workspace: { id: string; name: string };
  accent: string;
}

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
    const [collection, id, part] = path;
    if (path.length > 3) throw notFound();
    switch ([request.method, collection, path.length > 1 ? ':id' : '', part ?? ''].join(' ').trim()) {
      case 'GET workspace':
        return this.#workspace(exchange);
      case 'GET live':
        return this.#live(exchange);
      case 'GET channels :id messages':
        return this.#history(exchange, id ?? '');
      case 'POST channels :id messages':
        return this.#write(exchange, id ?? '');
      case 'PUT channels :id archived':
        return this.#archive(exchange, id ?? '');
      default:
        throw notFound();
    }
  }

  /** Without `?as`, nobody looks yet: the page asks who that will be. */
  async #workspace({ response, url }: Exchange): Promise<void> {
    const { store, workspace, accent } = this.#options;
    const viewer = store.personNamed(url.searchParams.get('as') ?? '');
    const last = viewer && store.lastPositions(viewer);
    const guests = viewer && store.guests(viewer);
    sendJson(response, 200, {
      workspace: { ...workspace, accent },
      people: store.people().map(({ id, username, displayName }) => ({ id, username, display_name: displayName })),
      channels: store.channels().map((channel) => ({
        ...channel,
        last_position: last?.get(channel.id) ?? 0,
        guests: guests?.get(channel.id)?.map(authorView) ?? [],
      })),
      position: store.head(),
    });
  }

  async #live({ request, response, url }: Exchange): Promise<void> {
    const viewer = this.#viewer(url);
    const resumed = request.headers['last-event-id'];
    const after =
      typeof resumed === 'string' && /^\d{1,15}$/.test(resumed)
        ? Number(resumed)
        : integerParameter(url, 'after', { min: 0, max: Number.MAX_SAFE_INTEGER, or: this.#options.store.head() });
    this.#options.live.open(response, viewer, after);
  }

  async #history({ response, url }: Exchange, channelId: string): Promise<void> {
    const channel = this.#channel(channelId);
    const viewer = this.#viewer(url);
    const limit = integerParameter(url, 'limit', { min: 1, max: MAX_PAGE, or: 50 });
    const end = Number.MAX_SAFE_INTEGER;
    const before = integerParameter(url, 'before', { min: 1, max: end, or: end });
    const found = this.#options.store.history(channel.id, viewer, before, limit + 1);
    sendJson(response, 200, {
      messages: found.slice(-limit).map((message) => viewOf(message, viewer)),
      more: found.length > limit,
    });
  }

  async #write({ request, response, url }: Exchange, channelId: string): Promise<void> {
    const { client_id: clientId, text: written } = asObject(await readJson(request));
    if (typeof clientId !== 'string' || clientId === '' || clientId.length > MAX_CLIENT_ID_LENGTH) {
      throw invalid(`client_id must have 1 to ${MAX_CLIENT_ID_LENGTH} characters.`);
    }
    const text = parseText(written);
    if (text.trim() === '') throw invalid('The message is empty.');
    const viewer = this.#viewer(url);
    const channel = this.#channel(channelId);
    if (channel.archived) throw new Problem(409, 'channel_archived', 'This channel is archived.');
    const { id, created } = this.#options.store.post({
      channel,
      author: { kind: 'person', person: viewer },
      text,
      clientId,
    });
    sendJson(response, created ? 201 : 200, { id });
  }

  async #archive({ request, response }: Exchange, channelId: string): Promise<void> {
    const { archived } = asObject(await readJson(request));
    if (typeof archived !== 'boolean') throw invalid('archived must be true or false.');
    const channel = this.#channel(channelId);
    this.#options.store.setArchived(channel.id, archived);
    sendJson(response, 200, { ...channel, archived });
  }

  #viewer(url: URL): Person {
    const viewer = this.#options.store.personNamed(url.searchParams.get('as') ?? '');
    if (!viewer) throw new Problem(404, 'unknown_user', 'There is nobody of this name.');
    return viewer;
  }

  #channel(id: string): Channel {
    const channel = this.#options.store.channel(id);
    if (!channel) throw new Problem(404, 'unknown_channel', 'There is no such channel.');
    return channel;
  }
}
