import { plainBody } from '../../message/index.js';
import type { InboundMessage, InboundPage, NativeChannel, NativeUser } from '../port.js';

/** Readers of what the chat answers (docs/platforms/http.openapi.yaml). They throw MalformedAnswer. */
export class MalformedAnswer extends Error {}

const MAX_ID_BYTES = 255;
const MAX_URL = 1_024;

type Fields = Record<string, unknown>;

export function fields(value: unknown, what: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new MalformedAnswer(`${what} is no object`);
}

export function text(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new MalformedAnswer(`${what} is no text`);
}

export function id(value: unknown, what: string): string {
  const out = text(value, what);
  if (out !== '' && Buffer.byteLength(out) <= MAX_ID_BYTES) return out;
  throw new MalformedAnswer(`${what} is not an id of 1 to ${String(MAX_ID_BYTES)} bytes`);
}

export function channel(value: unknown): NativeChannel {
  const { id: channelId, name } = fields(value, 'channel');
  return { id: id(channelId, 'channel.id'), name: text(name, 'channel.name').slice(0, MAX_ID_BYTES) };
}

export function user(value: unknown): NativeUser {
  const { id: userId, username, display_name: displayName, avatar_url: avatar } = fields(value, 'user');
  const avatarUrl = httpsUrl(avatar);
  return {
    id: id(userId, 'user.id'),
    username: text(username, 'user.username'),
    displayName: text(displayName, 'user.display_name').slice(0, MAX_ID_BYTES / 4),
    ...(avatarUrl === undefined ? {} : { avatarUrl }),
  };
}

/** A picture that other companies cannot load is none; a name is shown all the same. */
function httpsUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_URL || !URL.canParse(value)) return undefined;
  const { protocol, href } = new URL(value);
  return protocol === 'https:' ? href : undefined;
}

/** Events that are no messages of people are skipped, ours among them. */
export function page(value: unknown): InboundPage {
  const { events, cursor } = fields(value, 'the answer');
  if (!Array.isArray(events)) throw new MalformedAnswer('events is no list');
  return { events: events.flatMap((event) => inboundMessage(event)), cursor: id(cursor, 'cursor') };
}

function inboundMessage(value: unknown): InboundMessage[] {
  const event = fields(value, 'event');
  if (event.type !== 'message') return [];
  const message = fields(event.message, 'event.message');
  if (message.idempotency_key !== undefined) return [];
  const { time } = event;
  if (typeof time !== 'number' || !Number.isSafeInteger(time)) throw new MalformedAnswer('event.time is no integer');
  return [
    {
      type: 'message',
      nativeEventId: id(event.id, 'event.id'),
      time,
      channel: channel(event.channel),
      author: user(event.author),
      nativeId: id(message.id, 'message.id'),
      body: plainBody(text(message.text, 'message.text')),
    },
  ];
}
