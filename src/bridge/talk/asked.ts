import type { EntityManager } from 'typeorm';
import { MappingConflict } from '../../mapping/room-mappings.js';
import type { RoomMappingEntity } from '../../persistence/entities/index.js';
import type { Lease } from '../../persistence/leases.js';
import { type NativeChannel, type NativeUser, type Platform, PlatformError } from '../../platform/port.js';
import type { UserId } from '../../protocol/index.js';
import { BadHubAnswer } from '../../rooms/bad-hub-answer.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { UnknownRoom } from '../../rooms/room-log.js';
import { RoomRefusal } from '../../rooms/rooms.js';
import { cleanLine } from '../../message/index.js';
import type { PersonalText } from './personal-notices.js';

/** Somebody of this company wants something. */
export interface Asked {
  /** The same for as long as it is not answered: what is repeated after a crash has the same. */
  key: string;
  platform: Platform;
  person: NativeUser;
  user: UserId;
  channel: NativeChannel;
  /** Of the channel. */
  mapping: RoomMappingEntity | null;
  lease: Lease;
}

/** What they are told (nothing: an empty text); `settle` is written with it. */
export interface Answer extends PersonalText {
  settle?(manager: EntityManager): Promise<void>;
}

/** It cannot be done: why, in a sentence for whoever asked. */
export class CannotDo extends Error {}

/** It waits for the hub's echo of something that was done for it. */
export class NotYet extends Error {}

const MAX_REASON = 200;

/** In words for people, where it is the answer that something did not work; undefined: it is a failure of ours, and is tried again. */
export function whyNot(error: unknown): string | undefined {
  if (error instanceof CannotDo) return error.message;
  if (error instanceof RemoteUnavailable) return `${error.server} does not answer. Try again later.`;
  if (error instanceof UnknownRoom) return 'That room is not known here.';
  const isRefusal =
    error instanceof RoomRefusal ||
    error instanceof RemoteRefusal ||
    error instanceof BadHubAnswer ||
    error instanceof MappingConflict ||
    (error instanceof PlatformError && !error.retry);
  return isRefusal ? `That did not work: ${cleanLine(error.message, MAX_REASON)}.` : undefined;
}
