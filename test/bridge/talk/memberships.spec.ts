import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Inbox } from '../../../src/bridge/inbox.js';
import { RoomMappings } from '../../../src/mapping/room-mappings.js';
import { plainBody } from '../../../src/message/index.js';
import { InboxEntity, type RoomMappingEntity } from '../../../src/persistence/entities/index.js';
import type { RoomId, UserId } from '../../../src/protocol/index.js';
import { ADA, BOB } from '../../support/chat-in-memory.js';
import { type TestGateway, until } from '../../support/gateway.js';
import { ACME_ADA, GLOBEX_ADA, TwoChats, roomIn } from './two-chats.js';

const ACME_BOB = '@bob:acme.example' as UserId;
const CAROL = { id: 'U-carol', username: 'carol', displayName: 'Carol' };
let both: TwoChats;
let roomId: RoomId;
let said = 0;

const mappings = (gateway: TestGateway): RoomMappings => gateway.app.get(RoomMappings, { strict: false });
const mapping = async (gateway = both.a): Promise<RoomMappingEntity> => {
  const [only] = await mappings(gateway).all();
  if (only === undefined) throw new Error('there is no mapping');
  return only;
};
const becomes = (user: UserId, membership: string, gateway = both.a): Promise<void> =>
  until(`${user} is ${membership}`, async () => (await both.membership(gateway, roomId, user)) === membership);
const says = (text: string, as = BOB, channel = 'C1') =>
  both.acme.happens({
    type: 'message',
    author: as,
    nativeId: `m-${String(++said)}`,
    body: plainBody(text),
    channel: { id: channel, name: channel },
  });
const settled = (id: string, state: string): Promise<void> =>
  until(`${id} is ${state}`, () =>
    both.a.database.read.existsBy(InboxEntity, { nativeEventId: id, state: state as never }),
  );
const changes = async (user: UserId, membership: string): Promise<number> =>
  (await both.a.reader.eventsAfter(roomId, -1, 500)).filter(
    ({ pdu }) => pdu.type === 'm.room.member' && pdu.state_key === user && pdu.content.membership === membership,
  ).length;

beforeEach(async () => {
  both = await new TwoChats().start({ CAUSEWAY_BRIDGE_ADMINS: 'memory/acme/U-ada' });
  await both.greet();
  roomId = roomIn(await both.acme.asks('map'));
});
afterEach(() => both.close());

describe('people of a channel', () => {
  it('become members with their first word, and not by coming in', async () => {
    await both.acme.happens({ type: 'membership', change: 'join', user: BOB }, 'came');
    await settled('came', 'ignored');
    expect(await both.membership(both.a, roomId, ACME_BOB)).toBe('leave');
    await says('hello');
    await becomes(ACME_BOB, 'join');
  });

  it('leave the room when they leave the channel or are removed from it, once', async () => {
    await says('hello');
    await becomes(ACME_BOB, 'join');
    vi.spyOn(both.a.app.get(Inbox, { strict: false }), 'settle').mockRejectedValueOnce(new Error('it died here'));
    await both.acme.happens({ type: 'membership', change: 'leave', user: BOB, actor: ADA }, 'went');
    await becomes(ACME_BOB, 'leave');
    await settled('went', 'carried');
    expect(await changes(ACME_BOB, 'leave')).toBe(1);
    await both.acme.happens({ type: 'membership', change: 'leave', user: BOB }, 'went again');
    await settled('went again', 'ignored');
    await both.acme.happens({ type: 'membership', change: 'leave', user: CAROL }, 'nobody went');
    await settled('nobody went', 'ignored');
  });

  it('are all members where the mapping mirrors: who is there, and who comes', async () => {
    await mappings(both.a).setMembershipMode(await mapping(), 'mirror');
    await becomes(ACME_ADA, 'join');
    await becomes(ACME_BOB, 'join');
    await both.acme.happens({ type: 'membership', change: 'join', user: CAROL });
    await becomes('@carol:acme.example' as UserId, 'join');
    await both.acme.happens(
      { type: 'membership', change: 'join', user: { ...CAROL, id: 'B1', username: 'robot', bot: true } },
      'bot',
    );
    await settled('bot', 'ignored');
    await both.acme.happens({ type: 'membership', change: 'leave', user: CAROL });
    await becomes('@carol:acme.example' as UserId, 'leave');
  });
});

describe('the same in a room of another company', () => {
  it('goes through its hub', async () => {
    await both.acme.asks(`invite ${GLOBEX_ADA}`);
    await both.globex.next('D-U-ada', 0);
    await both.globex.asks('accept');
    const { channelId } = await mapping(both.g);
    await mappings(both.g).setMembershipMode(await mapping(both.g), 'mirror');
    const channel = { id: channelId, name: 'x' };
    await both.globex.happens({ type: 'membership', change: 'join', user: BOB, channel });
    await becomes('@bob:globex.example' as UserId, 'join');
    await both.globex.happens({ type: 'membership', change: 'leave', user: BOB, channel });
    await becomes('@bob:globex.example' as UserId, 'leave');
    await both.globex.happens({ type: 'profile', user: { ...ADA, displayName: 'Ada G.' } });
    await until('the new name', async () =>
      (await both.a.reader.members(roomId)).some(({ displayName }) => displayName === 'Ada G.'),
    );
  });
});

