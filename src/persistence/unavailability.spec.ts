import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { unavailabilityOf } from './unavailability.js';

const coded = (code: string, message = 'secret detail'): Error => Object.assign(new Error(message), { code });

describe('an error of the database', () => {
  it.each([
    ['SQLITE_FULL', 'disk full'],
    ['SQLITE_IOERR_WRITE', 'the disk fails'],
    ['SQLITE_BUSY_SNAPSHOT', 'locked by another process'],
    ['SQLITE_READONLY_DBMOVED', 'the database file cannot be written'],
    ['SQLITE_CANTOPEN', 'the database file cannot be opened'],
    ['53100', 'disk full'],
    ['53300', 'PostgreSQL takes no more connections'],
    ['53400', 'PostgreSQL is short of resources'],
    ['57P01', 'PostgreSQL shuts down or starts'],
    ['57P03', 'PostgreSQL shuts down or starts'],
    ['08006', 'no connection to PostgreSQL'],
    ['ECONNREFUSED', 'no connection to PostgreSQL'],
    ['25006', 'PostgreSQL is read-only'],
  ])('%s says that it cannot be used: %s', (code, reason) => {
    expect(unavailabilityOf(coded(code))).toBe(reason);
    expect(unavailabilityOf(new QueryFailedError('SELECT 1', [], coded(code)))).toBe(reason);
  });

  it('without a code is known by what the driver says of its connection', () => {
    const lost = new Error('Connection terminated unexpectedly');
    expect(unavailabilityOf(new QueryFailedError('COMMIT', [], lost))).toBe('no connection to PostgreSQL');
    expect(unavailabilityOf(new QueryRunnerAlreadyReleasedError())).toBe('no connection to PostgreSQL');
  });

  it.each(['SQLITE_CONSTRAINT_PRIMARYKEY', '23505', '22021', '42P01', '57014', 'ERR_INVALID_ARG_TYPE', ''])(
    '%s says something about the statement, and nothing about the database',
    (code) => {
      expect(unavailabilityOf(new QueryFailedError('INSERT', [], coded(code)))).toBeUndefined();
    },
  );

  it('is not what anything else throws', () => {
    for (const other of [new Error('the room is full'), 'SQLITE_FULL', undefined, { code: 'SQLITE_FULL' }]) {
      expect(unavailabilityOf(other)).toBeUndefined();
    }
  });
});
