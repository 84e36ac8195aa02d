import type Database from 'better-sqlite3';
import type { Author, Channel, ChannelId, Message, MessageId, Person, PersonId, RemoteAuthor } from './model.js';
import type { Wakeups } from './wakeups.js';

export interface Draft {
  channel: Channel;
  author: Author;
  text: string;
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

/** An entry of the log as the gateway reads it; `body` is JSON text of the contract's Event. */
export interface LoggedEvent {
  position: number;
  body: string;
}

export interface StorePorts {
  now: () => number;
  newId: () => string;
  wakeups: Wakeups;
}

interface PersonRow {
  id: PersonId;
  username: string;
  display_name: string;
}

interface ChannelRow {
  id: ChannelId;
  name: string;
  archived: number;
}

interface MessageRow {
  position: number;
  id: MessageId;
  channel_id: ChannelId;
  person_id: PersonId | null;
  username: string | null;
  display_name: string | null;
  remote_id: string | null;
  remote_name: string | null;
  remote_server: string | null;
  text: string;
  time: number;
  sent_at: number | null;
  private: number;
  client_id: string | null;
}

interface GuestRow {
  channel_id: ChannelId;
  remote_id: string;
  remote_name: string;
  remote_server: string;
}

const MESSAGES = `SELECT m.*, p.username, p.display_name FROM message m LEFT JOIN person p ON p.id = m.person_id`;
const VISIBLE = `(m.private = 0 OR EXISTS (SELECT 1 FROM message_viewer v WHERE v.position = m.position AND v.person_id = :viewer))`;

/** Everything the chat remembers. A call that changes something has committed it to disk when it returns. */
export class Store {
  readonly #database: Database.Database;
  readonly #ports: StorePorts;

  constructor(database: Database.Database, ports: StorePorts) {
    this.#database = database;
    this.#ports = ports;
  }