describe('a new name', () => {
  const nameOf = async (user: UserId): Promise<string | undefined> =>
    (await both.a.reader.members(roomId)).find(({ userId }) => userId === user)?.displayName;

  it('is the name in every room, and as many as somebody likes are few events', async () => {
    await says('hello', ADA);
    await becomes(ACME_ADA, 'join');
    for (let n = 1; n <= 20; n++) {
      await both.acme.happens({ type: 'profile', user: { ...ADA, displayName: `Ada ${String(n)}` } });
    }
    await until('the first', async () => /^Ada \d+$/.test((await nameOf(ACME_ADA)) ?? ''));
    expect(await changes(ACME_ADA, 'join')).toBeLessThanOrEqual(2);
    await both.acme.happens({ type: 'profile', user: CAROL }, 'unknown');
    await settled('unknown', 'ignored');
  });
});

describe('a channel that changes', () => {
  it('gives its room its name and topic, as somebody who may', async () => {
    await both.acme.happens({ type: 'channel', change: 'name', channel: { id: 'C1', name: 'partners' } });
    await until(
      'the name',
      async () => (await both.a.reader.stateEvent(roomId, 'm.room.name', ''))?.pdu.content.name === 'partners',
    );
    expect((await mapping()).channelName).toBe('partners');
    await both.acme.happens({
      type: 'channel',
      change: 'topic',
      channel: { id: 'C1', name: 'partners', topic: 'News' },
      actor: BOB,
    });
    await until(
      'the topic',
      async () => (await both.a.reader.stateEvent(roomId, 'm.room.topic', ''))?.pdu.content.topic === 'News',
    );
    const again = { type: 'channel', change: 'name', channel: { id: 'C1', name: 'partners' } } as const;
    await both.acme.happens(again, 'again');
    await settled('again', 'carried');
    expect(
      (await both.a.reader.eventsAfter(roomId, -1, 99)).filter(({ pdu }) => pdu.type === 'm.room.name'),
    ).toHaveLength(2);
  });

  it.each([
    ['archived', 'unarchived', 'the channel was archived'],
    ['bot_removed', 'bot_added', 'the bot was removed from the channel'],
  ] as const)('%s stops the mapping, which %s starts again: nothing is lost', async (away, back, reason) => {
    await both.acme.happens({ type: 'channel', change: away });
    await until('it is broken', async () => (await mapping()).state === 'broken');
    expect((await mapping()).reason).toBe(reason);
    await says('meanwhile');
    await both.acme.happens({ type: 'channel', change: back });
    await until('what was said', async () =>
      (await both.a.reader.eventsAfter(roomId, -1, 99)).some(({ pdu }) => pdu.content.body === 'meanwhile'),
    );
  });

  it('stays paused when it was, whatever happens to it', async () => {
    await mappings(both.a).setState(await mapping(), 'paused');
    await both.acme.happens({ type: 'channel', change: 'archived' }, 'away');
    await settled('away', 'ignored');
    await both.acme.happens({ type: 'channel', change: 'unarchived' }, 'back');
    await settled('back', 'ignored');
    expect((await mapping()).state).toBe('paused');
  });

  it('is not started by what did not stop it', async () => {
    await both.acme.happens({ type: 'channel', change: 'deleted' });
    await until('it is broken', async () => (await mapping()).state === 'broken');
    await both.acme.happens({ type: 'channel', change: 'bot_added' }, 'back');
    await settled('back', 'ignored');
    expect((await mapping()).reason).toBe('the channel was deleted');
  });

  it('moves to another id with its room; what is said under the new one comes', async () => {
    both.acme.add('C9', 'shared', [ADA.id, BOB.id]);
    await both.acme.happens({ type: 'channel', change: 'moved', formerId: 'C1', channel: { id: 'C9', name: 'moved' } });
    await says('over here', BOB, 'C9');
    await until('what was said', async () =>
      (await both.a.reader.eventsAfter(roomId, -1, 99)).some(({ pdu }) => pdu.content.body === 'over here'),
    );
    expect(await mapping()).toMatchObject({ channelId: 'C9', channelName: 'moved', state: 'active' });
  });
});

describe('somebody who knocks at a room of ours', () => {
  let open: RoomId;

  beforeEach(async () => {
    open = await both.a.rooms.create({ joinRule: 'knock', name: 'Fair' });
    both.acme.add('C2', 'fair', [ADA.id]);
    expect(await both.acme.asks(`map ${open}`, { channel: 'C2' })).toContain('shared now');
    const before = both.acme.texts('C2').length;
    await both.globex.asks(`knock ${open} let @everyone in`);
    expect(await both.acme.next('C2', before)).toContain(
      'ada (globex.example) asks to be let in: “let @everyone in”. Answer with “/causeway approve @ada:globex.example”',
    );
  });
  const button = (label: string): string =>
    both.acme
      .channel('C2')
      .shown.at(-1)
      ?.message.actions?.find((each) => each.label === label)?.id ?? '';

  it('is let in by anybody of the channel, and joins', async () => {
    await both.acme.happens({
      type: 'action',
      actor: BOB,
      action: button('Let in'),
      channel: { id: 'C2', name: 'fair' },
    });
    expect(await both.globex.next('D-U-ada', 0)).toContain('invites you to “Fair”');
    expect(await both.globex.asks('accept')).toContain('You are in “Fair”');
    expect(await both.acme.asks(`approve ${GLOBEX_ADA}`, { channel: 'C2' })).toContain('does not knock here');
  });

  it('is turned away', async () => {
    const before = both.acme.texts('C2').length;
    await both.acme.happens({
      type: 'action',
      actor: BOB,
      action: button('Turn away'),
      channel: { id: 'C2', name: 'fair' },
    });
    expect(await both.acme.next('C2', before)).toBe('@ada:globex.example is turned away.');
    expect(await both.membership(both.a, open, GLOBEX_ADA)).toBe('leave');
    expect(await both.globex.next('D-U-ada', 0)).toBe('You are not let into “Fair”.');
    expect(await both.acme.asks(`deny ${GLOBEX_ADA}`, { channel: 'C2' })).toContain('does not knock here');
  });
});
