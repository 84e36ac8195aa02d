import type {
  Action,
  Author,
  Body,
  Channel,
  ChannelId,
  Emoji,
  Message,
  MessageId,
  Person,
  PersonId,
  Reaction,
} from './model.js';
import { channelView, personView, type Store, VISIBLE } from './store.js';

export interface Content {
  text: string;
  body?: Body;
}

export interface Draft extends Content {
  channel: Channel;
  author: Author;
  replyTo?: string;
  threadRoot?: string;
  /** Of a message in a thread: it stands in the channel too. */
  alsoToChannel?: boolean;
  actions?: readonly Action[];
  sentAt?: number;
  /** Absent: everybody sees it. */
  visibleTo?: readonly Person[];
  /** Present when the gateway posts. */
  idempotencyKey?: string;
  /** Present when a person writes. */
  clientId?: string;
}

export interface Posted {
  id: MessageId;
  /** False: an earlier call with the same key made it. */
  created: boolean;
}

interface MessageRow {
  position: number;
  revision: number;
  id: MessageId;
  channel_id: ChannelId;
  person_id: PersonId | null;
  username: string | null;
  display_name: string | null;
  remote_id: string | null;
  remote_name: string | null;
  remote_server: string | null;
  remote_avatar: string | null;
  text: string;
  body: string | null;
  reply_to: string | null;
  thread_root: string | null;
  in_channel: number;
  edited: number;
  deleted: number;
  actions: string | null;
  time: number;
  sent_at: number | null;
  private: number;
  client_id: string | null;
  idempotency_key: string | null;
}

interface ReactionRow {
  message_id: MessageId;
  shortcode: string;
  unicode: string | null;
  by_id: string;
  by_name: string;
  by_server: string | null;
}

const MESSAGES = `SELECT m.*, p.username, p.display_name FROM message m
  LEFT JOIN person p ON p.id = m.person_id JOIN channel c ON c.id = m.channel_id`;
/** What people say, and do to what was said. */
export class Messages {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  withKey(idempotencyKey: string): MessageId | undefined {
    return this.#store.database
      .prepare<[string], { id: MessageId }>('SELECT id FROM message WHERE idempotency_key = ?')
      .get(idempotencyKey)?.id;
  }

  /** One that is not deleted, in its channel. */
  find(channel: ChannelId, id: string): Message | undefined {
    const row = this.#store.database
      .prepare<[string, string], MessageRow>(`${MESSAGES} WHERE m.id = ? AND m.channel_id = ? AND m.deleted = 0`)
      .get(id, channel);
    return row && toMessage(row);
  }

  /** Appends a message, once for each idempotency key and once for each client id of a person. */
  post(draft: Draft): Posted {
    const posted = this.#store.inOne(() => this.#append(draft));
    if (posted.created) this.#store.ports.wakeups.raise('message');
    return posted;
  }

