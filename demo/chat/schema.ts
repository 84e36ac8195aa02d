import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';

const SCHEMA_VERSION = 1;

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
  PRAGMA user_version = ${SCHEMA_VERSION};
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
  const version = database.pragma('user_version', { simple: true });
  if (version === 0) {
    database.exec(SCHEMA);
    database.prepare('INSERT INTO workspace (id) VALUES (?)').run(workspaceId);
  } else if (version !== SCHEMA_VERSION) {
    throw new Error(`${path} has schema ${String(version)}; this chat knows ${SCHEMA_VERSION}.`);
  }
  const owner = database.prepare<[], { id: string }>('SELECT id FROM workspace').get();
  if (owner?.id !== workspaceId) {
    throw new Error(`${path} is the chat of workspace "${owner?.id ?? '?'}", not of "${workspaceId}".`);
  }
}
