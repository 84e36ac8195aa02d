import type { JsonObject } from '../../protocol/index.js';
import type { Block, MessageBody } from '../message.js';
import { mentioned, normalise } from '../normalise.js';
import { plainBody } from '../plain-text.js';
import { attachmentOf, hasCaption, kindOf, nameOfFile } from './attachments.js';
import { fromHtml } from './from-html.js';
import { type Mentions, type NameOf, annotated, mentionsOf } from './mentions.js';
import { extensibleText, pollEndOf, pollOf } from './polls.js';
import { withoutReplyFallback } from './relations.js';

const HTML = 'org.matrix.custom.html';
const STYLES = new Map<unknown, MessageBody['style']>([
  ['m.emote', 'emote'],
  ['m.notice', 'notice'],
  ['m.server_notice', 'notice'],
]);

const nobodyKnown: NameOf = () => undefined;

/**
 * An event that says something to people, in normal form; undefined for all others: redacted messages, reactions, votes, state. Whatever
 * has text is shown, also when we do not know its type. Of an edit give `newContent` (`relationOf`), or its fallback is shown.
 *
 * Mentioned is who is in `m.mentions` and appears in the text, and nobody else. `nameOf` says how people are called in the room.
 */
export function fromMatrix(type: string, content: JsonObject, nameOf: NameOf = nobodyKnown): MessageBody | undefined {
  const body = read(type, content, nameOf);
  if (body === undefined) return undefined;
  const normal = normalise(body);
  return normal.blocks.length === 0 && normal.attachments.length === 0 ? undefined : normal;
}

function read(type: string, content: JsonObject, nameOf: NameOf): MessageBody | undefined {
  const mentions = mentionsOf(content);
  switch (type) {
    case 'm.room.message':
      return message(content, mentions, nameOf);
    case 'm.sticker': {
      const sticker = attachmentOf('sticker', content);
      if (sticker !== undefined) return { style: 'normal', blocks: [], attachments: [sticker] };
      return typeof content.body === 'string' ? named('sticker', nameOfFile('sticker', content)) : undefined;
    }
    case 'm.room.encrypted':
      return isRedacted(content) ? undefined : plainBody('[encrypted message: it cannot be read here]', 'notice');
    default:
      return pollOf(content) ?? pollEndOf(content) ?? unknown(content, mentions, nameOf);
  }
}

const isRedacted = (content: JsonObject): boolean => Object.keys(content).length === 0;

function message(content: JsonObject, mentions: Mentions, nameOf: NameOf): MessageBody | undefined {
  const kind = kindOf(content);
  if (kind !== undefined) {
    const blocks = hasCaption(content) ? textOf(content, mentions, nameOf) : [];
    const attachment = attachmentOf(kind, content);
    if (attachment !== undefined) return { style: 'normal', blocks, attachments: [attachment] };
    return {
      ...named(kind, nameOfFile(kind, content)),
      blocks: [mentioned({ kind, name: nameOfFile(kind, content) }), ...blocks],
    };
  }
  if (content.msgtype === 'm.location') return location(content);
  return typeof content.body === 'string' || typeof content.formatted_body === 'string'
    ? { style: STYLES.get(content.msgtype) ?? 'normal', blocks: textOf(content, mentions, nameOf), attachments: [] }
    : undefined;
}

/** A file that cannot be fetched. */
const named = (kind: 'sticker' | NonNullable<ReturnType<typeof kindOf>>, name: string): MessageBody => ({
  style: 'normal',
  blocks: [mentioned({ kind, name })],
  attachments: [],
});

function unknown(content: JsonObject, mentions: Mentions, nameOf: NameOf): MessageBody | undefined {
  const body = typeof content.body === 'string' ? content.body : extensibleText(content);
  if (body === undefined) return undefined;
  return { style: 'normal', blocks: textOf({ ...content, body }, mentions, nameOf), attachments: [] };
}

const GEO = /^geo:(-?[0-9]{1,3}(?:\.[0-9]{1,15})?),(-?[0-9]{1,3}(?:\.[0-9]{1,15})?)/;

function location({ body, geo_uri: uri }: JsonObject): MessageBody {
  const [, latitude, longitude] = GEO.exec(typeof uri === 'string' ? uri : '') ?? [];
  const where = latitude === undefined || longitude === undefined ? '' : ` (${latitude}, ${longitude})`;
  return plainBody(`📍 ${typeof body === 'string' ? body : 'Location'}${where}`);
}

/** The text of a message: its HTML, or `body` when it has none, or one that shows nothing or more than a message holds. */
function textOf(content: JsonObject, mentions: Mentions, nameOf: NameOf): Block[] {
  const { body, format, formatted_body: html } = withoutReplyFallback(content);
  const plain = typeof body === 'string' ? body : '';
  if (typeof html === 'string' && (format === HTML || plain === '')) {
    const blocks = fromHtml(html, mentions, nameOf);
    if (blocks !== undefined && blocks.length > 0) return blocks;
  }
  return plainBody(plain).blocks.map((block) => annotatedBlock(block, mentions, nameOf));
}

function annotatedBlock(block: Block, mentions: Mentions, nameOf: NameOf): Block {
  if (block.type !== 'paragraph') return block;
  return {
    ...block,
    content: block.content.flatMap((part) => (part.type === 'text' ? annotated(part, mentions, nameOf) : [part])),
  };
}
