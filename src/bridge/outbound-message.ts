import {
  type JsonObject,
  type UserId,
  localpartOf,
  membershipOf,
  parseUserId,
  serverOfUser,
} from '../protocol/index.js';
import { plainBody } from '../message/index.js';
import type { OutboundMessage } from '../platform/port.js';
import type { StoredEvent } from '../rooms/room-reader.js';

/** What a converter may know beside the event. */
export interface Context {
  /** Display name of the sender, as the room has it. */
  displayName: string | undefined;
  /** Membership of the person that a membership event is about, before it. */
  membershipBefore: string | undefined;
  serverName: string;
  maxTextBytes: number;
}

const TEXTS = new Set(['m.text', 'm.notice', 'm.emote']);

/** How an event appears in a native channel; undefined when it does not. */
export function outboundMessage({ pdu }: StoredEvent, context: Context): OutboundMessage | undefined {
  if (pdu.type === 'm.room.member') return membershipNotice(pdu, context);
  if (pdu.type !== 'm.room.message') return undefined;
  const text = bodyOf(pdu.content);
  if (text === undefined) return undefined;
  return {
    kind: 'message',
    body: plainBody(bounded(text, context.maxTextBytes)),
    sentAt: pdu.origin_server_ts,
    author: {
      id: pdu.sender,
      displayName: context.displayName ?? localpartOf(pdu.sender),
      server: serverOfUser(pdu.sender),
    },
  };
}

function bodyOf({ msgtype, body }: JsonObject): string | undefined {
  if (typeof body !== 'string') return undefined; // redacted, or none
  if (typeof msgtype === 'string' && TEXTS.has(msgtype)) return body;
  return `[${body}] (this kind of message cannot be shown here yet)`;
}

/** People of other companies who come and go; our own are seen natively. */
function membershipNotice(
  event: StoredEvent['pdu'],
  { membershipBefore, serverName }: Context,
): OutboundMessage | undefined {
  const member = parseUserId(event.state_key);
  const membership = membershipOf(event);
  if (member === undefined || serverOfUser(member) === serverName || membership === membershipBefore) return undefined;
  const { displayname } = event.content;
  const name = `${typeof displayname === 'string' ? displayname.slice(0, 64) : localpartOf(member)} (${serverOfUser(member)})`;
  if (membership === 'join') return notice(`${name} joined.`);
  return membershipBefore === 'join' ? notice(`${leaver(event.sender, member, name)}.`) : undefined;
}

const notice = (text: string): OutboundMessage => ({ kind: 'notice', body: plainBody(text) });

const leaver = (sender: UserId, member: UserId, name: string): string =>
  sender === member ? `${name} left` : `${name} was removed by ${sender}`;

/** At most `bytes` bytes of UTF-8, never cutting a character. */
export function bounded(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const cut = Buffer.from(text).subarray(0, bytes - Buffer.byteLength('…') - 3);
  return `${new TextDecoder('utf-8').decode(cut).replace(/\uFFFD+$/, '')}…`;
}
