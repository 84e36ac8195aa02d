import type { Messages } from './messages.js';
import type { Action, Body, Message, Person, Reaction, RemoteAuthor } from './model.js';

/** `server` only for people of other companies. */
export interface AuthorView {
  id: string;
  display_name: string;
  server?: string;
  avatar_url?: string;
}

/** A message as the page reads it. Of one that is deleted, its place alone. */
export interface MessageView {
  position: number;
  revision: number;
  id: string;
  channel_id: string;
  deleted?: true;
  kind: 'message' | 'notice';
  /** Absent for a notice. */
  author?: AuthorView;
  text: string;
  body?: Body;
  reply_to?: string;
  thread_root?: string;
  /** False: in its thread alone. */
  in_channel: boolean;
  replies: number;
  edited: boolean;
  reactions: { shortcode: string; unicode?: string; people: AuthorView[] }[];
  actions: readonly Action[];
  time: number;
  sent_at?: number;
  private: boolean;
  /** Only for the writer's own page, which recognises by it what it is still sending. */
  client_id?: string;
}

/** Views of messages that stand together. */
export function viewsOf(messages: readonly Message[], viewer: Person, store: Messages): MessageView[] {
  const ids = messages.map(({ id }) => id);
  const reactions = store.reactions(ids);
  const replies = store.replyCounts(ids);
  return messages.map((message) =>
    viewOf(message, viewer, reactions.get(message.id) ?? [], replies.get(message.id) ?? 0),
  );
}

function viewOf(message: Message, viewer: Person, reactions: readonly Reaction[], replies: number): MessageView {
  const { author } = message;
  const own = author.kind === 'person' && author.person.id === viewer.id;
  return {
    position: message.position,
    revision: message.revision,
    id: message.id,
    channel_id: message.channelId,
    ...(message.deleted && { deleted: true }),
    kind: author.kind === 'gateway' ? 'notice' : 'message',
    ...(author.kind !== 'gateway' && { author: authorView(author.kind === 'person' ? author.person : author) }),
    text: message.text,
    ...(message.body && { body: message.body }),
    ...(message.replyTo !== undefined && { reply_to: message.replyTo }),
    ...(message.threadRoot !== undefined && { thread_root: message.threadRoot }),
    in_channel: message.inChannel,
    replies,
    edited: message.edited,
    reactions: reactions.map(({ people, ...emoji }) => ({ ...emoji, people: people.map(authorView) })),
    actions: message.actions,
    time: message.time,
    ...(message.sentAt !== undefined && { sent_at: message.sentAt }),
    private: message.private,
    ...(own && message.clientId !== undefined && { client_id: message.clientId }),
  };
}

export function authorView(author: Person | RemoteAuthor | Reaction['people'][number]): AuthorView {
  const { id, displayName } = author;
  return {
    id,
    display_name: displayName,
    ...('server' in author && author.server !== undefined && { server: author.server }),
    ...('avatarUrl' in author && author.avatarUrl !== undefined && { avatar_url: author.avatarUrl }),
  };
}
