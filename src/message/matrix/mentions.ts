import { type JsonObject, type UserId, isJsonObject, localpartOf, parseUserId } from '../../protocol/index.js';
import { inlinesIn } from '../blocks.js';
import { linkUrl } from '../links.js';
import type { Block, Inline, Text } from '../message.js';
import { displayName } from '../names.js';

/** Whom a message says that it notifies (client-server API, User and room mentions). Nobody else is mentioned, whatever its text says. */
export interface Mentions {
  users: ReadonlySet<UserId>;
  room: boolean;
}

/** How people are called in this room, where that is known. */
export type NameOf = (userId: UserId) => string | undefined;

/** `m.mentions` of a message; of one without it, and of what is malformed in it, nobody. */
export function mentionsOf(content: JsonObject): Mentions {
  const said = content['m.mentions'];
  if (!isJsonObject(said)) return { users: new Set(), room: false };
  const ids = Array.isArray(said.user_ids) ? said.user_ids.map(parseUserId) : [];
  return { users: new Set(ids.filter((id) => id !== undefined)), room: said.room === true };
}

/** `m.mentions` for what blocks mention: always there, so that no client looks for names in the text instead. */
export function mentionsIn(blocks: readonly Block[]): JsonObject {
  const parts = blocks.flatMap(inlinesIn);
  const users = parts.flatMap((part) => (part.type === 'user' && 'userId' in part.user ? [part.user.userId] : []));
  const room = parts.some(({ type }) => type === 'everyone');
  return { ...(users.length === 0 ? {} : { user_ids: [...new Set(users)] }), ...(room ? { room } : {}) };
}

/** A person who is mentioned, under their name in the room, or as the message calls them. */
export function userMention(userId: UserId, text: string, nameOf: NameOf): Inline {
  const name = displayName(nameOf(userId)) ?? displayName(text) ?? localpartOf(userId);
  return { type: 'user', user: { userId }, name };
}

// Each alternative starts at a character that none of them repeats, so that the whole takes linear time.
const IN_TEXT =
  /https?:\/\/[^\s<>"\u00a0]+|(?<![\p{L}\p{N}_@])@[a-z0-9._=/+-]+:[A-Za-z0-9.-]+(?::[0-9]{1,5})?|@room(?![\p{L}\p{N}_-]|\.\p{L})/gu;

/** Text as a Matrix client shows it: addresses become links; who is mentioned and named by id, and `@room`, mentions. */
export function annotated(text: Text, mentions: Mentions, nameOf: NameOf): Inline[] {
  if (text.marks?.includes('code') === true) return [text];
  const out: Inline[] = [];
  let done = 0;
  for (const { 0: match, index } of text.text.matchAll(IN_TEXT)) {
    const found = match.startsWith('@') ? mentionIn(match, mentions, nameOf) : linkIn(match, text);
    if (found === undefined) continue;
    if (index > done) out.push({ ...text, text: text.text.slice(done, index) });
    out.push(found.part);
    done = index + found.length;
  }
  if (done < text.text.length) out.push({ ...text, text: text.text.slice(done) });
  return out;
}

const ROOM = '@room';

interface Found {
  part: Inline;
  length: number;
}

function mentionIn(match: string, { users, room }: Mentions, nameOf: NameOf): Found | undefined {
  const id = match.replace(/[.-]{1,8}$/, '');
  const userId = parseUserId(id);
  if (userId !== undefined && users.has(userId)) return { part: userMention(userId, '', nameOf), length: id.length };
  const everyone = room && (match === ROOM || match.startsWith(`${ROOM}:`));
  return everyone ? { part: { type: 'everyone', scope: 'channel' }, length: ROOM.length } : undefined;
}

/** Whether every Matrix client makes a link to itself of this text, where spaces are around it. */
export const isBareAddress = (text: string): boolean =>
  /^https?:\/\//.test(text) &&
  linkIn(text, { type: 'text', text })?.length === text.length &&
  !/[\s<>"\u00a0]/.test(text);

function linkIn(match: string, text: Text): Found | undefined {
  const written = withoutPunctuation(match);
  const url = linkUrl(written);
  if (url === undefined) return undefined;
  return { part: { type: 'link', url, content: [{ ...text, text: written }] }, length: written.length };
}

/** Without what ends the sentence around it; a bracket belongs to an address in which it was opened. */
function withoutPunctuation(match: string): string {
  let unopened = match.split(')').length - match.split('(').length;
  let end = match.length;
  for (; end > 0; end--) {
    const last = match[end - 1] ?? '';
    if (last === ')' && unopened-- <= 0) break;
    if (!").,;:!?'*_~]}…".includes(last)) break;
  }
  return match.slice(0, end);
}
