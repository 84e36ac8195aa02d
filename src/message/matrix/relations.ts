import { type EventId, type JsonObject, isJsonObject, parseEventId } from '../../protocol/index.js';
import { mentionsOf } from './mentions.js';
import { MAX_CONTENT_BYTES, bytesOf, shortened } from './size.js';

/**
 * Beside an `m.thread` relation: the message is meant for the room too (“also send to channel”). Matrix has no name for it; who does not know
 * this key shows a message of the thread.
 */
const ALSO_TO_ROOM = 'dev.causeway.also_to_room';

export type Relation =
  | { kind: 'none' }
  | { kind: 'reply'; eventId: EventId }
  | {
      kind: 'thread';
      root: EventId;
      /** Which message of the thread it answers. */ inReplyTo?: EventId;
      alsoToRoom: boolean;
    }
  | { kind: 'edit'; eventId: EventId; /** What the message says from now on. */ newContent: JsonObject }
  | { kind: 'annotation'; eventId: EventId; key: string };

const MAX_KEY = 255;

/** How an event relates to another (client-server API, Forming relationships). What is malformed is no relation. */
export function relationOf(content: JsonObject): Relation {
  const relation = content['m.relates_to'];
  if (!isJsonObject(relation)) return { kind: 'none' };
  const eventId = parseEventId(relation.event_id);
  const reply = isJsonObject(relation['m.in_reply_to']) ? relation['m.in_reply_to'] : {};
  const inReplyTo = parseEventId(reply.event_id);
  switch (eventId === undefined ? undefined : relation.rel_type) {
    case 'm.replace':
      return edit(content, eventId);
    case 'm.thread':
      return thread(content, eventId, relation.is_falling_back === true ? undefined : inReplyTo);
    case 'm.annotation': {
      const { key } = relation;
      return eventId !== undefined && typeof key === 'string' && key !== '' && key.length <= MAX_KEY
        ? { kind: 'annotation', eventId, key }
        : { kind: 'none' };
    }
    default:
      return inReplyTo === undefined ? { kind: 'none' } : { kind: 'reply', eventId: inReplyTo };
  }
}

function edit(content: JsonObject, eventId: EventId | undefined): Relation {
  const newContent = content['m.new_content'];
  return eventId !== undefined && isJsonObject(newContent) ? { kind: 'edit', eventId, newContent } : { kind: 'none' };
}

function thread(content: JsonObject, root: EventId | undefined, inReplyTo: EventId | undefined): Relation {
  if (root === undefined) return { kind: 'none' };
  const alsoToRoom = content[ALSO_TO_ROOM] === true;
  return { kind: 'thread', root, ...(inReplyTo === undefined ? {} : { inReplyTo }), alsoToRoom };
}

export const asReply = (content: JsonObject, to: EventId): JsonObject => ({
  ...content,
  'm.relates_to': { 'm.in_reply_to': { event_id: to } },
});

/** `last`: the newest message of the thread that we know, for clients without threads; ignored when it answers one (`inReplyTo`). */
export function asThreaded(
  content: JsonObject,
  thread: { root: EventId; inReplyTo?: EventId; last?: EventId; alsoToRoom?: boolean },
): JsonObject {
  const { root, inReplyTo, last = root } = thread;
  return {
    ...content,
    'm.relates_to': {
      rel_type: 'm.thread',
      event_id: root,
      is_falling_back: inReplyTo === undefined,
      'm.in_reply_to': { event_id: inReplyTo ?? last },
    },
    ...(thread.alsoToRoom === true ? { [ALSO_TO_ROOM]: true } : {}),
  };
}

/** Content of `m.reaction`. */
export const annotation = (eventId: EventId, key: string): JsonObject => ({
  'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key },
});

/** Beyond this an edit's fallback is a line of text: `m.new_content` alone may take MAX_CONTENT_BYTES. */
const MAX_EDIT_BYTES = MAX_CONTENT_BYTES + 4_000;
const MAX_FALLBACK = 100;

/**
 * The event that makes `content` what the message `eventId` says. Who was mentioned in `before` is not notified again (client-server API,
 * Edits of events with mentions). `content` is of an `m.room.message`: nothing else can be edited.
 */
export function asEdit(content: JsonObject, eventId: EventId, before: JsonObject = {}): JsonObject {
  const { body, formatted_body: html, ...others } = content;
  const text = `* ${typeof body === 'string' ? body : ''}`;
  const replacing: JsonObject = {
    'm.mentions': newlyMentioned(content, before),
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
  };
  const whole: JsonObject = {
    ...others,
    body: text,
    ...(typeof html === 'string' ? { formatted_body: `* ${html}` } : {}),
    ...replacing,
  };
  if (bytesOf(whole) <= MAX_EDIT_BYTES) return whole;
  return { msgtype: 'm.text', body: shortened(text, MAX_FALLBACK), ...replacing };
}

function newlyMentioned(content: JsonObject, before: JsonObject): JsonObject {
  const [now, then] = [mentionsOf(content), mentionsOf(before)];
  const users = [...now.users].filter((user) => !then.users.has(user));
  return { ...(users.length === 0 ? {} : { user_ids: users }), ...(now.room && !then.room ? { room: true } : {}) };
}

const FALLBACK_START = /^> (?:\* )?<[@!][^>\n]{1,300}>/;

/** Without the quotation of what is replied to, which clients before Matrix 1.13 wrote into `body`. Its HTML (`mx-reply`) is never read. */
export function withoutReplyFallback(content: JsonObject): JsonObject {
  const { body } = content;
  const relation = content['m.relates_to'];
  if (typeof body !== 'string' || !isJsonObject(relation) || !isJsonObject(relation['m.in_reply_to'])) return content;
  if (!FALLBACK_START.test(body)) return content;
  const lines = body.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('>'));
  const own = end < 0 ? [] : lines.slice(lines[end] === '' ? end + 1 : end);
  return { ...content, body: own.join('\n') };
}
