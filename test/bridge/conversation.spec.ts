import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Deliveries } from '../../src/bridge/deliveries.js';
import { type Emoji, type MessageBody, plainText } from '../../src/message/index.js';
import type { EventId, JsonObject } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { until } from '../support/until.js';
import { type Side, TwoChannels } from './two-channels.js';

const THUMB: Emoji = { type: 'emoji', shortcode: '+1', unicode: '👍' };
const PARROT: Emoji = { type: 'emoji', shortcode: 'party_parrot' };
const rich: MessageBody = {
  style: 'normal',
  blocks: [
    { type: 'heading', level: 2, content: [{ type: 'text', text: 'Plan' }] },
    {
      type: 'paragraph',
      content: [
        { type: 'text', text: 'very', marks: ['bold', 'italic'] },
        { type: 'text', text: ' good, see ' },
        { type: 'link', url: 'https://example.org/', content: [{ type: 'text', text: 'this' }] },
      ],
    },
    { type: 'code', text: 'const a = 1;', language: 'ts' },
    {
      type: 'list',
      start: 1,
      items: [[{ type: 'paragraph', content: [{ type: 'text', text: 'one' }] }]],
    },
  ],
  attachments: [],
};

forEachDatabase(({ createUrl }) => {
  let two: TwoChannels;
  let roles: Record<'hub' | 'participant', [here: Side, there: Side]>;

  beforeEach(async () => {
    const envs = [{ CAUSEWAY_DATABASE_URL: await createUrl() }, { CAUSEWAY_DATABASE_URL: await createUrl() }] as const;
    two = await TwoChannels.start([...envs]);
    roles = { hub: [two.hub, two.participant], participant: [two.participant, two.hub] };
  });

  afterEach(() => two.close());

  describe.each(['hub', 'participant'] as const)('what people do in a channel of the %s', (role) => {
    it('with text that has a form, is the same in the other channel', async () => {
      const [here, there] = roles[role];
      await here.channel.say('ada', rich);
      await until('it is there', () => there.channel.shown.some(({ kind }) => kind === 'message'));
      const [message] = there.channel.shown.filter(({ kind }) => kind === 'message');
      expect(message?.body).toEqual(rich);
      expect(message?.author).toBe(here.user('ada'));
    });

    it('answers and threads hang on the same messages', async () => {
      const [here, there] = roles[role];
      const root = await here.channel.say('ada', 'root');
      await until('the root', () => there.channel.texts().includes('root'));
      const there0 = there.channel.saying('root').nativeId;
      await there.channel.say('grace', 'in the thread', { thread: { root: there0 } });
      await until('the thread', () => here.channel.texts().includes('in the thread'));
      expect(here.channel.saying('in the thread').thread).toEqual({ root });
      await here.channel.say('bob', 'an answer', { replyTo: here.channel.saying('in the thread').nativeId });
      await here.channel.say('bob', 'for all', { thread: { root, alsoToChannel: true } });
      await until('both', () => there.channel.texts().includes('for all'));
      expect(there.channel.saying('an answer').replyTo).toBe(there.channel.saying('in the thread').nativeId);
      expect(there.channel.saying('for all').thread).toEqual({ root: there0, alsoToChannel: true });
    });

    it('an edit changes the message, as often as it is edited, also right behind it', async () => {
      const [here, there] = roles[role];
      const id = await here.channel.say('ada', 'frist');
      await here.channel.edit('ada', id, 'first');
      await here.channel.edit('ada', id, 'the first');
      await until('the edits', () => there.channel.texts().includes('the first'));
      await two.settled();
      expect(there.channel.shown.filter(({ kind }) => kind === 'message')).toMatchObject([
        { edits: 2, author: here.user('ada') },
      ]);
      const edits = await two.events(there, 'm.room.message');
      expect(edits.map(({ pdu }) => pdu.content['m.relates_to'] !== undefined)).toEqual([false, true, true]);
      expect(here.channel.texts().filter((text) => text.includes('first'))).toEqual(['the first']);
    });

    it('a message taken back is gone, also with what became several, and only it', async () => {
      const [here, there] = roles[role];
      await here.channel.say('ada', 'stays');
      const id = await here.channel.say('ada', `long ${'word '.repeat(2_000)}`);
      await until('it is there', () => there.channel.shown.length >= 4); // the channel takes 4,000 bytes a message
      await here.channel.delete('ada', id);
      await until('it is gone', async () => (await two.events(there, 'm.room.redaction')).length > 0);
      await two.settled();
      expect(there.channel.shown.filter(({ kind }) => kind === 'message').map(({ body }) => plainText(body))).toEqual([
        'stays',
      ]);
    });

    it('an edit that makes a message longer or shorter leaves no piece of the old one', async () => {
      const [here, there] = roles[role];
      const id = await here.channel.say('ada', 'short');
      const long = `${'x'.repeat(3_000)} ${'y'.repeat(3_000)} ${'z'.repeat(3_000)}`;
      await here.channel.edit('ada', id, long);
      const said = (): string =>
        there.channel.shown
          .filter(({ kind }) => kind === 'message')
          .map(({ body }) => plainText(body))
          .join(' ');
      await until('it is long', () => said() === long);
      await here.channel.edit('ada', id, 'short again');
      await until('it is short', () => said() === 'short again');
      await two.settled();
      expect(said()).toBe('short again');
    });

    it('reactions come and go for each person, once', async () => {
      const [here, there] = roles[role];
      const id = await here.channel.say('ada', 'nice');
      await until('it is there', () => there.channel.texts().includes('nice'));
      await here.channel.react('ada', id, THUMB);
      await here.channel.react('bob', id, THUMB);
      await here.channel.react('bob', id, PARROT);
      await until('three', () => there.channel.saying('nice').reactions.size === 2);
      await two.settled();
      const at = there.channel.saying('nice');
      expect(at.reactions.get('👍')).toEqual(new Set([here.user('ada'), here.user('bob')]));
      expect(at.reactions.get(':party_parrot:')).toEqual(new Set([here.user('bob')]));
      await there.channel.react('grace', at.nativeId, THUMB);
      await here.channel.react('ada', id, THUMB, 'remove');
      await until('it is gone', () => there.channel.saying('nice').reactions.get('👍')?.size === 2);
      await two.settled();
      expect(there.channel.saying('nice').reactions.get('👍')).toEqual(new Set([here.user('bob'), 'U-grace']));
      expect(here.channel.find(id).reactions.get('👍')).toEqual(new Set(['U-bob', there.user('grace')]));
    });

    it('twice the same reaction, an edit of nothing, a reaction to nothing: no event, and no stop', async () => {
      const [here, there] = roles[role];
      const id = await here.channel.say('ada', 'one');
      await here.channel.react('ada', id, THUMB);
      await here.channel.react('ada', id, THUMB);
      here.channel.shown.push({ ...here.channel.find(id), nativeId: 'from before', reactions: new Map() });
      await here.channel.edit('ada', 'from before', 'x');
      await here.channel.react('ada', 'from before', THUMB);
      await here.channel.react('ada', 'from before', THUMB, 'remove');
      await here.channel.delete('ada', 'from before');
      await here.channel.say('ada', 'two', { replyTo: 'from before', thread: { root: 'from before' } });
      await until('the last', () => there.channel.texts().includes('two'));
      expect(await two.events(there, 'm.reaction', 'm.room.redaction')).toHaveLength(1);
      expect(there.channel.saying('two')).not.toHaveProperty('thread');
    });

    it('mentions of people are ids on the way and people again behind it; text is never one', async () => {
      const [here, there] = roles[role];
      await there.channel.say('grace', 'hello');
      await until('it is there', () => here.channel.texts().includes('hello'));
      const to = { type: 'user', user: { userId: there.user('grace') }, name: 'Grace' } as const;
      await here.channel.say('ada', {
        style: 'normal',
        attachments: [],
        blocks: [{ type: 'paragraph', content: [to, { type: 'text', text: ` and not @causeway:${there.server}` }] }],
      });
      await until('the mention', () => there.channel.texts().some((text) => text.includes('and not')));
      const [block] = there.channel.shown.at(-1)?.body.blocks ?? [];
      expect(block).toMatchObject({ content: [{ type: 'user', user: { nativeId: 'U-grace' }, name: 'Grace' }, {}] });
      const [event] = (await two.events(there, 'm.room.message')).slice(-1);
      expect(event?.pdu.content['m.mentions']).toEqual({ user_ids: [there.user('grace')] });
    });
  });

  describe('an event of the room', () => {
    const send = async (side: Side, name: string, type: string, content: JsonObject): Promise<void> => {
      await side.gateway.rooms.ensureJoined(two.roomId, side.user(name), name);
      const sent = await side.gateway.rooms.send({ roomId: two.roomId, sender: side.user(name), type, content });
      expect(sent.kind).not.toBe('refused');
    };
    const eventIdOf = async (side: Side, body: string): Promise<EventId> => {
      const found = (await two.events(side, 'm.room.message')).find(({ pdu }) => pdu.content.body === body);
      if (found === undefined) throw new Error(`nobody said ${body}`);
      return found.eventId;
    };
    const settledTexts = async (side: Side): Promise<string[]> => {
      await send(two.participant, 'mallory', 'm.room.message', { msgtype: 'm.text', body: 'the end' });
      await until('the end', () => side.channel.texts().includes('the end'));
      return side.channel.texts().filter((text) => text !== 'the end' && !text.endsWith('joined.'));
    };

    it('that edits, redacts or reacts in another’s name does nothing', async () => {
      const { hub, participant } = two;
      await hub.channel.say('ada', 'mine');
      await until('it is there', () => participant.channel.texts().includes('mine'));
      const event_id = await eventIdOf(hub, 'mine');
      await send(participant, 'mallory', 'm.room.message', {
        msgtype: 'm.text',
        body: '* forged',
        'm.new_content': { msgtype: 'm.text', body: 'forged' },
        'm.relates_to': { rel_type: 'm.replace', event_id },
      });
      for (const content of [{ redacts: event_id }, { 'dev.causeway.redacts': event_id }]) {
        await send(participant, 'mallory', 'm.room.redaction', content);
      }
      expect(await settledTexts(hub)).toEqual(['mine']);
      expect(await settledTexts(participant)).toEqual(['mine']);
    });

    it('is read with the redactions of Matrix too', async () => {
      const { hub, participant } = two;
      for (const body of ['one', 'two'])
        await send(participant, 'grace', 'm.room.message', { msgtype: 'm.text', body });
      await until('both', () => hub.channel.texts().includes('two'));
      await send(participant, 'grace', 'm.room.redaction', { redacts: await eventIdOf(hub, 'one') });
      expect(await settledTexts(hub)).toEqual(['two']);
    });

    it('that nobody can read is one clear notice for all', async () => {
      for (let n = 0; n < 3; n++) {
        await send(two.participant, 'grace', 'm.room.encrypted', {
          algorithm: 'm.megolm.v1.aes-sha2',
          ciphertext: 'x',
        });
      }
      const texts = await settledTexts(two.hub);
      expect(texts).toHaveLength(1);
      expect(texts[0]).toContain('encrypted');
    });

    it.each<[string, string, JsonObject, string]>([
      [
        'a poll',
        'm.poll.start',
        {
          'm.poll': { question: { 'm.text': [{ body: 'Tea?' }] }, answers: [{ id: '1', 'm.text': [{ body: 'yes' }] }] },
        },
        'Tea?',
      ],
      ['a place', 'm.room.message', { msgtype: 'm.location', body: 'Here', geo_uri: 'geo:1,2' }, 'Here'],
      ['a sticker', 'm.sticker', { body: 'cat', url: 'mxc://globex.example/cat', info: {} }, 'cat'],
      ['an encrypted file', 'm.room.message', { msgtype: 'm.file', body: 'secret.pdf', file: {} }, 'secret.pdf'],
      ['a type that nobody knows', 'com.example.new', { body: 'fallback' }, 'fallback'],
    ])('with %s is shown in words', async (_name, type, content, words) => {
      await send(two.participant, 'grace', type, content);
      const texts = await settledTexts(two.hub);
      expect(texts).toHaveLength(1);
      expect(texts[0]).toContain(words);
    });

    it.each<[JsonObject]>([
      [{ 'm.relates_to': 5 }],
      [{ 'm.relates_to': { rel_type: 'm.replace', event_id: 'x' }, 'm.new_content': [] }],
      [{ 'm.relates_to': { rel_type: 'm.annotation', event_id: '$nothing', key: '👍' } }],
      [{ 'm.relates_to': { rel_type: 'm.annotation', event_id: '$nothing', key: { a: 1 } } }],
    ])('with the content %j stops nobody', async (content) => {
      for (const type of ['m.room.message', 'm.reaction', 'm.room.redaction', 'm.sticker']) {
        await send(two.participant, 'grace', type, content);
      }
      expect(await settledTexts(two.hub)).toEqual([]);
    });
  });

  describe('a room', () => {
    it('shows in the channel who of other companies is there, and its topic; the channel keeps its name', async () => {
      const { hub, participant } = two;
      await participant.channel.say('grace', 'hello');
      const grace = participant.user('grace');
      await until('she is there', () => hub.channel.members.has(grace));
      await hub.gateway.rooms.send({
        roomId: two.roomId,
        sender: hub.gateway.rooms.bot,
        type: 'm.room.power_levels',
        stateKey: '',
        content: { users: { [hub.gateway.rooms.bot]: 100, [grace]: 50 }, state_default: 50 },
      });
      await until('she may', async () => (await two.events(participant, 'm.room.power_levels')).length > 0);
      const change = (type: string, content: JsonObject) =>
        participant.gateway.rooms.send({ roomId: two.roomId, sender: grace, type, stateKey: '', content });
      await change('m.room.topic', { topic: 'Plans\nfor all' });
      await change('m.room.name', { name: 'Theirs' });
      await until('the topic', () => hub.channel.topic === 'Plans for all');
      await change('m.room.topic', {});
      await until('no topic', () => hub.channel.topic === '');
      await participant.gateway.rooms.leave(two.roomId, grace);
      await until('she has left', () => !hub.channel.members.has(grace));
      await two.settled();
      expect(hub.channel.calls.filter((name) => name === 'topic')).toHaveLength(2);
      expect(participant.channel.calls).not.toContain('topic');
    });
  });

  describe('a call that fails', () => {
    it('for good is told in its place; one about a message that is gone natively is over', async () => {
      const { hub, participant } = two;
      const id = await participant.channel.say('grace', 'hello');
      await until('it is there', () => hub.channel.texts().includes('hello'));
      hub.channel.shown.splice(hub.channel.shown.indexOf(hub.channel.saying('hello')), 1); // a moderator here took it away
      await participant.channel.edit('grace', id, 'hello!');
      await participant.channel.react('grace', id, THUMB);
      await participant.channel.say('grace', 'next');
      await until('the next', () => hub.channel.texts().includes('next'));
      expect(hub.channel.texts().filter((text) => !text.endsWith('joined.'))).toEqual(['next']);
      expect(await hub.gateway.app.get(Deliveries).list('dead', 10)).toEqual([]);
    });

    it('with its answer lost loses nothing of what people do at once with what it has shown', async () => {
      const { hub, participant } = two;
      await participant.channel.say('grace', 'first');
      await hub.channel.say('ada', 'second');
      await until('both know each other', () => participant.channel.texts().includes('second'));
      await two.settled();
      let losses = 1;
      hub.channel.weather = (name) => (name === 'send' && losses-- > 0 ? 'answer lost' : 'fine');
      await participant.channel.say('grace', 'hello');
      await until('it is shown', () => hub.channel.texts().includes('hello'));
      const { nativeId } = hub.channel.saying('hello');
      await hub.channel.react('ada', nativeId, THUMB);
      await hub.channel.say('ada', 'an answer', { replyTo: nativeId });
      await until('the answer', () => participant.channel.texts().includes('an answer'));
      const hello = participant.channel.saying('hello');
      expect(participant.channel.saying('an answer').replyTo).toBe(hello.nativeId);
      expect(hello.reactions.get('👍')).toEqual(new Set([hub.user('ada')]));
    });

    it('because a right is missing holds no message back: what is told otherwise too is left, what is not is parked', async () => {
      const { hub, participant } = two;
      hub.channel.weather = (name) => (name === 'send' ? 'fine' : 'denied');
      const id = await participant.channel.say('grace', 'hello');
      await participant.channel.react('grace', id, THUMB);
      await participant.channel.say('grace', 'next');
      await until('the next', () => hub.channel.texts().includes('next'));
      expect(hub.channel.members).not.toContain(participant.user('grace'));
      expect(await hub.gateway.app.get(Deliveries).list('dead', 10)).toMatchObject([{ kind: 'react', attempts: 4 }]);
    });

    it('with its answer lost is repeated with the same key, and says that it is', async () => {
      const { hub, participant } = two;
      let losses = 3;
      hub.channel.weather = () => (losses-- > 0 ? 'answer lost' : 'fine');
      const id = await participant.channel.say('grace', 'hello');
      await participant.channel.edit('grace', id, 'hello!');
      await until('the edit', () => hub.channel.texts().includes('hello!'));
      await two.settled();
      expect(hub.channel.texts().filter((text) => text.startsWith('hello'))).toEqual(['hello!']);
      expect(hub.channel.calls.filter((name) => name === 'edit')).toHaveLength(1);
    });
  });
});

