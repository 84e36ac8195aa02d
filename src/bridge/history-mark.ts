import type { OutboundMessage } from '../platform/port.js';
import type { JsonObject } from '../protocol/index.js';
import { prefixed } from './fallbacks.js';

/** On an event of what was said before the channel was shared. Matrix has no name for it; who does not know this key has the time. */
const HISTORY = 'dev.causeway.history';

export const asHistory = (content: JsonObject): JsonObject => ({ ...content, [HISTORY]: true });

export const isHistory = (content: JsonObject): boolean => content[HISTORY] === true;

/** It stands behind what was said since: so it says when it was written. */
export function shownAsHistory(message: OutboundMessage): OutboundMessage {
  const { body, sentAt } = message;
  const time = sentAt === undefined ? '' : `, ${new Date(sentAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return { ...message, body: prefixed(body, `(History${time}) `) };
}