  /** Adds whoever is missing and takes over changed display names; nobody is ever removed. */
  seed(people: readonly { username: string; displayName: string }[], channels: readonly string[]): void {
    const person = this.#database.prepare(
      `INSERT INTO person (id, username, display_name) VALUES ('U' || (SELECT count(*) + 1 FROM person), ?, ?)
       ON CONFLICT (username) DO UPDATE SET display_name = excluded.display_name`,
    );
    const channel = this.#database.prepare(
      `INSERT INTO channel (id, name) VALUES ('C' || (SELECT count(*) + 1 FROM channel), ?) ON CONFLICT (name) DO NOTHING`,
    );
    this.#database
      .transaction(() => {
        for (const { username, displayName } of people) person.run(username, displayName);
        for (const name of channels) channel.run(name);
      })
      .immediate();
  }

  people(): Person[] {
    return this.#database.prepare<[], PersonRow>('SELECT * FROM person ORDER BY rowid').all().map(toPerson);
  }

  person(id: string): Person | undefined {
    const row = this.#database.prepare<[string], PersonRow>('SELECT * FROM person WHERE id = ?').get(id);
    return row && toPerson(row);
  }

  personNamed(username: string): Person | undefined {
    const row = this.#database.prepare<[string], PersonRow>('SELECT * FROM person WHERE username = ?').get(username);
    return row && toPerson(row);
  }

  channels(): Channel[] {
    return this.#database.prepare<[], ChannelRow>('SELECT * FROM channel ORDER BY rowid').all().map(toChannel);
  }

  channel(id: string): Channel | undefined {
    const row = this.#database.prepare<[string], ChannelRow>('SELECT * FROM channel WHERE id = ?').get(id);
    return row && toChannel(row);
  }

  setArchived(channel: ChannelId, archived: boolean): void {
    this.#database.prepare('UPDATE channel SET archived = ? WHERE id = ?').run(archived ? 1 : 0, channel);
    this.#ports.wakeups.raise('channels');
  }

  /** The position of the newest message; 0 in an empty workspace. */
  head(): number {
    const row = this.#database.prepare<[], { head: number | null }>('SELECT max(position) AS head FROM event').get();
    return row?.head ?? 0;
  }

  /** What the gateway reads: every message, private ones too, oldest first. */
  eventsAfter(position: number, limit: number): LoggedEvent[] {
    return this.#database
      .prepare<[number, number], LoggedEvent>('SELECT * FROM event WHERE position > ? ORDER BY position LIMIT ?')
      .all(position, limit);
  }

  messageWithKey(idempotencyKey: string): MessageId | undefined {
    return this.#database
      .prepare<[string], { id: MessageId }>('SELECT id FROM message WHERE idempotency_key = ?')
      .get(idempotencyKey)?.id;
  }

  /** Appends a message, once for each idempotency key and once for each client id of a person. */
  post(draft: Draft): Posted {
    const posted = this.#database.transaction(() => this.#append(draft)).immediate();
    if (posted.created) this.#ports.wakeups.raise('message');
    return posted;
  }

  /** The last `limit` messages before a position that this person may see, oldest first. */
  history(channel: ChannelId, viewer: Person, before: number, limit: number): Message[] {
    return this.#database
      .prepare<[{ channel: string; viewer: string; before: number; limit: number }], MessageRow>(
        `${MESSAGES} WHERE m.channel_id = :channel AND m.position < :before AND ${VISIBLE}
         ORDER BY m.position DESC LIMIT :limit`,
      )
      .all({ channel, viewer: viewer.id, before, limit })
      .map(toMessage)
      .reverse();
  }

  /** The first `limit` messages after a position that this person may see, of all channels, oldest first. */
  messagesAfter(position: number, viewer: Person, limit: number): Message[] {
    return this.#database
      .prepare<[{ viewer: string; position: number; limit: number }], MessageRow>(
        `${MESSAGES} WHERE m.position > :position AND ${VISIBLE} ORDER BY m.position LIMIT :limit`,
      )
      .all({ viewer: viewer.id, position, limit })
      .map(toMessage);
  }

  /** The newest position in each channel that this person may see. */
  lastPositions(viewer: Person): Map<ChannelId, number> {
    const rows = this.#database
      .prepare<[{ viewer: string }], { channel_id: ChannelId; position: number }>(
        `SELECT m.channel_id, max(m.position) AS position FROM message m WHERE ${VISIBLE} GROUP BY m.channel_id`,
      )
      .all({ viewer: viewer.id });
    return new Map(rows.map((row) => [row.channel_id, row.position]));
  }

  /** The people of other companies who wrote what this person may see, by channel, each under the newest name. */
  guests(viewer: Person): Map<ChannelId, RemoteAuthor[]> {
    const rows = this.#database
      .prepare<[{ viewer: string }], GuestRow>(
        // With max(), SQLite takes the other columns from the row that has the maximum.
        `SELECT m.channel_id, m.remote_id, m.remote_name, m.remote_server, max(m.position) FROM message m
         WHERE m.remote_id IS NOT NULL AND ${VISIBLE} GROUP BY m.channel_id, m.remote_id ORDER BY m.remote_name`,
      )
      .all({ viewer: viewer.id });
    const guests = new Map<ChannelId, RemoteAuthor[]>();
    for (const { channel_id: channel, remote_id: id, remote_name: displayName, remote_server: server } of rows) {
      guests.set(channel, [...(guests.get(channel) ?? []), { kind: 'remote', id, displayName, server }]);
    }
    return guests;
  }

  close(): void {
    this.#database.close();
  }

  #append(draft: Draft): Posted {
    const earlier = this.#earlier(draft);
    if (earlier) return { id: earlier, created: false };
    const { author, channel } = draft;
    const id = `M-${this.#ports.newId()}` as MessageId;
    const time = this.#ports.now();
    const body = JSON.stringify({
      id: `E-${this.#ports.newId()}`,
      type: 'message',
      time,
      channel: { id: channel.id, name: channel.name },
      ...(author.kind === 'person' && {
        author: { id: author.person.id, username: author.person.username, display_name: author.person.displayName },
      }),
      message: {
        id,
        text: draft.text,
        ...(draft.idempotencyKey !== undefined && { idempotency_key: draft.idempotencyKey }),
      },
    });
    const position = this.#database.prepare('INSERT INTO event (body) VALUES (?)').run(body).lastInsertRowid;
    const remote = author.kind === 'remote' ? author : undefined;
    this.#database
      .prepare(
        `INSERT INTO message (position, id, channel_id, person_id, remote_id, remote_name, remote_server, text, time,
           sent_at, private, idempotency_key, client_id)
         VALUES (:position, :id, :channel, :person, :remoteId, :remoteName, :remoteServer, :text, :time,
           :sentAt, :private, :idempotencyKey, :clientId)`,
      )
      .run({
        position,
        id,
        channel: channel.id,
        person: author.kind === 'person' ? author.person.id : null,
        remoteId: remote?.id ?? null,
        remoteName: remote?.displayName ?? null,
        remoteServer: remote?.server ?? null,
        text: draft.text,
        time,
        sentAt: draft.sentAt ?? null,
        private: draft.visibleTo ? 1 : 0,
        idempotencyKey: draft.idempotencyKey ?? null,
        clientId: draft.clientId ?? null,
      });
    const viewer = this.#database.prepare('INSERT OR IGNORE INTO message_viewer (position, person_id) VALUES (?, ?)');
    for (const person of draft.visibleTo ?? []) viewer.run(position, person.id);
    return { id, created: true };
  }

  #earlier(draft: Draft): MessageId | undefined {
    if (draft.idempotencyKey !== undefined) return this.messageWithKey(draft.idempotencyKey);
    if (draft.clientId === undefined || draft.author.kind !== 'person') return undefined;
    return this.#database
      .prepare<[string, string], { id: MessageId }>('SELECT id FROM message WHERE person_id = ? AND client_id = ?')
      .get(draft.author.person.id, draft.clientId)?.id;
  }
}

function toPerson(row: PersonRow): Person {
  return { id: row.id, username: row.username, displayName: row.display_name };
}

function toChannel(row: ChannelRow): Channel {
  return { id: row.id, name: row.name, archived: row.archived !== 0 };
}

function toMessage(row: MessageRow): Message {
  return {
    position: row.position,
    id: row.id,
    channelId: row.channel_id,
    author: toAuthor(row),
    text: row.text,
    time: row.time,
    private: row.private !== 0,
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
  };
}
