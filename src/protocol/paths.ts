import { DEFAULT_ROOM_VERSION } from './room-version.js';

/** Where the draft's implementation notes put its own endpoints. */
export const UNSTABLE_PREFIX = `/_matrix/federation/unstable/${DEFAULT_ROOM_VERSION}`;

/** Endpoints that have an unstable path beside the stable one of this version (profile §4). */
const VERSIONED = {
  send: 'v2',
  event: 'v2',
  backfill: 'v2',
  invite: 'v3',
  send_join: 'v3',
  send_leave: 'v3',
  send_knock: 'v3',
};
type Versioned = keyof typeof VERSIONED;

export type Endpoint = Versioned | 'make_join' | 'make_leave' | 'make_knock' | 'state' | 'state_ids' | 'event_auth';

const isVersioned = (endpoint: Endpoint): endpoint is Versioned => Object.hasOwn(VERSIONED, endpoint);

/** The paths that we serve, `rest` with its parameters in it. */
export function servedPaths(endpoint: Endpoint, rest: string): string[] {
  return isVersioned(endpoint)
    ? [`/_matrix/federation/${VERSIONED[endpoint]}/${endpoint}/${rest}`, `${UNSTABLE_PREFIX}/${endpoint}/${rest}`]
    : [`/_matrix/federation/v1/${endpoint}/${rest}`];
}

/** The path that we dial: the one that servers in the wild have. */
export function federationPath(endpoint: Endpoint, ...segments: string[]): string {
  const base = isVersioned(endpoint) ? UNSTABLE_PREFIX : '/_matrix/federation/v1';
  return [`${base}/${endpoint}`, ...segments.map(encodeURIComponent)].join('/');
}
