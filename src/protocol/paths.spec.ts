import { describe, expect, it } from 'vitest';
import { type Endpoint, federationPath, servedPaths } from './paths.js';

const UNSTABLE = '/_matrix/federation/unstable/org.matrix.i-d.ralston-mimi-linearized-matrix.02';

describe('paths', () => {
  // proves profile/endpoints/1
  it.each<[Endpoint, string]>([
    ['send', 'v2'],
    ['event', 'v2'],
    ['backfill', 'v2'],
    ['invite', 'v3'],
    ['send_join', 'v3'],
    ['send_leave', 'v3'],
    ['send_knock', 'v3'],
  ])('%s is served at %s and at the unstable path, and dialled there', (endpoint, version) => {
    expect(servedPaths(endpoint, ':x')).toEqual([
      `/_matrix/federation/${version}/${endpoint}/:x`,
      `${UNSTABLE}/${endpoint}/:x`,
    ]);
    expect(federationPath(endpoint, 'a')).toBe(`${UNSTABLE}/${endpoint}/a`);
  });

  it.each<[Endpoint]>([['make_join'], ['make_leave'], ['make_knock'], ['state'], ['state_ids'], ['event_auth']])(
    '%s is at v1 alone',
    (endpoint) => {
      expect(servedPaths(endpoint, ':a/:b')).toEqual([`/_matrix/federation/v1/${endpoint}/:a/:b`]);
      expect(federationPath(endpoint, '!r:a', '@b/c')).toBe(`/_matrix/federation/v1/${endpoint}/!r%3Aa/%40b%2Fc`);
    },
  );

  it('end with the endpoint where it has no parameters', () => {
    expect(federationPath('send')).toBe(`${UNSTABLE}/send`);
  });
});
