import type Database from 'better-sqlite3';
import type { Channel, ChannelId, Person, PersonId, RemoteAuthor } from './model.js';
import type { Wakeups } from './wakeups.js';

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

/** An event of the contract, without its id and time. */
export interface EventDraft {
  type: string;
  channel?: Channel;
  by_causeway?: boolean;
  [member: string]: unknown;
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
  kind: Channel['kind'];
  topic: string;
}

interface GuestRow {
  channel_id: ChannelId;
  id: string;
  name: string;
  server: string;
}

/** Whether a person sees a channel `c`. */
const SEES_CHANNEL = `(c.kind = 'channel' OR EXISTS (SELECT 1 FROM channel_member cm WHERE cm.channel_id = c.id AND cm.person_id = :viewer))`;

/** Whether a person sees a message `m` of a channel `c`. */
export const VISIBLE = `(m.private = 0 OR EXISTS (SELECT 1 FROM message_viewer v WHERE v.position = m.position AND v.person_id = :viewer))
  AND ${SEES_CHANNEL}`;

/** People, channels and the log of what happened. A call that changes something has committed it to disk when it returns. */
export class Store {
  readonly database: Database.Database;
  readonly ports: StorePorts;

  constructor(database: Database.Database, ports: StorePorts) {
    this.database = database;
    this.ports = ports;
  }

  /** Adds whoever is missing and takes over changed display names; nobody is ever removed. */
  seed(people: readonly { username: string; displayName: string }[], channels: readonly string[]): void {
    const person = this.database.prepare(
      `INSERT INTO person (id, username, display_name) VALUES ('U' || (SELECT count(*) + 1 FROM person), ?, ?)
       ON CONFLICT (username) DO UPDATE SET display_name = excluded.display_name`,
    );
    const channel = this.database.prepare(
      `INSERT INTO channel (id, name) VALUES ('C' || (SELECT count(*) + 1 FROM channel), ?) ON CONFLICT (name) DO NOTHING`,
    );
    this.inOne(() => {
      for (const { username, displayName } of people) person.run(username, displayName);
      for (const name of channels) channel.run(name);
    });
  }

  /** What is done inside is committed together, or not at all. */
  inOne<T>(work: () => T): T {
    return this.database.transaction(work).immediate();
  }

  /** Appends to the log; its position. */
  log({ channel, ...event }: EventDraft): number {
    const body = JSON.stringify({
      id: `E-${this.ports.newId()}`,
      time: this.ports.now(),
      ...(channel && { channel: channelView(channel) }),
      ...event,
    });
    return Number(this.database.prepare('INSERT INTO event (body) VALUES (?)').run(body).lastInsertRowid);
  }

  /** Does what a call asks for once per key; later calls have its answer. `answer` is JSON text. */
  once(key: string, work: () => unknown): unknown {
    return this.inOne(() => {
      const known = this.answerOf(key);
      if (known !== undefined) return known;
      const answer = work() ?? {};
      this.database.prepare('INSERT INTO call (key, answer) VALUES (?, ?)').run(key, JSON.stringify(answer));
      return answer;
    });
  }

  answerOf(key: string): unknown {
    const row = this.database.prepare<[string], { answer: string }>('SELECT answer FROM call WHERE key = ?').get(key);
    return row && JSON.parse(row.answer);
  }

  people(): Person[] {
    return this.database.prepare<[], PersonRow>('SELECT * FROM person ORDER BY rowid').all().map(toPerson);
  }

  person(id: string): Person | undefined {
    const row = this.database.prepare<[string], PersonRow>('SELECT * FROM person WHERE id = ?').get(id);
    return row && toPerson(row);
  }

  personNamed(username: string): Person | undefined {
    const row = this.database.prepare<[string], PersonRow>('SELECT * FROM person WHERE username = ?').get(username);
    return row && toPerson(row);
  }

  channels(viewer?: Person): Channel[] {
    const sees = viewer === undefined ? '1 = 1 OR :viewer IS NULL' : SEES_CHANNEL;
    return this.database
      .prepare<[{ viewer: string | null }], ChannelRow>(`SELECT c.* FROM channel c WHERE ${sees} ORDER BY c.rowid`)
      .all({ viewer: viewer?.id ?? null })
      .map(toChannel);
  }

  channel(id: string): Channel | undefined {
    const row = this.database.prepare<[string], ChannelRow>('SELECT * FROM channel WHERE id = ?').get(id);
    return row && toChannel(row);
  }

  sees(viewer: Person, { id, kind }: Channel): boolean {
    return kind === 'channel' || this.members(id).some((member) => member.id === viewer.id);
  }

  /** Of a channel everybody. */
  members(id: ChannelId): Person[] {
    if (this.channel(id)?.kind === 'channel') return this.people();
    return this.database
      .prepare<[string], PersonRow>(
        'SELECT p.* FROM person p JOIN channel_member m ON m.person_id = p.id WHERE m.channel_id = ? ORDER BY p.rowid',
      )
      .all(id)
      .map(toPerson);
  }

