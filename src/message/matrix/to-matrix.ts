import { type JsonObject, type Result, err, ok } from '../../protocol/index.js';
import { mapInlines } from '../blocks.js';
import type { Attachment, Block, Inline, Link, MessageBody } from '../message.js';
import { mentioned, normalise } from '../normalise.js';
import { inlineText, plainText } from '../plain-text.js';
import { split } from '../split.js';
import { attachmentContent } from './attachments.js';
import { isBareAddress, mentionsIn } from './mentions.js';
import { MAX_CONTENT_BYTES, bytesOf } from './size.js';
import { toHtml } from './to-html.js';

/** An event to be: without a relation, which {@link ./relations.ts} adds. */
export interface MatrixContent {
  type: 'm.room.message' | 'm.sticker';
  content: JsonObject;
}

export interface TooLarge {
  kind: 'too_large';
  /** Canonical JSON of the first content that does not fit, and of what fits. */
  bytes: number;
  limit: number;
}

const MSGTYPES = { normal: 'm.text', emote: 'm.emote', notice: 'm.notice' } as const;
const HTML = 'org.matrix.custom.html';
/** Text of one event when all of a message is too much; half of it, when markup takes more than text. */
const PART_BYTES = [16_000, 8_000, 4_000, 2_000];
/** A longer message is a file. */
const MAX_PARTS = 20;

/**
 * The events that a message is, in their order: its text, then each attachment; a text with one attachment is its caption (Matrix
 * 1.10). A text that does not fit into an event becomes several ({@link split}), at most 20. None for an empty message.
 *
 * What has no Matrix address by now is text: people and channels by name, files and custom emoji by what they are called.
 */
export function toMatrix(body: MessageBody): Result<MatrixContent[], TooLarge> {
  const addressed = withAddresses(normalise(body));
  const whole = contentsOf(addressed);
  if (fits(whole)) return ok(whole);
  for (const bytes of PART_BYTES) {
    const parts = split(addressed, bytes).flatMap(contentsOf);
    if (parts.length > MAX_PARTS) break; // smaller ones are more
    if (fits(parts)) return ok(parts);
  }
  return err({
    kind: 'too_large',
    bytes: Math.max(...whole.map(({ content }) => bytesOf(content))),
    limit: MAX_CONTENT_BYTES,
  });
}

const fits = (contents: readonly MatrixContent[]): boolean =>
  contents.every(({ content }) => bytesOf(content) <= MAX_CONTENT_BYTES);

/** Files that nobody uploaded are named in the text. */
function withAddresses(body: MessageBody): MessageBody {
  const lost = body.attachments.filter(({ source }) => !('mxc' in source));
  if (lost.length === 0) return body;
  return {
    ...body,
    blocks: [...body.blocks, ...lost.map(mentioned)],
    attachments: body.attachments.filter(({ source }) => 'mxc' in source),
  };
}

function contentsOf({ style, blocks, attachments }: MessageBody): MatrixContent[] {
  const text = blocks.length === 0 ? undefined : textContent(blocks);
  const [only] = attachments;
  if (
    text !== undefined &&
    style === 'normal' &&
    attachments.length === 1 &&
    only !== undefined &&
    canBeCaption(text, only)
  ) {
    return attachmentContents(only).map(({ type, content }) => ({ type, content: { ...content, ...text } }));
  }
  return [
    ...(text === undefined
      ? []
      : [{ type: 'm.room.message', content: { msgtype: MSGTYPES[style], ...text } } as const]),
    ...attachments.flatMap(attachmentContents),
  ];
}

/** A `body` that is the file's name would be no caption. */
const canBeCaption = (text: JsonObject, { kind, name }: Attachment): boolean =>
  kind !== 'sticker' && text.body !== name;

function attachmentContents(attachment: Attachment): MatrixContent[] {
  if (!('mxc' in attachment.source)) return [];
  const content = { ...attachmentContent(attachment, attachment.source.mxc), 'm.mentions': {} };
  return [{ type: attachment.kind === 'sticker' ? 'm.sticker' : 'm.room.message', content }];
}

function textContent(blocks: readonly Block[]): JsonObject {
  const rich = blocks.some(isRich);
  return {
    body: plainText({ blocks: blocks.map(asText) }),
    ...(rich ? { format: HTML, formatted_body: toHtml(blocks) } : {}),
    'm.mentions': mentionsIn(blocks),
  };
}

const isRich = (block: Block): boolean =>
  block.type !== 'paragraph' ||
  block.content.some((part, n, content) => isRichPart(part, [content[n - 1], content[n + 1]]));

type Around = [before: Inline | undefined, after: Inline | undefined];

function isRichPart(part: Inline, around: Around): boolean {
  switch (part.type) {
    case 'text':
      return part.marks !== undefined;
    case 'emoji':
      return part.unicode === undefined && part.image !== undefined && 'mxc' in part.image;
    case 'link':
      return (
        !standsAlone(part, around) || part.content.some((each) => each.type !== 'text' || each.marks !== undefined)
      );
    case 'user':
      return 'userId' in part.user;
    case 'channel':
      return 'room' in part.channel;
    case 'everyone':
    case 'break':
      return false;
  }
}

/** Whether a link is an address with spaces around it: then the text is enough. */
function standsAlone({ url, content }: Link, [before, after]: Around): boolean {
  const [start, end] = [before, after].map((part) =>
    part === undefined || part.type === 'break' ? ' ' : part.type === 'text' ? part.text : 'x',
  );
  return (
    start?.endsWith(' ') === true && end?.startsWith(' ') === true && inlineText(content) === url && isBareAddress(url)
  );
}

/** Mentions as `body` has them: people as their pill's text (client-server API, User and room mentions), everybody as `@room`. */
const asText = (block: Block): Block => mapInlines(block, partAsText);

function partAsText(part: Inline): Inline {
  if (part.type === 'everyone') return { type: 'text', text: '@room' };
  return part.type === 'user' && 'userId' in part.user ? { type: 'text', text: part.name } : part;
}
