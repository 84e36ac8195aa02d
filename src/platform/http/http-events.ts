import { type Emoji, type MessageBody, type UserAddress, parseMessageBody, plainBody } from '../../message/index.js';
import { parseUserId } from '../../protocol/index.js';
import type { EphemeralEvent, InboundChannelChange, InboundEvent, InboundMessage, NativeThread } from '../port.js';
import { type Fields, MalformedAnswer, channel, fields, id, oneOf, optional, text, user } from './http-answers.js';

const MAX_COMMAND = 4_000;
const MAX_PARTICIPANTS = 50;
const MAX_SHORTCODE = 100;
const MAX_UNICODE = 40;
const CHANGES: readonly InboundChannelChange['change'][] = [
  'name',
  'topic',
  'archived',
  'unarchived',
  'deleted',
  'moved',
  'visibility',
  'bot_removed',
  'bot_added',
];

/** A page of the chat's events and what is ephemeral beside it; events of unknown types and our own are skipped. Throws MalformedAnswer. */
export function eventsPage(value: unknown): {
  events: InboundEvent[];
  cursor: string;
  ephemeral: EphemeralEvent[];
} {
  const { events, cursor, ephemeral = [] } = fields(value, 'the answer');
  if (!Array.isArray(events)) throw new MalformedAnswer('events is no list');
  if (!Array.isArray(ephemeral)) throw new MalformedAnswer('ephemeral is no list');
  return {
    events: events.flatMap((event) => inboundEvent(event) ?? []),
    cursor: id(cursor, 'cursor'),
    ephemeral: ephemeral.flatMap((event) => ephemeralEvent(event) ?? []),
  };
}

/** A page of what was said earlier, oldest first. */
export function historyPage(value: unknown): { messages: InboundMessage[]; more: boolean } {
  const { messages, more } = fields(value, 'the answer');
  if (!Array.isArray(messages)) throw new MalformedAnswer('messages is no list');
  const events = messages.flatMap((message) => inboundEvent(message) ?? []);
  return { messages: events.filter((event) => event.type === 'message'), more: more === true };
}

type Reader = (event: Fields, base: Base) => InboundEvent | undefined;

interface Base {
  nativeEventId: string;
  time: number;
}

const READERS: Readonly<Record<string, Reader>> = {
  message: (event, base) => {
    const said = message(event);
    if (said === undefined) return undefined;
    return {
      ...base,
      type: 'message',
      channel: channel(event.channel),
      author: user(event.author),
      ...said,
      ...optional('replyTo', event.reply_to, (value) => id(value, 'event.reply_to')),
      ...optional('thread', event.thread, thread),
    };
  },
  edit: (event, base) => {
    const said = message(event);
    if (said === undefined) return undefined;
    return { ...base, type: 'edit', channel: channel(event.channel), author: user(event.author), ...said };
  },
  delete: (event, base) => ({
    ...base,
    type: 'delete',
    channel: channel(event.channel),
    nativeId: id(event.message_id, 'event.message_id'),
    ...optional('actor', event.actor, user),
  }),
  reaction: (event, base) => ({
    ...base,
    type: 'reaction',
    channel: channel(event.channel),
    change: oneOf(event.change, ['add', 'remove'] as const, 'event.change'),
    actor: user(event.actor),
    nativeId: id(event.message_id, 'event.message_id'),
    emoji: emoji(event.emoji),
  }),
  membership: (event, base) => ({
    ...base,
    type: 'membership',
    channel: channel(event.channel),
    change: oneOf(event.change, ['join', 'leave'] as const, 'event.change'),
    user: user(event.user),
    ...optional('actor', event.actor, user),
  }),
  channel: (event, base) => ({
    ...base,
    type: 'channel',
    channel: channel(event.channel),
    change: oneOf(event.change, CHANGES, 'event.change'),
    ...optional('actor', event.actor, user),
    ...optional('formerId', event.former_id, (value) => id(value, 'event.former_id')),
  }),
  profile: (event, base) => ({ ...base, type: 'profile', user: user(event.user) }),
  command: (event, base) => ({
    ...base,
    type: 'command',
    channel: channel(event.channel),
    actor: user(event.actor),
    text: text(event.text, 'event.text').slice(0, MAX_COMMAND),
    ...optional('nativeId', event.message_id, (value) => id(value, 'event.message_id')),
  }),
  action: (event, base) => ({
    ...base,
    type: 'action',
    channel: channel(event.channel),
    actor: user(event.actor),
    action: id(event.action, 'event.action'),
    ...optional('nativeId', event.message_id, (value) => id(value, 'event.message_id')),
  }),
  conversation: (event, base) => ({
    ...base,
    type: 'conversation',
    channel: channel(event.channel),
    actor: user(event.actor),
    participants: participants(event.participants),
  }),
};

function inboundEvent(value: unknown): InboundEvent | undefined {
  const event = fields(value, 'event');
  const type = text(event.type, 'event.type');
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (reader === undefined || event.by_causeway === true) return undefined;
  const { time } = event;
  if (typeof time !== 'number' || !Number.isSafeInteger(time)) throw new MalformedAnswer('event.time is no integer');
  return reader(event, { nativeEventId: id(event.id, 'event.id'), time });
}

/** Undefined for what we posted. */
function message(event: Fields): { nativeId: string; body: MessageBody } | undefined {
  const said = fields(event.message, 'event.message');
  if (said.idempotency_key !== undefined) return undefined;
  return { nativeId: id(said.id, 'event.message.id'), body: bodyOf(said) };
}

/** The rich form; the text when there is none that can be read. */
function bodyOf({ text: plain, body }: Fields): MessageBody {
  const said = plainBody(text(plain, 'event.message.text'));
  if (body === undefined || body === null) return said;
  const parsed = parseMessageBody(body);
  return parsed.ok ? parsed.value : said;
}

function thread(value: unknown): NativeThread {
  const { root, also_to_channel: also } = fields(value, 'event.thread');
  return { root: id(root, 'event.thread.root'), ...(also === true ? { alsoToChannel: true } : {}) };
}

function emoji(value: unknown): Emoji {
  const { shortcode, unicode } = fields(value, 'event.emoji');
  const name = text(shortcode, 'event.emoji.shortcode');
  if (name === '' || name.length > MAX_SHORTCODE) throw new MalformedAnswer('event.emoji.shortcode has a bad length');
  const known = typeof unicode === 'string' && unicode !== '' && unicode.length <= MAX_UNICODE;
  return { type: 'emoji', shortcode: name, ...(known ? { unicode } : {}) };
}

function participants(value: unknown): UserAddress[] {
  if (!Array.isArray(value)) throw new MalformedAnswer('event.participants is no list');
  return value.slice(0, MAX_PARTICIPANTS).map((participant): UserAddress => {
    const { user_id: matrix, id: native } = fields(participant, 'a participant');
    if (matrix === undefined) return { nativeId: id(native, 'participant.id') };
    const userId = parseUserId(matrix);
    if (userId === undefined) throw new MalformedAnswer('participant.user_id is no Matrix user id');
    return { userId };
  });
}

function ephemeralEvent(value: unknown): EphemeralEvent | undefined {
  const event = fields(value, 'an ephemeral event');
  const base = (): { channelId: string; user: ReturnType<typeof user> } => ({
    channelId: id(event.channel_id, 'ephemeral.channel_id'),
    user: user(event.user),
  });
  if (event.type === 'typing') return { type: 'typing', ...base(), typing: event.typing === true };
  if (event.type !== 'read') return undefined;
  return { type: 'read', ...base(), nativeId: id(event.message_id, 'ephemeral.message_id') };
}
