import { createHash, timingSafeEqual } from 'node:crypto';
import type { Ephemera, Ephemeral } from './ephemera.js';
import { type Files, fileId, MAX_FILE_BYTES, readAway } from './files.js';
import {
  asObject,
  type Exchange,
  integerParameter,
  invalid,
  notFound,
  Problem,
  readJson,
  sendJson,
  sendJsonText,
  sendNothing,
} from './http.js';
import { authorView } from './message-view.js';
import type { Messages } from './messages.js';
import { type Channel, MAX_TEXT_BYTES, type Message, type Person } from './model.js';
import { boundedText, parseEmoji, parsePostedMessage, parseRemote, type PostedMessage } from './posted-message.js';
import { channelView, personView, type Store } from './store.js';
import type { Wakeups } from './wakeups.js';

const MAX_KEY_BYTES = 255;
const MAX_NAME_BYTES = 80;
const MAX_TOPIC_BYTES = 1_000;
const MAX_PEOPLE = 100;
const CURSOR = /^(?:0|[1-9]\d{0,14})$/;

export interface ContractApiOptions {
  store: Store;
  messages: Messages;
  files: Files;
  ephemera: Ephemera;
  wakeups: Wakeups;
  workspace: { id: string; name: string };
  token: string;
}

const CAPABILITIES = {
  private_notices: true,
  rich_text: true,
  threads: true,
  replies: true,
  attachments: true,
  actions: true,
  personal_reactions: true,
  edit: true,
  delete: true,
  react: true,
  show_member: true,
  topic: true,
  rename: true,
  typing: true,
  read: true,
  history: true,
  members: true,
  conversations: true,
};

type Handler = (exchange: Exchange, ids: readonly string[]) => Promise<void> | void;

/** The platform contract (docs/platforms/http.openapi.yaml): what the gateway calls. */
export class ContractApi {
  readonly #options: ContractApiOptions;
  readonly #tokenDigest: Buffer;

  constructor(options: ContractApiOptions) {
    this.#options = options;
    this.#tokenDigest = digest(options.token);
  }