describe('a chat that can do less', () => {
  let two: TwoChannels | undefined;
  afterEach(() => two?.close());

  const messages = (side: Side): string[] => side.channel.texts().filter((text) => !text.endsWith('joined.'));

  it('gets a fallback for everything, and loses no message', async () => {
    const lacking = { richText: false, threads: false, replies: false, attachments: false, personalReactions: false };
    two = await TwoChannels.start([{}, {}], [{}, { can: [], capabilities: lacking }]);
    const { hub, participant } = two;
    const root = await hub.channel.say('ada', 'the root');
    await hub.channel.say('bob', 'in a thread', { thread: { root } });
    const answer = await hub.channel.say('bob', 'an answer', { replyTo: root });
    await hub.channel.react('bob', root, THUMB);
    await hub.channel.edit('bob', answer, 'a better answer');
    await hub.channel.delete('bob', answer);
    await until('the last', () => messages(participant).length >= 6);
    await two.settled();
    expect(messages(participant)).toEqual([
      'the root',
      '> Ada: the root\n\nin a thread',
      '> Ada: the root\n\nan answer',
      'Bob (acme.example) reacted 👍 to “the root”.',
      expect.stringContaining('a better answer'),
      'Bob (acme.example) took back “an answer”, which can still be read here.',
    ]);
  });

  it('and whose reactions are the gateway’s own, shows each emoji until the last person takes it back', async () => {
    two = await TwoChannels.start([{}, {}], [{}, { capabilities: { personalReactions: false } }]);
    const { hub, participant } = two;
    const id = await hub.channel.say('ada', 'nice');
    await hub.channel.react('ada', id, THUMB);
    await hub.channel.react('bob', id, THUMB);
    await hub.channel.react('ada', id, THUMB, 'remove');
    await two.settled();
    await until('one', () => participant.channel.saying('nice').reactions.get('👍')?.has('causeway') === true);
    await two.settled();
    expect(participant.channel.calls.filter((name) => name === 'react')).toHaveLength(1);
    await hub.channel.react('bob', id, THUMB, 'remove');
    await until('none', () => participant.channel.saying('nice').reactions.size === 0);
  });
});
