import type { Emoji } from '../message/index.js';
import type { DeliveryKind } from '../persistence/entities/index.js';
import type { OutboundMessage, RemoteAuthor } from '../platform/port.js';
import type { EventId } from '../protocol/index.js';

/** One call to a platform, as a delivery keeps it. */
export type Operation =
  | {
      kind: 'message' | 'notice';
      message: OutboundMessage;
      /** The event that it shows a part of, when that is not the one that is carried (an edit that needs more messages). */
      of?: EventId;
    }
  | { kind: 'edit'; nativeId: string; to: OutboundMessage }
  | { kind: 'delete'; nativeId: string; author: RemoteAuthor | undefined }
  | { kind: 'react'; nativeId: string; emoji: Emoji; change: 'add' | 'remove'; author: RemoteAuthor }
  | { kind: 'topic'; topic: string }
  | { kind: 'member'; member: RemoteAuthor; change: 'join' | 'leave' };

/** What a notice tells too, so that a chat that refuses it has lost nothing. */
export const isToldToo = ({ kind }: { kind: DeliveryKind }): boolean => kind === 'topic' || kind === 'member';

/** As it is stored beside its kind: a message as itself, everything else as an object of its fields. */
export function payloadOf(operation: Operation): string {
  if (operation.kind === 'message' || operation.kind === 'notice') {
    const { message, of } = operation;
    return JSON.stringify(of === undefined ? message : { of, message });
  }
  return JSON.stringify(operation);
}

/** What {@link payloadOf} stored, and what versions before it did. */
export function operationOf({ kind, payload }: { kind: DeliveryKind; payload: string }): Operation {
  const value = JSON.parse(payload) as unknown;
  if (kind !== 'message' && kind !== 'notice') return value as Operation;
  const wrapped = value as { of?: EventId; message?: OutboundMessage };
  if (wrapped.message === undefined) return { kind, message: value as OutboundMessage };
  return { kind, message: wrapped.message, ...(wrapped.of === undefined ? {} : { of: wrapped.of }) };
}
