import { plainBody, plainText } from '../message/index.js';
import type { OutboundMessage } from '../platform/port.js';
import { bounded } from './outbound-message.js';

/** What stands in a channel in the place of a message that could not be shown there (docs/adr/0006). */
export function parkedNotice({ author }: OutboundMessage, why: 'refused' | 'discarded'): OutboundMessage {
  const what = author === undefined ? 'A notice' : `A message of ${author.displayName} (${author.server})`;
  const text =
    why === 'refused'
      ? `${what} could not be shown here: this chat does not take it. Whoever looks after Causeway can see why.`
      : `${what} was withheld by whoever looks after Causeway.`;
  return { kind: 'notice', body: plainBody(text) };
}

/** The message that had that place, when it comes after all: it says that it is late, because others have come since. */
export function lateMessage(message: OutboundMessage, maxTextBytes: number): OutboundMessage {
  const { body, sentAt } = message;
  const late =
    sentAt === undefined
      ? 'Late'
      : `Late, written ${new Date(sentAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return { ...message, body: plainBody(bounded(`(${late}) ${plainText(body)}`, maxTextBytes)) };
}