  /** A direct conversation when it has two people, else one of a group. */
  openConversation(name: string, people: readonly Person[], remote: readonly RemoteAuthor[]): Channel {
    return this.inOne(() => {
      const id = `D-${this.ports.newId()}` as ChannelId;
      const kind = people.length + remote.length <= 2 ? 'direct' : 'group';
      this.database
        .prepare('INSERT INTO channel (id, name, kind) VALUES (?, ?, ?)')
        .run(id, this.#freeName(name), kind);
      const member = this.database.prepare('INSERT OR IGNORE INTO channel_member VALUES (?, ?)');
      for (const person of people) member.run(id, person.id);
      for (const guest of remote) this.setGuest(id, guest, 'join');
      this.ports.wakeups.raise('channels');
      const channel = this.channel(id);
      if (!channel) throw new Error('The conversation was not made.');
      return channel;
    });
  }

  #freeName(name: string): string {
    const taken = this.database.prepare<[string], { id: string }>('SELECT id FROM channel WHERE name = ?');
    for (let n = 1; ; n++) {
      const candidate = n === 1 ? name : `${name} (${n})`;
      if (!taken.get(candidate)) return candidate;
    }
  }

  /** `actor`: absent when the gateway asked for it. */
  change(
    channel: Channel,
    change: 'name' | 'topic' | 'archived' | 'unarchived',
    value: string,
    actor: Person | undefined,
  ): Channel {
    const archived = change === 'archived' ? 1 : 0;
    const changed = this.inOne(() => {
      if (change === 'name') {
        this.database.prepare('UPDATE channel SET name = ? WHERE id = ?').run(this.#freeName(value), channel.id);
      } else if (change === 'topic') {
        this.database.prepare('UPDATE channel SET topic = ? WHERE id = ?').run(value, channel.id);
      } else this.database.prepare('UPDATE channel SET archived = ? WHERE id = ?').run(archived, channel.id);
      const now = this.channel(channel.id) ?? channel;
      const by = actor ? { actor: personView(actor) } : { by_causeway: true };
      this.log({ type: 'channel', channel: now, change, ...by });
      return now;
    });
    this.ports.wakeups.raise('channels');
    this.ports.wakeups.raise('message');
    return changed;
  }

  setGuest(channel: ChannelId, { id, displayName, server }: RemoteAuthor, change: 'join' | 'leave'): void {
    if (change === 'leave') this.database.prepare('DELETE FROM guest WHERE channel_id = ? AND id = ?').run(channel, id);
    else {
      this.database
        .prepare(
          `INSERT INTO guest VALUES (?, ?, ?, ?)
           ON CONFLICT (channel_id, id) DO UPDATE SET name = excluded.name, server = excluded.server`,
        )
        .run(channel, id, displayName, server);
    }
    this.ports.wakeups.raise('channels');
  }

  /** The people of other companies who are in channels, or wrote what this person may see there, each under the newest name. */
  guests(viewer: Person): Map<ChannelId, RemoteAuthor[]> {
    const rows = this.database
      .prepare<[{ viewer: string }], GuestRow>(
        `SELECT channel_id, id, name, server FROM guest
         UNION ALL
         SELECT channel_id, id, name, server FROM (
           -- With max(), SQLite takes the other columns from the row that has the maximum.
           SELECT m.channel_id, m.remote_id AS id, m.remote_name AS name, m.remote_server AS server, max(m.position)
           FROM message m JOIN channel c ON c.id = m.channel_id
           WHERE m.remote_id IS NOT NULL AND ${VISIBLE} GROUP BY m.channel_id, m.remote_id)
         ORDER BY name`,
      )
      .all({ viewer: viewer.id });
    const guests = new Map<ChannelId, Map<string, RemoteAuthor>>();
    for (const { channel_id: channel, id, name: displayName, server } of rows) {
      const known = guests.get(channel) ?? new Map<string, RemoteAuthor>();
      known.set(id, { kind: 'remote', id, displayName, server });
      guests.set(channel, known);
    }
    return new Map([...guests].map(([channel, people]) => [channel, [...people.values()]]));
  }

  rename(person: Person, displayName: string): Person {
    const renamed = { ...person, displayName };
    this.inOne(() => {
      this.database.prepare('UPDATE person SET display_name = ? WHERE id = ?').run(displayName, person.id);
      this.log({ type: 'profile', user: personView(renamed) });
    });
    this.ports.wakeups.raise('channels');
    this.ports.wakeups.raise('message');
    return renamed;
  }

  /** Something for the gateway that no message shows. */
  tell(event: EventDraft): void {
    this.inOne(() => this.log(event));
    this.ports.wakeups.raise('message');
  }

  /** The position of the newest event; 0 in an empty workspace. */
  head(): number {
    const row = this.database.prepare<[], { head: number | null }>('SELECT max(position) AS head FROM event').get();
    return row?.head ?? 0;
  }

  /** What the gateway reads: everything, private messages too, oldest first. */
  eventsAfter(position: number, limit: number): LoggedEvent[] {
    return this.database
      .prepare<[number, number], LoggedEvent>('SELECT * FROM event WHERE position > ? ORDER BY position LIMIT ?')
      .all(position, limit);
  }

  close(): void {
    this.database.close();
  }
}

export function personView({ id, username, displayName }: Person): Record<string, unknown> {
  return { id, username, display_name: displayName };
}

export function channelView({ id, name, kind, topic, archived }: Channel): Record<string, unknown> {
  return {
    id,
    name,
    ...(kind !== 'channel' && { kind, private: true }),
    ...(topic !== '' && { topic }),
    ...(archived && { archived }),
  };
}

function toPerson(row: PersonRow): Person {
  return { id: row.id, username: row.username, displayName: row.display_name };
}

function toChannel({ id, name, archived, kind, topic }: ChannelRow): Channel {
  return { id, name, archived: archived !== 0, kind, topic };
}
