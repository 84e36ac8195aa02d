import { createHash, timingSafeEqual } from 'node:crypto';
import {
  type Exchange,
  integerParameter,
  invalid,
  notFound,
  Problem,
  readJson,
  sendJson,
  sendJsonText,
} from './http.js';
import { type Channel, MAX_TEXT_BYTES, type Person } from './model.js';
import { parsePostedMessage } from './posted-message.js';
import type { Store } from './store.js';
import type { Wakeups } from './wakeups.js';

const MAX_KEY_BYTES = 255;
const CURSOR = /^(?:0|[1-9]\d{0,14})$/;

export interface ContractApiOptions {
  store: Store;
  wakeups: Wakeups;
  workspace: { id: string; name: string };
  token: string;
}

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
    const [version, collection, id, part] = exchange.path;
    const depth = exchange.path.length;
    if (version !== 'v1' || collection === undefined) throw notFound();
    if (depth > 4) throw notFound();
    switch ([exchange.request.method, collection, depth > 2 ? ':id' : '', part ?? ''].join(' ').trim()) {
      case 'GET capabilities':
        return this.#capabilities(exchange);
      case 'GET events':
        return this.#events(exchange);
      case 'GET channels :id':
        return this.#channel(exchange, id ?? '');
      case 'GET users :id':
        return this.#user(exchange, id ?? '');
      case 'POST channels :id messages':
        return this.#postMessage(exchange, id ?? '');
      default:
        throw notFound();
    }
  }

  #authorize({ request }: Exchange): void {
    const [, token] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
    if (token === undefined || !timingSafeEqual(digest(token), this.#tokenDigest)) {
      throw new Problem(401, 'unauthorized', 'The bearer token is missing or wrong.');
    }
  }

  async #capabilities({ response }: Exchange): Promise<void> {
    const { id, name } = this.#options.workspace;
    sendJson(response, 200, {
      contract: '1.0',
      workspace: { id, name },
      capabilities: { private_notices: true },
      limits: { max_text_bytes: MAX_TEXT_BYTES },
    });
  }

  async #events({ response, url }: Exchange): Promise<void> {
    const { store, wakeups } = this.#options;
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
    if (events.length === 0 && wait > 0) {
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
    sendJsonText(response, 200, `{"events":[${bodies}],"cursor":"${next}"}`);
  }

  async #channel({ response }: Exchange, channelId: string): Promise<void> {
    const { id, name, archived } = this.#knownChannel(channelId);
    sendJson(response, 200, { id, name, archived });
  }

  async #user({ response }: Exchange, userId: string): Promise<void> {
    const { id, username, displayName } = this.#knownPerson(userId);
    sendJson(response, 200, { id, username, display_name: displayName });
  }

  async #postMessage({ request, response }: Exchange, channelId: string): Promise<void> {
    const { store } = this.#options;
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string' || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw invalid(`Idempotency-Key must have 1 to ${MAX_KEY_BYTES} bytes.`);
    }
    // Before anything else is judged: a repeated call is answered as made "whatever its body", and also when the
    // channel has been archived since.
    const earlier = store.messageWithKey(key);
    if (earlier) {
      sendJson(response, 200, { message_id: earlier });
      return;
    }
    const { author, text, sentAt, visibleTo } = parsePostedMessage(await readJson(request));
    const channel = this.#knownChannel(channelId);
    if (channel.archived) throw new Problem(409, 'channel_archived', 'Nobody can write in an archived channel.');
    const posted = store.post({
      channel,
      author,
      text,
      idempotencyKey: key,
      ...(sentAt !== undefined && { sentAt }),
      ...(visibleTo && { visibleTo: visibleTo.map((id) => this.#knownPerson(id)) }),
    });
    sendJson(response, posted.created ? 201 : 200, { message_id: posted.id });
  }

  #knownChannel(id: string): Channel {
    const channel = this.#options.store.channel(id);
    if (!channel) throw new Problem(404, 'unknown_channel', 'There is no channel with this id.');
    return channel;
  }

  #knownPerson(id: string): Person {
    const person = this.#options.store.person(id);
    if (!person) throw new Problem(404, 'unknown_user', 'There is nobody with this id.');
    return person;
  }
}

// Both sides are hashed so that the comparison takes the same time whatever the length of what was sent.
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
