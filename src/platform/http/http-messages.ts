import { type Attachment, type MessageBody, mentioned, plainText } from '../../message/index.js';
import type { OutboundMessage, RemoteAuthor } from '../port.js';

/** The contract's `Outgoing`. `files`: the chat's ids of the attachments that it has, in their order; the others are named. */
export function outgoing(
  { kind, body, sentAt, author, visibleTo, replyTo, thread, actions }: OutboundMessage,
  files: readonly (string | undefined)[],
  avatarUrl: (mxc: string) => string | undefined,
): Record<string, unknown> {
  const shown = withFiles(body, files);
  return {
    kind,
    text: plainText({ blocks: [...shown.blocks, ...shown.attachments.map(mentioned)] }),
    body: shown,
    ...(sentAt === undefined ? {} : { sent_at: sentAt }),
    ...(author === undefined ? {} : { author: authorOf(author, avatarUrl) }),
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    ...(thread === undefined
      ? {}
      : { thread: { root: thread.root, ...(thread.alsoToChannel === true ? { also_to_channel: true } : {}) } }),
    ...(actions === undefined ? {} : { actions }),
    ...(visibleTo === undefined ? {} : { visible_to: visibleTo }),
  };
}

export function authorOf(
  { id, displayName, server, avatar }: RemoteAuthor,
  avatarUrl: (mxc: string) => string | undefined,
): Record<string, unknown> {
  const url = avatar === undefined ? undefined : avatarUrl(avatar);
  return { id, display_name: displayName, server, ...(url === undefined ? {} : { avatar_url: url }) };
}

function withFiles(body: MessageBody, files: readonly (string | undefined)[]): MessageBody {
  if (body.attachments.length === 0) return body;
  const attachments: Attachment[] = [];
  const named: Attachment[] = [];
  body.attachments.forEach((given, n) => {
    const attachment = { ...given };
    delete attachment.thumbnail; // the chat makes its own
    const nativeId = files[n];
    if (nativeId === undefined) named.push(attachment);
    else attachments.push({ ...attachment, source: { nativeId } });
  });
  return { ...body, blocks: [...body.blocks, ...named.map(mentioned)], attachments };
}
