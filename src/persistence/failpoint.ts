import { existsSync, readFileSync } from 'node:fs';

/**
 * Places between two durable writes, or between a write and a send, at which the fault suite kills the process. All of them are
 * listed here, so that the suite knows which it has to reach.
 */
export const FAILPOINTS = [
  /** A page of native events is read, and not yet in the inbox. */
  'inbox.read',
  /** The page and its cursor are committed, and nobody was told. */
  'inbox.committed',
  /** The author of a native message was made a member; the message itself is not sent. */
  'inbound.joined',
  /** The native message is an event of our log, or a committed LPDU. */
  'inbound.sent',
  /** A group of events is written and not committed. */
  'log.written',
  /** The group is committed; nobody was told. */
  'log.committed',
  /** A transaction for another server is committed; it is not sent. */
  'sender.committed',
  /** The other server has answered; the answer is not noted. */
  'sender.answered',
  /** The answer is noted. */
  'sender.settled',
  /** What a transaction of another server brought is appended; the answer is not kept. */
  'edge.processed',
  /** The answer is kept; it is not given. */
  'edge.kept',
  /** PDUs that cannot be applied yet are kept; the hub was not asked for what is missing. */
  'participant.pending',
  /** Our join is signed by the hub; we have not entered the room. */
  'participant.join-answered',
  /** The intent of a call to the chat is committed; the call is not made. */
  'outbound.intended',
  /** The chat has answered; the answer is not noted. */
  'outbound.called',
  /** The answer is noted, the cursor moved. */
  'outbound.settled',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** The file that the environment's FAILPOINT names holds `name:n` while a point is armed: the process ends there at the nth time. */
const file = process.env.FAILPOINT;
let armed = '';
let left = 0;

/** Ends the process by SIGKILL when this point is armed. The build removes every call, and this file (tools/build.mjs). */
export function failpoint(name: Failpoint): void {
  if (file === undefined) return;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (text !== armed) {
    armed = text;
    left = Number(text.split(':')[1]);
  }
  if (text.startsWith(`${name}:`) && --left === 0) process.kill(process.pid, 'SIGKILL');
}
