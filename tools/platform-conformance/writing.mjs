import { randomBytes } from 'node:crypto';
import { answered, expectThat, isId, refused, refusedSomehow } from './wire.mjs';

const GRACE = { id: '@conformance:conformance.example', display_name: 'Conformance', server: 'conformance.example' };
const NOWHERE = 'conformance-nowhere';
const THUMB = { shortcode: '+1', unicode: '👍' };
const FILE_BYTES = 70_000;
const said = (text, more = {}) => ({ kind: 'message', text, sent_at: Date.now(), author: GRACE, ...more });

/** Checks that write into the channel of --channel. */
export const WRITING = [
  {
    title: 'makes one message for each key',
    paragraph: 'POST /v1/channels/{channelId}/messages',
    async run({ wire, at, latest, until }) {
      const from = await latest();
      const key = wire.newKey();
      const text = 'Conformance: <b>text</b> & *text*, @channel';
      const post = (body) => wire.call('POST', at('messages'), { key, body });
      const answers = await Promise.all([1, 2, 3, 4, 5].map(() => post(said(text))));
      const ids = new Set(
        [...answers, await post(said('another text'))].map((each) => answered(each, 200, 201).message_id),
      );
      expectThat(ids.size === 1, `six calls with one key gave ${String(ids.size)} message ids`);
      const made = answers.filter(({ status }) => status === 201).length;
      expectThat(made === 1, `${String(made)} of five calls with one key answered 201 (made); the others are 200`);
      const [id] = ids;
      expectThat(isId(id), 'message_id is not a text of 1 to 255 bytes');
      const seen = await until(from, ({ message }) => message?.idempotency_key === key);
      expectThat(seen.type === 'message' && seen.message.id === id, 'the event has another id than the answer');
      expectThat(seen.message.text === text, `the text came back changed: ${String(seen.message.text)}`);
      const end = await wire.call('GET', `events?cursor=${encodeURIComponent(from)}&limit=500`);
      const twins = answered(end, 200).events.filter(({ message }) => message?.idempotency_key === key);
      expectThat(twins.length === 1, `the message is ${String(twins.length)} times among the events`);
    },
  },
  {
    title: 'gives the same events for the same cursor',
    paragraph: 'GET /v1/events: the same cursor always gives the same events, in the same order',
    async run({ wire, post, latest }) {
      const from = await latest();
      for (const text of ['Conformance: one', 'Conformance: two', 'Conformance: three']) await post(said(text));
      const page = async (cursor, limit) =>
        answered(await wire.call('GET', `events?cursor=${encodeURIComponent(cursor)}&limit=${String(limit)}`), 200);
      const first = await page(from, 3);
      expectThat(first.events.length === 3, `three messages gave ${String(first.events.length)} events with limit=3`);
      const again = await page(from, 3);
      const ids = (events) => events.map(({ id }) => id).join(', ');
      expectThat(ids(first.events) === ids(again.events), 'the same cursor gave other events the second time');
      expectThat(new Set(first.events.map(({ id }) => id)).size === 3, 'two events have the same id');
      const single = [];
      for (let cursor = from; single.length < 3;) {
        const next = await page(cursor, 1);
        expectThat(next.events.length === 1, `limit=1 gave ${String(next.events.length)} events`);
        single.push(...next.events);
        cursor = next.cursor;
      }
      expectThat(ids(single) === ids(first.events), 'pages of one have other events than a page of three');
    },
  },
  {
    title: 'ends the wait when something happens',
    paragraph: 'GET /v1/events: waits up to `wait` seconds for the first one',
    async run({ wire, post, latest }) {
      const from = await latest();
      const waiting = wire.call('GET', `events?cursor=${encodeURIComponent(from)}&wait=20`);
      await post(said('Conformance: wake up'));
      const written = performance.now();
      const { events, ephemeral = [] } = answered(await waiting, 200);
      expectThat(events.length + ephemeral.length > 0, 'a wait ended without the message that was written');
      expectThat(performance.now() - written < 5_000, 'the message came only after more than five seconds');
    },
  },
  {
    title: 'refuses messages that are none',
    paragraph: 'schemas/Outgoing; responses/Error: 422 invalid',
    async run({ wire, at }) {
      const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
      const bodies = ['', 'nonsense', '[]', 'null', '{}', deep, '{"kind":"message","text":7}', '{"kind":7,"text":"x"}'];
      for (const raw of bodies) {
        const answer = await wire.call('POST', at('messages'), { key: wire.newKey(), raw });
        refusedSomehow(answer, `the body ${raw.slice(0, 40)}`);
      }
      const anonymous = await wire.call('POST', at('messages'), { body: said('Conformance: without a key') });
      refusedSomehow(anonymous, 'a message without an Idempotency-Key');
    },
  },
  {
    title: 'keeps to its own limit',
    paragraph: 'Capabilities.limits.max_text_bytes; responses/Error: 413 too_large',
    async run({ wire, at, post, capabilities }) {
      const most = (await capabilities()).limits?.max_text_bytes ?? 16_384;
      if (most > 1_000_000) return;
      await post(said('x'.repeat(most)));
      const body = said('x'.repeat(most + 1));
      refused(await wire.call('POST', at('messages'), { key: wire.newKey(), body }), 413, 'too_large');
    },
  },
  {
    title: 'edits what it was given',
    paragraph: 'PUT /v1/channels/{channelId}/messages/{messageId}',
    capability: 'edit',
    async run({ wire, at, post, latest, until }) {
      const id = await post(said('Conformance: befor'));
      const from = await latest();
      const key = wire.newKey();
      const edit = () => wire.call('PUT', at(`messages/${id}`), { key, body: said('Conformance: after') });
      answered(await edit(), 204);
      answered(await edit(), 204);
      const event = await until(from, ({ type, message }) => type === 'edit' && message?.id === id);
      expectThat(event.message.text === 'Conformance: after', 'the edit event does not have the new text');
      expectThat(
        event.by_causeway === true,
        'the edit event is not marked by_causeway: the gateway would carry it back',
      );
      const gone = await wire.call('PUT', at(`messages/${NOWHERE}`), { key: wire.newKey(), body: said('x') });
      refused(gone, 404, 'unknown_message');
    },
  },
  {
    title: 'takes messages away',
    paragraph: 'DELETE /v1/channels/{channelId}/messages/{messageId}',
    capability: 'delete',
    async run({ wire, at, post, latest, until }) {
      const id = await post(said('Conformance: to be deleted'));
      const from = await latest();
      const key = wire.newKey();
      answered(await wire.call('DELETE', at(`messages/${id}`), { key }), 204);
      answered(await wire.call('DELETE', at(`messages/${id}`), { key }), 204);
      const event = await until(from, ({ type, message_id: of }) => type === 'delete' && of === id);
      expectThat(event.by_causeway === true, 'the delete event is not marked by_causeway');
    },
  },
  {
    title: 'shows reactions',
    paragraph: 'POST /v1/channels/{channelId}/messages/{messageId}/reactions',
    capability: 'react',
    async run({ wire, at, post }) {
      const id = await post(said('Conformance: to react to'));
      const react = (change, of = id) =>
        wire.call('POST', at(`messages/${of}/reactions`), {
          key: wire.newKey(),
          body: { change, emoji: THUMB, author: GRACE },
        });
      for (const change of ['add', 'add', 'remove', 'remove']) answered(await react(change), 204);
      refused(await react('add', NOWHERE), 404, 'unknown_message');
      refusedSomehow(await react('sideways'), 'the change “sideways”');
    },
  },
  {
    title: 'keeps threads',
    paragraph: 'schemas/Thread',
    capability: 'threads',
    async run({ post, latest, until }) {
      const root = await post(said('Conformance: a thread'));
      const from = await latest();
      const id = await post(said('Conformance: in the thread', { thread: { root } }));
      const event = await until(from, ({ message }) => message?.id === id);
      expectThat(event.thread?.root === root, 'the event of a message in a thread does not name its root');
    },
  },
  {
    title: 'keeps answers',
    paragraph: 'schemas/Outgoing, reply_to',
    capability: 'replies',
    async run({ post, latest, until }) {
      const asked = await post(said('Conformance: a question'));
      const from = await latest();
      const id = await post(said('Conformance: an answer', { reply_to: asked }));
      const event = await until(from, ({ message }) => message?.id === id);
      expectThat(event.reply_to === asked, 'the event of an answer does not name what is answered');
    },
  },
  {
    title: 'gives files back as they were',
    paragraph: 'POST /v1/files, GET /v1/files/{fileId}',
    capability: 'attachments',
    async run({ wire }) {
      const bytes = randomBytes(FILE_BYTES);
      const key = wire.newKey();
      const upload = async () => answered(await wire.call('POST', 'files?name=conformance.bin', { key, bytes }), 200);
      const { file_id: id } = await upload();
      expectThat(isId(id), 'file_id is not a text of 1 to 255 bytes');
      expectThat((await upload()).file_id === id, 'the same key gave another file');
      const got = await wire.call('GET', `files/${encodeURIComponent(id)}`);
      expectThat(got.status === 200, `the download answered ${String(got.status)}`);
      expectThat(got.bytes.equals(bytes), 'the file came back with other bytes');
      expectThat(got.headers.get('content-length') === String(FILE_BYTES), 'the download has no Content-Length');
      refused(await wire.call('GET', `files/${NOWHERE}`), 404, 'unknown_file');
    },
  },
  {
    title: 'gives its history, without what Causeway wrote',
    paragraph: 'GET /v1/channels/{channelId}/messages',
    capability: 'history',
    async run({ wire, at, post }) {
      const id = await post(said('Conformance: not history'));
      const { messages, more } = answered(await wire.call('GET', at('messages?limit=50')), 200);
      expectThat(Array.isArray(messages) && typeof more === 'boolean', 'the answer is not {messages, more}');
      expectThat(!messages.some(({ message }) => message?.id === id), 'history has what Causeway itself wrote');
      const times = messages.map(({ time }) => time);
      expectThat(
        times.every((time, n) => n === 0 || time >= times[n - 1]),
        'the messages are not oldest first',
      );
    },
  },
  {
    title: 'names the people of a channel',
    paragraph: 'GET /v1/channels/{channelId}/members; GET /v1/users/{userId}',
    capability: 'members',
    async run({ wire, at }) {
      const { members } = answered(await wire.call('GET', at('members')), 200);
      expectThat(Array.isArray(members), 'members is no list');
      for (const { id } of members.slice(0, 3)) {
        const user = answered(await wire.call('GET', `users/${encodeURIComponent(id)}`), 200);
        expectThat(user.id === id, 'a person has another id than was asked for');
        for (const word of ['username', 'display_name'])
          expectThat(typeof user[word] === 'string', `${word} is no text`);
      }
    },
  },
  ...['topic', 'name'].map((what) => ({
    title: `changes a channel's ${what}, and says so`,
    paragraph: `PUT /v1/channels/{channelId}/${what}`,
    capability: what === 'name' ? 'rename' : 'topic',
    async run({ wire, at, channel }) {
      const before = answered(await wire.call('GET', `channels/${channel}`), 200)[what] ?? '';
      const set = (value) => wire.call('PUT', at(what), { key: wire.newKey(), body: { [what]: value } });
      answered(await set('conformance'), 204);
      const now = answered(await wire.call('GET', `channels/${channel}`), 200)[what];
      answered(await set(before), 204);
      expectThat(now === 'conformance', `the channel has the ${what} ${String(now)} after it was set`);
    },
  })),
  {
    title: 'shows who is there and who types',
    paragraph: 'POST /v1/channels/{channelId}/members, typing',
    async run({ wire, at, capabilities }) {
      const { capabilities: can } = await capabilities();
      for (const change of can.show_member ? ['join', 'leave', 'leave'] : []) {
        answered(await wire.call('POST', at('members'), { key: wire.newKey(), body: { change, member: GRACE } }), 204);
      }
      const body = { author: GRACE, typing: true };
      if (can.typing) answered(await wire.call('POST', at('typing'), { body }), 204);
    },
  },
];
