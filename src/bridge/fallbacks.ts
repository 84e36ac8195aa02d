import {
  type Block,
  type Inline,
  type MessageBody,
  mentioned,
  plainBody,
  plainText,
  shortened,
} from '../message/index.js';
import type { OutboundMessage, RemoteAuthor } from '../platform/port.js';

const EXCERPT = 100;

/** The beginning of what somebody wrote, on one line. */
export const excerpt = (text: string, most = EXCERPT): string => shortened(text.replace(/\s+/g, ' ').trim(), most);

/** “Ada (globex.example)”. */
export const named = ({ displayName, server }: RemoteAuthor): string => `${displayName} (${server})`;

export const notice = (text: string): OutboundMessage => ({ kind: 'notice', body: plainBody(text) });

/** Where a platform has no answers or threads: what is answered stands above, as a quotation. */
export function quoting(body: MessageBody, answered: { author: string; text: string } | undefined): MessageBody {
  const content: Inline[] =
    answered === undefined
      ? [{ type: 'text', text: '↩ an earlier message' }]
      : [
          { type: 'text', text: `${answered.author}: `, marks: ['bold'] },
          { type: 'text', text: excerpt(answered.text) },
        ];
  const quote: Block = { type: 'quote', blocks: [{ type: 'paragraph', content }] };
  return { ...body, blocks: [quote, ...body.blocks] };
}

/** Where files are not shown: their names stand in the text. */
export function filesNamed(body: MessageBody): MessageBody {
  if (body.attachments.length === 0) return body;
  return { ...body, blocks: [...body.blocks, ...body.attachments.map(mentioned)], attachments: [] };
}

/** Where messages cannot be edited: the new text is a message of its own. */
export function asNewMessage(body: MessageBody): MessageBody {
  return prefixed(body, 'Edited: ');
}

/** Where messages can be edited and not deleted. */
export const takenBack: MessageBody = {
  style: 'normal',
  blocks: [{ type: 'paragraph', content: [{ type: 'text', text: 'This message was taken back.', marks: ['italic'] }] }],
  attachments: [],
};

/** A word of the gateway before a text. */
export function prefixed(body: MessageBody, text: string): MessageBody {
  const [first, ...others] = body.blocks;
  const words: Inline = { type: 'text', text, marks: ['italic'] };
  const blocks: Block[] =
    first?.type === 'paragraph'
      ? [{ type: 'paragraph', content: [words, ...first.content] }, ...others]
      : [{ type: 'paragraph', content: [{ ...words, text: text.trimEnd() }] }, ...body.blocks];
  return { ...body, blocks };
}

/** Where nobody can react with emoji. */
export const reactionNotice = (author: RemoteAuthor, emoji: string, to: string): OutboundMessage =>
  notice(`${named(author)} reacted ${emoji} to “${excerpt(to)}”.`);

/** What one message says, in words. */
export const textOf = (body: MessageBody | undefined): string =>
  body === undefined ? '' : plainText(filesNamed(body));