  /** `by`: a person, or the gateway when absent. */
  edit(channel: Channel, message: Message, { text, body }: Content, by: Person | undefined): void {
    this.#change(message, () => {
      this.#store.database
        .prepare('UPDATE message SET text = ?, body = ?, edited = 1 WHERE id = ?')
        .run(text, body === undefined ? null : JSON.stringify(body), message.id);
      const said = { id: message.id, text, ...(body && { body }) };
      return { type: 'edit', channel, ...whoAs('author', by), message: said };
    });
  }

  delete(channel: Channel, message: Message, by: Person | undefined): void {
    this.#change(message, () => {
      this.#store.database
        .prepare(`UPDATE message SET deleted = 1, text = '', body = NULL, actions = NULL WHERE id = ?`)
        .run(message.id);
      this.#store.database.prepare('DELETE FROM reaction WHERE message_id = ?').run(message.id);
      return { type: 'delete', channel, ...whoAs('actor', by), message_id: message.id };
    });
  }

  /** Adding what is there and removing what is not changes nothing. */
  react(channel: Channel, message: Message, emoji: Emoji, change: 'add' | 'remove', author: Author): void {
    const person = author.kind === 'person' ? author.person : undefined;
    const { id, displayName } = author.kind === 'remote' ? author : (person ?? GATEWAY);
    const { database } = this.#store;
    const known = database
      .prepare<[string, string, string], object>(
        'SELECT 1 FROM reaction WHERE message_id = ? AND shortcode = ? AND by_id = ?',
      )
      .get(message.id, emoji.shortcode, id);
    if ((known !== undefined) === (change === 'add')) return;
    this.#change(message, () => {
      if (change === 'remove') {
        database
          .prepare('DELETE FROM reaction WHERE message_id = ? AND shortcode = ? AND by_id = ?')
          .run(message.id, emoji.shortcode, id);
      } else {
        const server = author.kind === 'remote' ? author.server : null;
        database
          .prepare('INSERT INTO reaction VALUES (?, ?, ?, ?, ?, ?)')
          .run(message.id, emoji.shortcode, emoji.unicode ?? null, id, displayName, server);
      }
      return { type: 'reaction', channel, ...whoAs('actor', person), change, message_id: message.id, emoji };
    });
  }

  /** The last `limit` messages before a position that this person may see, oldest first. */
  history(channel: ChannelId, viewer: Person, before: number, limit: number): Message[] {
    return this.#store.database
      .prepare<[{ channel: string; viewer: string; before: number; limit: number }], MessageRow>(
        `${MESSAGES} WHERE m.channel_id = :channel AND m.position < :before AND m.in_channel = 1 AND m.deleted = 0
         AND ${VISIBLE} ORDER BY m.position DESC LIMIT :limit`,
      )
      .all({ channel, viewer: viewer.id, before, limit })
      .map(toMessage)
      .reverse();
  }

  /** A thread's messages behind its first one, oldest first; the newest of them when there are very many. */
  thread(channel: ChannelId, root: string, viewer: Person, limit: number): Message[] {
    return this.#store.database
      .prepare<[{ channel: string; root: string; viewer: string; limit: number }], MessageRow>(
        `${MESSAGES} WHERE m.channel_id = :channel AND m.thread_root = :root AND m.deleted = 0 AND ${VISIBLE}
         ORDER BY m.position DESC LIMIT :limit`,
      )
      .all({ channel, root, viewer: viewer.id, limit })
      .map(toMessage)
      .reverse();
  }

  /** The first `limit` messages that changed after a position, as they are now, also those that are deleted. */
  changedAfter(position: number, viewer: Person, limit: number): Message[] {
    return this.#store.database
      .prepare<[{ viewer: string; position: number; limit: number }], MessageRow>(
        `${MESSAGES} WHERE m.revision > :position AND ${VISIBLE} ORDER BY m.revision LIMIT :limit`,
      )
      .all({ viewer: viewer.id, position, limit })
      .map(toMessage);
  }

  /** What people of this workspace said before a message (absent: the end), as events of the contract, oldest first. */
  written(channel: Channel, before: string | undefined, limit: number): { events: unknown[]; more: boolean } {
    const end = before === undefined ? Number.MAX_SAFE_INTEGER : (this.find(channel.id, before)?.position ?? 0);
    const rows = this.#store.database
      .prepare<[string, number, number], MessageRow>(
        `${MESSAGES} WHERE m.channel_id = ? AND m.position < ? AND m.deleted = 0 AND m.private = 0
         AND m.person_id IS NOT NULL ORDER BY m.position DESC LIMIT ?`,
      )
      .all(channel.id, end, limit + 1);
    const messages = rows.slice(0, limit).map(toMessage).reverse();
    return { events: messages.map((message) => this.#asEvent(channel, message)), more: rows.length > limit };
  }

  /** By message. */
  reactions(ids: readonly MessageId[]): Map<MessageId, Reaction[]> {
    const rows = this.#store.database
      .prepare<[string], ReactionRow>(
        'SELECT r.* FROM reaction r WHERE r.message_id IN (SELECT value FROM json_each(?)) ORDER BY r.message_id',
      )
      .all(JSON.stringify(ids));
    const found = new Map<MessageId, Map<string, Reaction>>();
    for (const row of rows) {
      const ofMessage = found.get(row.message_id) ?? new Map<string, Reaction>();
      found.set(row.message_id, ofMessage);
      const { shortcode, unicode, by_id: id, by_name: displayName, by_server: server } = row;
      const reaction = ofMessage.get(shortcode) ?? { shortcode, ...(unicode !== null && { unicode }), people: [] };
      reaction.people.push({ id, displayName, ...(server !== null && { server }) });
      ofMessage.set(shortcode, reaction);
    }
    return new Map([...found].map(([id, byName]) => [id, [...byName.values()]]));
  }

  /** How many messages hang under each of these. */
  replyCounts(ids: readonly MessageId[]): Map<MessageId, number> {
    const rows = this.#store.database
      .prepare<[string], { root: MessageId; count: number }>(
        `SELECT thread_root AS root, count(*) AS count FROM message
         WHERE deleted = 0 AND thread_root IN (SELECT value FROM json_each(?)) GROUP BY thread_root`,
      )
      .all(JSON.stringify(ids));
    return new Map(rows.map(({ root, count }) => [root, count]));
  }

  /** The newest position in each channel that this person may see. */
  lastPositions(viewer: Person): Map<ChannelId, number> {
    const rows = this.#store.database
      .prepare<[{ viewer: string }], { channel_id: ChannelId; position: number }>(
        `SELECT m.channel_id, max(m.position) AS position FROM message m JOIN channel c ON c.id = m.channel_id
         WHERE m.deleted = 0 AND m.in_channel = 1 AND ${VISIBLE} GROUP BY m.channel_id`,
      )
      .all({ viewer: viewer.id });
    return new Map(rows.map((row) => [row.channel_id, row.position]));
  }

  #change(message: Message, work: () => Parameters<Store['log']>[0]): void {
    this.#store.inOne(() => {
      const revision = this.#store.log(work());
      this.#store.database.prepare('UPDATE message SET revision = ? WHERE id = ?').run(revision, message.id);
    });
    this.#store.ports.wakeups.raise('message');
  }

  #append(draft: Draft): Posted {
    const earlier = this.#earlier(draft);
    if (earlier) return { id: earlier, created: false };
    const { author, channel, threadRoot } = draft;
    const id = `M-${this.#store.ports.newId()}` as MessageId;
    const time = this.#store.ports.now();
    const position = this.#store.log({ type: 'message', ...eventOf({ ...draft, id }) });
    const remote = author.kind === 'remote' ? author : undefined;
    this.#store.database
      .prepare(
        `INSERT INTO message (position, revision, id, channel_id, person_id, remote_id, remote_name, remote_server,
           remote_avatar, text, body, reply_to, thread_root, in_channel, actions, time, sent_at, private, idempotency_key, client_id)
         VALUES (:position, :position, :id, :channel, :person, :remoteId, :remoteName, :remoteServer,
           :remoteAvatar, :text, :body, :replyTo, :threadRoot, :inChannel, :actions, :time, :sentAt, :private, :idempotencyKey, :clientId)`,
      )
      .run({
        position,
        id,
        channel: channel.id,
        person: author.kind === 'person' ? author.person.id : null,
        remoteId: remote?.id ?? null,
        remoteName: remote?.displayName ?? null,
        remoteServer: remote?.server ?? null,
        remoteAvatar: remote?.avatarUrl ?? null,
        text: draft.text,
        body: draft.body === undefined ? null : JSON.stringify(draft.body),
        replyTo: draft.replyTo ?? null,
        threadRoot: threadRoot ?? null,
        inChannel: threadRoot === undefined || draft.alsoToChannel === true ? 1 : 0,
        actions: draft.actions === undefined ? null : JSON.stringify(draft.actions),
        time,
        sentAt: draft.sentAt ?? null,
        private: draft.visibleTo ? 1 : 0,
        idempotencyKey: draft.idempotencyKey ?? null,
        clientId: draft.clientId ?? null,
      });
    const viewer = this.#store.database.prepare(
      'INSERT OR IGNORE INTO message_viewer (position, person_id) VALUES (?, ?)',
    );
    for (const person of draft.visibleTo ?? []) viewer.run(position, person.id);
    return { id, created: true };
  }

  #earlier(draft: Draft): MessageId | undefined {
    if (draft.idempotencyKey !== undefined) return this.withKey(draft.idempotencyKey);
    if (draft.clientId === undefined || draft.author.kind !== 'person') return undefined;
    return this.#store.database
      .prepare<[string, string], { id: MessageId }>('SELECT id FROM message WHERE person_id = ? AND client_id = ?')
      .get(draft.author.person.id, draft.clientId)?.id;
  }

  #asEvent(channel: Channel, message: Message): unknown {
    const { id, time, inChannel, threadRoot } = message;
    const alsoToChannel = threadRoot !== undefined && inChannel;
    const event = eventOf({ ...message, channel, alsoToChannel });
    return { id: `H-${id}`, time, type: 'message', ...event, channel: channelView(channel) };
  }
}

