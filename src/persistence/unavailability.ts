import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';

/** What SQLite's primary result codes mean to whoever has to mend it. */
const SQLITE: readonly [code: string, reason: string][] = [
  ['SQLITE_FULL', 'disk full'],
  ['SQLITE_IOERR', 'the disk fails'],
  ['SQLITE_READONLY', 'the database file cannot be written'],
  ['SQLITE_CANTOPEN', 'the database file cannot be opened'],
  ['SQLITE_PERM', 'the database file cannot be opened'],
  ['SQLITE_BUSY', 'locked by another process'],
  ['SQLITE_LOCKED', 'locked by another process'],
  ['SQLITE_PROTOCOL', 'locked by another process'],
  ['SQLITE_CORRUPT', 'the database file is damaged'],
  ['SQLITE_NOTADB', 'the database file is damaged'],
  ['SQLITE_NOMEM', 'out of memory'],
];

/** Beginnings of SQLSTATEs; the first that fits counts. */
const POSTGRES: readonly [sqlstate: string, reason: string][] = [
  ['53100', 'disk full'],
  ['53200', 'PostgreSQL is out of memory'],
  ['53300', 'PostgreSQL takes no more connections'],
  ['53', 'PostgreSQL is short of resources'],
  ['57P', 'PostgreSQL shuts down or starts'],
  ['08', 'no connection to PostgreSQL'],
  ['58', 'the disk of PostgreSQL fails'],
  ['25006', 'PostgreSQL is read-only'],
  ['28', 'PostgreSQL refuses our account'],
  ['3D000', 'PostgreSQL has no such database'],
  // After all repetitions.
  ['40001', 'PostgreSQL has too many conflicts'],
  ['40P01', 'PostgreSQL has too many conflicts'],
];

const NO_CONNECTION = 'no connection to PostgreSQL';
const SOCKET =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EADDRNOTAVAIL)$/;
/** The driver's own failures have no code. */
const DRIVER =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Query read timeout)/;

/**
 * Why the database cannot be used now, in words for an operator; undefined when an error says something else. What failed over
 * it may succeed later, and says nothing about what was asked.
 */
export function unavailabilityOf(error: unknown): string | undefined {
  if (error instanceof QueryRunnerAlreadyReleasedError) return NO_CONNECTION; // its connection broke while it was used
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  if (!(cause instanceof Error)) return undefined;
  const code = 'code' in cause ? String(cause.code) : '';
  if (code.startsWith('SQLITE_')) return SQLITE.find(([prefix]) => code.startsWith(prefix))?.[1];
  if (SOCKET.test(code) || DRIVER.test(cause.message)) return NO_CONNECTION;
  return /^[0-9A-Z]{5}$/.test(code) ? POSTGRES.find(([prefix]) => code.startsWith(prefix))?.[1] : undefined;
}