  /** @param exchange with a path that begins behind `/causeway`. */
  async handle(exchange: Exchange): Promise<void> {
    this.#authorize(exchange);
    const [version, ...path] = exchange.path;
    if (version !== 'v1') throw notFound();
    const ids = path.filter((_, n) => n % 2 === 1);
    const shape = path.map((segment, n) => (n % 2 === 1 ? ':id' : segment)).join(' ');
    const route = `${exchange.request.method} ${shape}`;
    const handler = Object.hasOwn(this.#routes, route) ? this.#routes[route] : undefined;
    if (!handler) throw notFound();
    await handler(exchange, ids);
  }

  readonly #routes: Readonly<Record<string, Handler>> = {
    'GET capabilities': (exchange) => this.#capabilities(exchange),
    'GET events': (exchange) => this.#events(exchange),
    'GET channels :id': ({ response }, [id]) => {
      const channel = this.#channel(id);
      sendJson(response, 200, { ...channelView(channel), archived: channel.archived });
    },
    'GET users :id': ({ response }, [id]) => sendJson(response, 200, personView(this.#person(id))),
    'GET channels :id members': ({ response }, [id]) => {
      const channel = this.#channel(id);
      sendJson(response, 200, { members: this.#options.store.members(channel.id).map(personView) });
    },
    'GET channels :id messages': ({ response, url }, [id]) => {
      const limit = integerParameter(url, 'limit', { min: 1, max: 200, or: 100 });
      const before = url.searchParams.get('before') ?? undefined;
      const { events, more } = this.#options.messages.written(this.#channel(id), before, limit);
      sendJson(response, 200, { messages: events, more });
    },
    'POST channels :id messages': (exchange, [id]) => this.#postMessage(exchange, id),
    'PUT channels :id messages :id': (exchange, ids) =>
      this.#once(exchange, async () => {
        const { text, body } = parsePostedMessage(await readJson(exchange.request));
        const [channel, message] = this.#ours(ids);
        return () => this.#options.messages.edit(channel, message, { text, ...(body && { body }) }, undefined);
      }),
    'DELETE channels :id messages :id': (exchange, ids) =>
      this.#once(exchange, () => {
        const [channel, message] = this.#ours(ids);
        return () => this.#options.messages.delete(channel, message, undefined);
      }),
    'POST channels :id messages :id reactions': (exchange, ids) =>
      this.#once(exchange, async () => {
        const { change, emoji, author } = asObject(await readJson(exchange.request));
        if (change !== 'add' && change !== 'remove') throw invalid('change must be add or remove.');
        const [parsed, who] = [parseEmoji(emoji), parseRemote(author)];
        const [channel, message] = this.#message(ids);
        return () => this.#options.messages.react(channel, message, parsed, change, who);
      }),
    'POST channels :id members': (exchange, [id]) =>
      this.#once(exchange, async () => {
        const { change, member } = asObject(await readJson(exchange.request));
        if (change !== 'join' && change !== 'leave') throw invalid('change must be join or leave.');
        const [channel, who] = [this.#channel(id), parseRemote(member)];
        return () => this.#options.store.setGuest(channel.id, who, change);
      }),
    'PUT channels :id topic': (exchange, [id]) =>
      this.#once(exchange, async () => {
        const { topic } = asObject(await readJson(exchange.request));
        const value = topic === '' ? '' : boundedText(topic, 'topic', MAX_TOPIC_BYTES);
        const channel = this.#channel(id);
        return () => void this.#options.store.change(channel, 'topic', value, undefined);
      }),
    'PUT channels :id name': (exchange, [id]) =>
      this.#once(exchange, async () => {
        const { name } = asObject(await readJson(exchange.request));
        const value = boundedText(name, 'name', MAX_NAME_BYTES);
        const channel = this.#channel(id);
        return () => void this.#options.store.change(channel, 'name', value, undefined);
      }),
    'POST channels :id typing': async ({ request, response }, [id]) => {
      const { author, typing } = asObject(await readJson(request));
      const event = { type: 'typing', by: authorView(parseRemote(author)), typing: typing === true } as const;
      this.#options.ephemera.fromGateway({ ...event, channelId: this.#channel(id).id });
      sendNothing(response);
    },
    'POST channels :id read': async ({ request, response }, [id = '']) => {
      const { author, message_id: messageId } = asObject(await readJson(request));
      const [channel, message] = this.#message([id, typeof messageId === 'string' ? messageId : '']);
      const event = { type: 'read', by: authorView(parseRemote(author)), messageId: message.id } as const;
      this.#options.ephemera.fromGateway({ ...event, channelId: channel.id });
      sendNothing(response);
    },
    'POST conversations': (exchange) => this.#openConversation(exchange),
    'POST files': (exchange) => this.#upload(exchange),
    'GET files :id': ({ response }, [id = '']) =>
      this.#options.files.send(response, fileIdOr404(id), { download: true }),
  };

  #authorize({ request }: Exchange): void {
    const [, token] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined || !timingSafeEqual(digest(token), this.#tokenDigest)) {
      throw new Problem(401, 'unauthorized', 'The bearer token is missing or wrong.');
    }
  }

  #capabilities({ response }: Exchange): void {
    const { id, name } = this.#options.workspace;
    sendJson(response, 200, {
      contract: '1.1',
      workspace: { id, name },
      capabilities: CAPABILITIES,
      limits: { max_text_bytes: MAX_TEXT_BYTES, max_file_bytes: MAX_FILE_BYTES },
    });
  }

  async #events({ response, url }: Exchange): Promise<void> {
    const { store, wakeups, ephemera } = this.#options;
    const limit = integerParameter(url, 'limit', { min: 1, max: 500, or: 100 });
    const wait = integerParameter(url, 'wait', { min: 0, max: 60, or: 0 });
    const cursor = url.searchParams.get('cursor');
    if (cursor === null) throw invalid('cursor is missing.');
    if (cursor === 'latest') {
      sendJson(response, 200, { events: [], cursor: String(store.head()) });
      return;
    }
    const position = CURSOR.test(cursor) ? Number(cursor) : NaN;
    if (!(position <= store.head())) throw new Problem(400, 'invalid_cursor', 'This chat never gave that cursor.');
    let events = store.eventsAfter(position, limit);
    if (events.length === 0 && ephemera.isEmpty && wait > 0) {
      const gone = new AbortController();
      const abandon = (): void => gone.abort();
      response.once('close', abandon);
      await wakeups.nextMessage(wait * 1000, gone.signal);
      response.off('close', abandon);
      if (gone.signal.aborted) return;
      events = store.eventsAfter(position, limit);
    }
    const bodies = events.map((event) => event.body).join(',');
    const next = events.at(-1)?.position ?? position;
    const fleeting = ephemera.take().map(ephemeralView);
    const beside = fleeting.length === 0 ? '' : `,"ephemeral":${JSON.stringify(fleeting)}`;
    sendJsonText(response, 200, `{"events":[${bodies}],"cursor":"${next}"${beside}}`);
  }

  async #postMessage(exchange: Exchange, channelId: string | undefined): Promise<void> {
    const { store, messages } = this.#options;
    const { request, response } = exchange;
    const key = keyOf(exchange);
    // Before anything else is judged: a repeated call is answered as made "whatever its body", and also when the
    // channel has been archived since.
    const earlier = messages.withKey(key);
    if (earlier) {
      sendJson(response, 200, { message_id: earlier });
      return;
    }
    const { visibleTo, thread, ...posted } = parsePostedMessage(await readJson(request));
    const channel = this.#channel(channelId);
    if (channel.archived) throw new Problem(409, 'channel_archived', 'Nobody can write in an archived channel.');
    const { id, created } = messages.post({
      ...posted,
      ...this.#place(channel, { ...posted, ...(thread && { thread }) }),
      channel,
      idempotencyKey: key,
      ...(visibleTo && { visibleTo: visibleTo.map((userId) => this.#person(userId)) }),
    });
    if (posted.author.kind === 'remote' && !visibleTo) store.setGuest(channel.id, posted.author, 'join');
    sendJson(response, created ? 201 : 200, { message_id: id });
  }

  /** What is answered and is not there (any more) is left out. */
  #place(
    channel: Channel,
    { replyTo, thread }: Pick<PostedMessage, 'replyTo' | 'thread'>,
  ): { replyTo?: string; threadRoot?: string; alsoToChannel?: boolean } {
    const { messages } = this.#options;
    const answered = replyTo === undefined ? undefined : messages.find(channel.id, replyTo);
    const root = thread && messages.find(channel.id, thread.root);
    return {
      ...(answered && { replyTo: answered.id }),
      ...(thread && root && { threadRoot: root.threadRoot ?? root.id, alsoToChannel: thread.alsoToChannel }),
    };
  }

  async #openConversation(exchange: Exchange): Promise<void> {
    const { store } = this.#options;
    const key = keyOf(exchange);
    const known = store.answerOf(key);
    if (known !== undefined) {
      sendJson(exchange.response, 200, known);
      return;
    }
    const { name, users, remote } = asObject(await readJson(exchange.request));
    if (!Array.isArray(users) || !Array.isArray(remote) || users.length + remote.length > MAX_PEOPLE) {
      throw invalid('users and remote are lists of at most 100 people.');
    }
    const title = boundedText(name, 'name', MAX_NAME_BYTES);
    const people = users.map((id: unknown) => this.#person(typeof id === 'string' ? id : ''));
    const guests = remote.map(parseRemote);
    const answer = store.once(key, () => channelView(store.openConversation(title, people, guests)));
    sendJson(exchange.response, 200, answer);
  }

  async #upload(exchange: Exchange): Promise<void> {
    const { store, files } = this.#options;
    const { request, response, url } = exchange;
    const key = keyOf(exchange);
    const known = store.answerOf(key);
    if (known !== undefined) {
      await readAway(request);
      sendJson(response, 200, known);
      return;
    }
    const name = boundedText(url.searchParams.get('name'), 'name', MAX_KEY_BYTES);
    const file = await files.keep(request, name, typeOfName(name));
    sendJson(
      response,
      200,
      store.once(key, () => ({ file_id: file.id })),
    );
  }

  /** `prepare` judges the call and gives what it does; both only when the key is new. */
  async #once(exchange: Exchange, prepare: () => (() => void) | Promise<() => void>): Promise<void> {
    const { store } = this.#options;
    const key = keyOf(exchange);
    if (store.answerOf(key) === undefined) {
      const work = await prepare();
      store.once(key, work);
    }
    sendNothing(exchange.response);
  }

  #channel(id = ''): Channel {
    const channel = this.#options.store.channel(id);
    if (!channel) throw new Problem(404, 'unknown_channel', 'There is no channel with this id.');
    return channel;
  }

  #person(id = ''): Person {
    const person = this.#options.store.person(id);
    if (!person) throw new Problem(404, 'unknown_user', 'There is nobody with this id.');
    return person;
  }

  #message([channelId, messageId = '']: readonly string[]): [Channel, Message] {
    const channel = this.#channel(channelId);
    const message = this.#options.messages.find(channel.id, messageId);
    if (!message) throw new Problem(404, 'unknown_message', 'There is no message with this id.');
    return [channel, message];
  }

  /** One that the gateway posted. */
  #ours(ids: readonly string[]): [Channel, Message] {
    const [channel, message] = this.#message(ids);
    if (message.author.kind === 'person') throw invalid('Only what the gateway posted can be changed by it.');
    return [channel, message];
  }
}

function keyOf({ request }: Exchange): string {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw invalid(`Idempotency-Key must have 1 to ${MAX_KEY_BYTES} bytes.`);
  }
  return key;
}

function fileIdOr404(id: string): string {
  try {
    return fileId(id);
  } catch {
    throw new Problem(404, 'unknown_file', 'There is no file with this id.');
  }
}

const TYPES = new Map([
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['gif', 'image/gif'],
  ['webp', 'image/webp'],
  ['mp4', 'video/mp4'],
  ['webm', 'video/webm'],
  ['mp3', 'audio/mpeg'],
  ['ogg', 'audio/ogg'],
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
]);

const typeOfName = (name: string): string | undefined => TYPES.get(name.split('.').at(-1)?.toLowerCase() ?? '');

const ephemeralView = ({ type, channelId, by, typing, messageId }: Ephemeral): unknown => ({
  type,
  channel_id: channelId,
  user: by,
  ...(typing !== undefined && { typing }),
  ...(messageId !== undefined && { message_id: messageId }),
});

// Both sides are hashed so that the comparison takes the same time whatever the length of what was sent.
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
