import type { OutboundMessage } from '../platform/port.js';
import { named, notice, prefixed } from './fallbacks.js';
import type { Operation } from './operations.js';

/** What stands in a channel in the place of what could not be shown there (docs/adr/0006). */
export function parkedNotice(operation: Operation, why: 'refused' | 'discarded'): OutboundMessage {
  const what = whatOf(operation);
  return notice(
    why === 'refused'
      ? `${what} could not be shown here: this chat does not take it. Whoever looks after Causeway can see why.`
      : `${what} was withheld by whoever looks after Causeway.`,
  );
}

function whatOf(operation: Operation): string {
  switch (operation.kind) {
    case 'message':
    case 'notice': {
      const { author } = operation.message;
      return author === undefined ? 'A notice' : `A message of ${named(author)}`;
    }
    case 'edit': {
      const { author } = operation.to;
      return author === undefined ? 'An edit' : `An edit by ${named(author)}`;
    }
    case 'delete':
      return operation.author === undefined
        ? 'That a message was taken back'
        : `That ${named(operation.author)} took a message back`;
    case 'react':
      return `A reaction of ${named(operation.author)}`;
    case 'topic':
      return 'A new topic';
    case 'member':
      return `That ${named(operation.member)} came or went`;
  }
}

/** The message that had that place, when it comes after all: it says that it is late, because others have come since. */
export function lateMessage(message: OutboundMessage): OutboundMessage {
  const { body, sentAt } = message;
  const late =
    sentAt === undefined
      ? 'Late'
      : `Late, written ${new Date(sentAt).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return { ...message, body: prefixed(body, `(${late}) `) };
}