const GATEWAY = { id: 'causeway', displayName: 'Causeway' };

const whoAs = (role: string, person: Person | undefined): Record<string, unknown> =>
  person === undefined ? { by_causeway: true } : { [role]: personView(person) };

function eventOf({
  id,
  channel,
  author,
  text,
  body,
  replyTo,
  threadRoot,
  alsoToChannel,
  idempotencyKey,
}: Omit<Draft, 'visibleTo' | 'actions'> & { id: MessageId }): Record<string, unknown> & { channel: Channel } {
  return {
    channel,
    ...(author.kind === 'person' && { author: personView(author.person) }),
    ...(replyTo !== undefined && { reply_to: replyTo }),
    ...(threadRoot !== undefined && {
      thread: { root: threadRoot, ...(alsoToChannel === true && { also_to_channel: true }) },
    }),
    message: {
      id,
      text,
      ...(body && { body }),
      ...(idempotencyKey !== undefined && { idempotency_key: idempotencyKey }),
    },
  };
}

function toMessage(row: MessageRow): Message {
  return {
    position: row.position,
    revision: row.revision,
    id: row.id,
    channelId: row.channel_id,
    author: toAuthor(row),
    text: row.text,
    inChannel: row.in_channel !== 0,
    edited: row.edited !== 0,
    deleted: row.deleted !== 0,
    actions: row.actions === null ? [] : (JSON.parse(row.actions) as Action[]),
    time: row.time,
    private: row.private !== 0,
    ...(row.body !== null && { body: JSON.parse(row.body) as Body }),
    ...(row.reply_to !== null && { replyTo: row.reply_to }),
    ...(row.thread_root !== null && { threadRoot: row.thread_root }),
    ...(row.sent_at !== null && { sentAt: row.sent_at }),
    ...(row.client_id !== null && { clientId: row.client_id }),
  };
}

function toAuthor(row: MessageRow): Author {
  if (row.person_id !== null) {
    const person = { id: row.person_id, username: row.username ?? '', displayName: row.display_name ?? '' };
    return { kind: 'person', person };
  }
  if (row.remote_id === null) return { kind: 'gateway' };
  return {
    kind: 'remote',
    id: row.remote_id,
    displayName: row.remote_name ?? '',
    server: row.remote_server ?? '',
    ...(row.remote_avatar !== null && { avatarUrl: row.remote_avatar }),
  };
}
