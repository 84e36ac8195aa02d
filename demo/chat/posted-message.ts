import { asObject, invalid, Problem } from './http.js';
import { type Action, type Author, type Body, type Emoji, MAX_TEXT_BYTES, type RemoteAuthor } from './model.js';

/** The body of the contract's `postMessage`, with the ids in it not looked up yet. */
export interface PostedMessage {
  author: Exclude<Author, { kind: 'person' }>;
  text: string;
  body?: Body;
  replyTo?: string;
  thread?: { root: string; alsoToChannel: boolean };
  actions?: readonly Action[];
  sentAt?: number;
  visibleTo?: readonly string[];
}

// The last instant that a Date can hold (ECMA-262 §21.4.1.1).
const MAX_TIME_MS = 8.64e15;
const MAX_ID_BYTES = 255;
const MAX_NAME_BYTES = 1_024;
const MAX_URL_BYTES = 1_024;
const MAX_ACTIONS = 10;
const MAX_DEPTH = 40;

/** @throws Problem 422 `invalid`, 413 `too_large` for a text beyond {@link MAX_TEXT_BYTES}. */
export function parsePostedMessage(value: unknown): PostedMessage {
  const message = asObject(value);
  const sentAt = parseSentAt(message.sent_at);
  const visibleTo = parseIds(message.visible_to, 'visible_to');
  const body = parseBody(message.body);
  const actions = parseActions(message.actions);
  const thread = parseThread(message.thread);
  const hasFiles = (body?.attachments?.length ?? 0) > 0;
  return {
    author: parseAuthor(message.kind, message.author),
    text: hasFiles && message.text === '' ? '' : parseText(message.text),
    ...(body && { body }),
    ...(isGiven(message.reply_to) && { replyTo: boundedText(message.reply_to, 'reply_to', MAX_ID_BYTES) }),
    ...(thread && { thread }),
    ...(actions && { actions }),
    ...(sentAt !== undefined && { sentAt }),
    ...(visibleTo && { visibleTo }),
  };
}

/** @throws Problem 422 for a text that is empty, 413 for one that is too large. */
export function parseText(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid('text must be a string that is not empty.');
  if (Buffer.byteLength(value) > MAX_TEXT_BYTES) {
    throw new Problem(413, 'too_large', `The text is longer than ${MAX_TEXT_BYTES} bytes.`);
  }
  return value.toWellFormed();
}

/** Its blocks are shown by the page, which takes what it does not know for text; here they are bounded. */
function parseBody(value: unknown): Body | undefined {
  if (!isGiven(value)) return undefined;
  const { style, blocks = [], attachments = [] } = asObject(value);
  if (!Array.isArray(blocks) || !Array.isArray(attachments)) throw invalid('body.blocks and attachments are lists.');
  if (isDeeper(value, MAX_DEPTH)) throw invalid('body is too deep.');
  return { blocks, attachments, ...(typeof style === 'string' && { style }) };
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1));
}

function parseThread(value: unknown): { root: string; alsoToChannel: boolean } | undefined {
  if (!isGiven(value)) return undefined;
  const { root, also_to_channel: also } = asObject(value);
  return { root: boundedText(root, 'thread.root', MAX_ID_BYTES), alsoToChannel: also === true };
}

function parseActions(value: unknown): Action[] | undefined {
  if (!isGiven(value)) return undefined;
  if (!Array.isArray(value) || value.length > MAX_ACTIONS) throw invalid('actions must be a list of at most 10.');
  return value.map((entry: unknown) => {
    const { id, label, style } = asObject(entry);
    return {
      id: boundedText(id, 'actions.id', MAX_ID_BYTES),
      label: boundedText(label, 'actions.label', MAX_ID_BYTES),
      ...(typeof style === 'string' && { style }),
    };
  });
}

/** @throws Problem 422 */
export function parseEmoji(value: unknown): Emoji {
  const { shortcode, unicode } = asObject(value);
  return {
    shortcode: boundedText(shortcode, 'emoji.shortcode', MAX_ID_BYTES),
    ...(isGiven(unicode) && { unicode: boundedText(unicode, 'emoji.unicode', MAX_ID_BYTES) }),
  };
}

function parseAuthor(kind: unknown, value: unknown): PostedMessage['author'] {
  if (kind !== 'message' && kind !== 'notice') throw invalid('kind must be message or notice.');
  if (kind === 'notice') {
    if (isGiven(value)) throw invalid('A notice has no author.');
    return { kind: 'gateway' };
  }
  if (!isGiven(value)) throw invalid('A message needs an author.');
  return parseRemote(value);
}

/** @throws Problem 422 */
export function parseRemote(value: unknown): RemoteAuthor {
  const author = asObject(value);
  const avatarUrl = isGiven(author.avatar_url)
    ? boundedText(author.avatar_url, 'avatar_url', MAX_URL_BYTES)
    : undefined;
  return {
    kind: 'remote',
    id: boundedText(author.id, 'author.id', MAX_ID_BYTES),
    displayName: boundedText(author.display_name, 'author.display_name', MAX_NAME_BYTES),
    server: boundedText(author.server, 'author.server', MAX_ID_BYTES),
    ...(avatarUrl?.startsWith('https://') && { avatarUrl }),
  };
}

/** @throws Problem 422 */
export function boundedText(value: unknown, field: string, maxBytes: number): string {
  if (typeof value !== 'string' || value.trim() === '') throw invalid(`${field} must be a string that is not empty.`);
  if (Buffer.byteLength(value) > maxBytes) throw invalid(`${field} is longer than ${maxBytes} bytes.`);
  return value.toWellFormed();
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function parseSentAt(value: unknown): number | undefined {
  if (!isGiven(value)) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > MAX_TIME_MS) {
    throw invalid('sent_at must be a time in milliseconds since the epoch.');
  }
  return value;
}

function parseIds(value: unknown, field: string): string[] | undefined {
  if (!isGiven(value)) return undefined;
  if (!Array.isArray(value) || value.length === 0) throw invalid(`${field} must be a list with at least one user id.`);
  return value.map((id: unknown) => {
    if (typeof id !== 'string') throw invalid(`${field} must hold user ids.`);
    return id;
  });
}
