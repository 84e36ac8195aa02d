import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';

const SCHEMA_VERSION = 2;

// `event.body` is kept as it was sent the first time: a cursor that is asked again gives the same bytes, also after a rename.
const SCHEMA = `
  CREATE TABLE workspace (id TEXT NOT NULL PRIMARY KEY) STRICT;
  CREATE TABLE person (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL
  ) STRICT;
  CREATE TABLE channel (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    archived INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE message (
    position INTEGER PRIMARY KEY REFERENCES event (position),
    id TEXT NOT NULL UNIQUE,
    channel_id TEXT NOT NULL REFERENCES channel (id),
    person_id TEXT REFERENCES person (id),
    remote_id TEXT,
    remote_name TEXT,
    remote_server TEXT,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    sent_at INTEGER,
    private INTEGER NOT NULL,
    idempotency_key TEXT UNIQUE,
    client_id TEXT,
    UNIQUE (person_id, client_id)
  ) STRICT;
  CREATE INDEX message_channel ON message (channel_id, position);
  CREATE TABLE message_viewer (
    position INTEGER NOT NULL REFERENCES message (position),
    person_id TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (position, person_id)
  ) STRICT, WITHOUT ROWID;
`;

// `revision` is the position of the event that changed a message last: open pages follow it as they follow new messages.
const SECOND = `
  ALTER TABLE message ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
  UPDATE message SET revision = position;
  CREATE INDEX message_revision ON message (revision);
  ALTER TABLE message ADD COLUMN body TEXT;
  ALTER TABLE message ADD COLUMN reply_to TEXT;
  ALTER TABLE message ADD COLUMN thread_root TEXT;
  ALTER TABLE message ADD COLUMN in_channel INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE message ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE message ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE message ADD COLUMN actions TEXT;
  ALTER TABLE message ADD COLUMN remote_avatar TEXT;
  CREATE INDEX message_thread ON message (thread_root, position);
  ALTER TABLE channel ADD COLUMN kind TEXT NOT NULL DEFAULT 'channel';
  ALTER TABLE channel ADD COLUMN topic TEXT NOT NULL DEFAULT '';
  CREATE TABLE channel_member (
    channel_id TEXT NOT NULL REFERENCES channel (id),
    person_id TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (channel_id, person_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE guest (
    channel_id TEXT NOT NULL REFERENCES channel (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    server TEXT NOT NULL,
    PRIMARY KEY (channel_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reaction (
    message_id TEXT NOT NULL REFERENCES message (id),
    shortcode TEXT NOT NULL,
    unicode TEXT,
    by_id TEXT NOT NULL,
    by_name TEXT NOT NULL,
    by_server TEXT,
    PRIMARY KEY (message_id, shortcode, by_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE file (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE call (key TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL) STRICT;
`;

/**
 * Opens the workspace's file, and makes it and its folder when there are none.
 * @throws when the file cannot be opened, has another schema, or holds another workspace.
 */
export function openDatabase(path: string, workspaceId: string): Database.Database {
  if (path !== ':memory:') mkdirSync(dirname(resolve(path)), { recursive: true });
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.transaction(() => prepareSchema(database, path, workspaceId)).immediate();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareSchema(database: Database.Database, path: string, workspaceId: string): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > SCHEMA_VERSION) {
    throw new Error(`${path} has schema ${version}; this chat knows ${SCHEMA_VERSION}.`);
  }
  if (version === 0) {
    database.exec(SCHEMA);
    database.prepare('INSERT INTO workspace (id) VALUES (?)').run(workspaceId);
  }
  if (version < 2) database.exec(SECOND);
  database.pragma(`user_version = ${SCHEMA_VERSION}`);
  const owner = database.prepare<[], { id: string }>('SELECT id FROM workspace').get();
  if (owner?.id !== workspaceId) {
    throw new Error(`${path} is the chat of workspace "${owner?.id ?? '?'}", not of "${workspaceId}".`);
  }
}
