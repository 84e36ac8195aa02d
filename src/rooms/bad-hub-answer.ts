import { type RoomVersion, roomVersion } from '../protocol/index.js';
import { RemoteRefusal, RemoteUnavailable } from './remote-servers.js';

/** The hub's answer does not hold what it must; nothing of it was kept. */
export class BadHubAnswer extends Error {}

/** The algorithms of a room. Throws BadHubAnswer when a hub named a version that we do not know. */
export function algorithmsOf(version: string | undefined): RoomVersion {
  const algorithms = roomVersion(version);
  if (algorithms === undefined) throw new BadHubAnswer(`room version ${String(version)} is not known here`);
  return algorithms;
}

/** Whether an error is one of a request to a hub, or of its answer: none of ours. */
export const isHubsFault = (error: unknown): error is BadHubAnswer | RemoteRefusal | RemoteUnavailable =>
  error instanceof BadHubAnswer || error instanceof RemoteRefusal || error instanceof RemoteUnavailable;
