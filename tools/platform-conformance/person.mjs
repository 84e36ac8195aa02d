import { answered, expectThat, isId } from './wire.mjs';

const PATIENCE_MS = 60_000;

/** Checks that need somebody who writes in the chat itself. */
export const PERSON = [
  {
    title: 'tells what a person writes',
    paragraph: 'schemas/Event, `message`; GET /v1/users/{userId}',
    async run({ wire, channel, latest, until, say }) {
      const from = await latest();
      say(`? Now write a message in the channel ${decodeURIComponent(channel)}, within 60 seconds.`);
      const isWritten = ({ type, message }) => type === 'message' && message?.idempotency_key === undefined;
      const event = await until(from, isWritten, PATIENCE_MS);
      expectThat(isId(event.id), 'event.id is not a text of 1 to 255 bytes');
      expectThat(event.channel?.id === decodeURIComponent(channel), 'the event is of another channel');
      expectThat(event.by_causeway !== true, 'what a person wrote is marked by_causeway');
      expectThat(isId(event.message.id) && typeof event.message.text === 'string', 'message has no id or no text');
      expectThat(Math.abs(Date.now() - event.time) < 600_000, 'time is not the present in ms since the epoch');
      const author = answered(await wire.call('GET', `users/${encodeURIComponent(event.author?.id)}`), 200);
      expectThat(author.username === event.author.username, 'GET /v1/users gives the author another username');
    },
  },
];
