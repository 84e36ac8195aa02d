import type { Message, Person, RemoteAuthor } from './model.js';

/** `server` only for people of other companies. */
export interface AuthorView {
  id: string;
  display_name: string;
  server?: string;
}

/** A message as the page reads it. */
export interface MessageView {
  position: number;
  id: string;
  channel_id: string;
  kind: 'message' | 'notice';
  /** Absent for a notice. */
  author?: AuthorView;
  text: string;
  time: number;
  sent_at?: number;
  private: boolean;
  /** Only for the writer's own page, which recognises by it what it is still sending. */
  client_id?: string;
}

export function viewOf(message: Message, viewer: Person): MessageView {
  const { author } = message;
  const own = author.kind === 'person' && author.person.id === viewer.id;
  return {
    position: message.position,
    id: message.id,
    channel_id: message.channelId,
    kind: author.kind === 'gateway' ? 'notice' : 'message',
    ...(author.kind !== 'gateway' && { author: authorView(author.kind === 'person' ? author.person : author) }),
    text: message.text,
    time: message.time,
    ...(message.sentAt !== undefined && { sent_at: message.sentAt }),
    private: message.private,
    ...(own && message.clientId !== undefined && { client_id: message.clientId }),
  };
}

export function authorView(author: Person | RemoteAuthor): AuthorView {
  const { id, displayName } = author;
  return { id, display_name: displayName, ...('server' in author && { server: author.server }) };
}
