import { afterEach, describe, expect, it } from 'vitest';
import { Bridge } from '../../src/bridge/bridge.js';
import type { Emoji } from '../../src/message/index.js';
import type { Capable } from '../fakes/visible-channel.js';
import { until } from '../support/until.js';
import { TwoChannels } from './two-channels.js';

const THUMB: Emoji = { type: 'emoji', shortcode: '+1', unicode: '👍' };

type Lack = 'edit' | 'delete' | 'react' | 'threads' | 'replies';

const CASES: [Lack, Capable, string][] = [
  ['edit', { can: ['delete', 'react'] }, 'a better answer'],
  ['delete', { can: ['edit', 'react'] }, 'This message was taken back.'],
  ['react', { can: ['edit', 'delete'] }, 'reacted 👍 to “the root”'],
  ['threads', { capabilities: { threads: false } }, '> Ada: the root\n\nin a thread'],
  ['replies', { capabilities: { replies: false } }, '> Ada: the root\n\nan aside'],
];

describe('a chat that lacks one ability', () => {
  let two: TwoChannels | undefined;
  afterEach(() => two?.close());

  it.each(CASES)('(%s) gets the fallback for that one, and uses all others', async (lack, capable, fallback) => {
    two = await TwoChannels.start([{}, {}], [{}, capable]);
    const [chat] = two.participant.gateway.app.get(Bridge).chats();
    expect(chat).toMatchObject({ workspace: 'globex.example', ready: true, trouble: undefined });
    expect(chat?.capabilities).toMatchObject(capable.capabilities ?? { abilities: capable.can });
    const { channel: here } = two.hub;
    const { channel: there } = two.participant;
    const root = await here.say('ada', 'the root');
    await here.say('bob', 'in a thread', { thread: { root } });
    await here.say('bob', 'an aside', { replyTo: root });
    const answer = await here.say('bob', 'an answer');
    const gone = await here.say('bob', 'gone soon');
    await two.settled();
    await here.react('bob', root, THUMB);
    await here.edit('bob', answer, 'a better answer');
    await here.delete('bob', gone);
    await here.say('ada', 'the last');
    await until('the last', () => there.texts().includes('the last'));
    await two.settled();

    expect(there.texts()).toContainEqual(expect.stringContaining(fallback));
    const done = {
      edit: there.calls.includes('edit'),
      delete: there.calls.includes('delete'),
      react: there.calls.includes('react'),
      threads: there.shown.some(({ thread }) => thread !== undefined),
      replies: there.shown.some(({ replyTo }) => replyTo !== undefined),
    };
    const others = { edit: true, delete: true, react: true, threads: true, replies: true };
    expect(done).toEqual({ ...others, [lack]: false });
    expect(there.texts().some((text) => text.includes('gone soon'))).toBe(false);
    expect(there.texts()).toContainEqual(expect.stringContaining('a better answer'));
  });
});
