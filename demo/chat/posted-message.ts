import { asObject, invalid, Problem } from './http.js';
import { type Author, MAX_TEXT_BYTES } from './model.js';

/** The body of the contract's `postMessage`, with the ids in `visibleTo` not looked up yet. */
export interface PostedMessage {
  author: Exclude<Author, { kind: 'person' }>;
  text: string;
  sentAt?: number;
  visibleTo?: readonly string[];
}

// The last instant that a Date can hold (ECMA-262 §21.4.1.1).
const MAX_TIME_MS = 8.64e15;
const MAX_ID_BYTES = 255;
const MAX_NAME_BYTES = 1_024;

/** @throws Problem 422 `invalid`, 413 `too_large` for a text beyond {@link MAX_TEXT_BYTES}. */
export function parsePostedMessage(value: unknown): PostedMessage {
  const body = asObject(value);
  const sentAt = parseSentAt(body.sent_at);
  const visibleTo = parseVisibleTo(body.visible_to);
  return {
    author: parseAuthor(body.kind, body.author),
    text: parseText(body.text),
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

function parseAuthor(kind: unknown, value: unknown): PostedMessage['author'] {
  if (kind !== 'message' && kind !== 'notice') throw invalid('kind must be message or notice.');
  const absent = value === undefined || value === null;
  if (kind === 'notice') {
    if (!absent) throw invalid('A notice has no author.');
    return { kind: 'gateway' };
  }
  if (absent) throw invalid('A message needs an author.');
  const author = asObject(value);
  return {
    kind: 'remote',
    id: boundedText(author.id, 'author.id', MAX_ID_BYTES),
    displayName: boundedText(author.display_name, 'author.display_name', MAX_NAME_BYTES),
    server: boundedText(author.server, 'author.server', MAX_ID_BYTES),
  };
}

function boundedText(value: unknown, field: string, maxBytes: number): string {
  if (typeof value !== 'string' || value.trim() === '') throw invalid(`${field} must be a string that is not empty.`);
  if (Buffer.byteLength(value) > maxBytes) throw invalid(`${field} is longer than ${maxBytes} bytes.`);
  return value.toWellFormed();
}

function parseSentAt(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > MAX_TIME_MS) {
    throw invalid('sent_at must be a time in milliseconds since the epoch.');
  }
  return value;
}

function parseVisibleTo(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || value.length === 0)
    throw invalid('visible_to must be a list with at least one user id.');
  return value.map((id: unknown) => {
    if (typeof id !== 'string') throw invalid('visible_to must hold user ids.');
    return id;
  });
}
