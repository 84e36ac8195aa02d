import { inlinesIn, mapInlines } from './blocks.js';
import type { ChannelAddress, Inline, MessageBody, UserAddress } from './message.js';

/** Whom and what a body mentions, each as often as it does. */
export function addressesIn({ blocks }: MessageBody): { users: UserAddress[]; channels: ChannelAddress[] } {
  const parts = blocks.flatMap(inlinesIn);
  return {
    users: parts.flatMap((part) => (part.type === 'user' ? [part.user] : [])),
    channels: parts.flatMap((part) => (part.type === 'channel' ? [part.channel] : [])),
  };
}

/** What an address is on the other side; undefined: it has none there, and is text. */
export interface AddressBook {
  user(address: UserAddress): { user: UserAddress; name?: string } | undefined;
  channel(address: ChannelAddress): ChannelAddress | undefined;
}

/** The body as the other side addresses people and channels. Nobody is mentioned who is not in the book. */
export function withAddresses(body: MessageBody, book: AddressBook): MessageBody {
  const change = (part: Inline): Inline => {
    if (part.type === 'user') {
      const found = book.user(part.user);
      return found === undefined ? { type: 'text', text: `@${part.name}` } : { ...part, ...found };
    }
    if (part.type !== 'channel') return part;
    const channel = book.channel(part.channel);
    return channel === undefined ? { type: 'text', text: `#${part.name}` } : { ...part, channel };
  };
  return { ...body, blocks: body.blocks.map((block) => mapInlines(block, change)) };
}
