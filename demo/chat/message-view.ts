import type { Author, Message, Person } from './model.js';

/** A message as the page reads it. */
export interface MessageView {
  position: number;
  id: string;
  channel_id: string;
  kind: 'message' | 'notice';
  /** `server` only for people of other companies. Absent for a notice. */
  author?: { id: string; display_name: string; server?: string };
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
    ...authorView(author),
    text: message.text,
    time: message.time,
    ...(message.sentAt !== undefined && { sent_at: message.sentAt }),
    private: message.private,
    ...(own && message.clientId !== undefined && { client_id: message.clientId }),
  };
}

function authorView(author: Author): Pick<MessageView, 'author'> {
  switch (author.kind) {
    case 'gateway':
      return {};
    case 'person':
      return { author: { id: author.person.id, display_name: author.person.displayName } };
    case 'remote':
      return { author: { id: author.id, display_name: author.displayName, server: author.server } };
  }
}
