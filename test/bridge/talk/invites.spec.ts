import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Inbox } from '../../../src/bridge/inbox.js';
import { RoomMappings } from '../../../src/mapping/room-mappings.js';
import type { RoomId, UserId } from '../../../src/protocol/index.js';
import { ADA, BOB } from '../../support/chat-in-memory.js';
import { until } from '../../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../../support/peer.js';
import { ACME_ADA, GLOBEX_ADA, TwoChats, numberIn, roomIn } from './two-chats.js';

const PRIVATE = 'D-U-ada';
let both: TwoChats;
let peer: Peer;
let roomId: RoomId;

/** Ada of Acme, by her bot, invites Ada of Globex. */
const invite = async (text = `invite ${GLOBEX_ADA}`): Promise<string> => {
  const before = both.globex.texts(PRIVATE).length;
  await both.acme.asks(text);
  return both.globex.next(PRIVATE, before);
};
const actions = () => both.globex.channel(PRIVATE).shown.at(-1)?.message.actions ?? [];
const press = (label: string) => {
  const action = actions().find((each) => each.label === label);
  if (action === undefined) throw new Error(`there is no button ${label}`);
  return both.globex.happens({ type: 'action', actor: ADA, action: action.id, channel: { id: PRIVATE, name: 'x' } });
};

beforeEach(async () => {
  peer = await startPeer('peer.example');
  both = await new TwoChats().start(
    { CAUSEWAY_BRIDGE_ADMINS: 'memory/acme/U-ada' },
    { others: { 'peer.example': peerUrl(peer) } },
  );
  peer.peers['globex.example'] = both.g.url;
  await both.greet();
  roomId = roomIn(await both.acme.asks('map'));
});
afterEach(async () => {
  await both.close();
  await peer.close();
});

describe('an invite from outside', () => {
  it('comes to the person alone, with buttons; accepted, the room is a conversation of theirs', async () => {
    expect(await invite()).toBe(`${ACME_ADA} invites you to “shared”.`);
    expect(both.globex.channel(PRIVATE).shown.at(-1)?.message.visibleTo).toBeUndefined();
    await press('Accept');
    expect(await both.globex.next(PRIVATE, 1)).toBe('You are in “shared” now, in shared.');
    expect(await both.membership(both.a, roomId, GLOBEX_ADA)).toBe('join');
    await both.acme.happens({
      type: 'message',
      author: ADA,
      nativeId: 'm1',
      body: {
        style: 'normal',
        blocks: [{ type: 'paragraph', content: [{ type: 'text', text: 'welcome' }] }],
        attachments: [],
      },
    });
    await until('what is said', () => both.globex.texts('G2').includes('welcome'));
    expect(await both.globex.asks('status')).toContain('not shared');
    expect(await both.globex.asks('accept')).toBe('You have no open invite.');
  });

  it('is told in words where the chat has no buttons, and accepted by its number', async () => {
    both.globex.capabilities.actions = false;
    const told = await invite();
    expect(told).toMatch(/\nAccept: \/causeway accept \d{4}\nDecline: \/causeway decline \d{4}$/);
    expect(await both.globex.asks('status')).toContain(`Invite ${numberIn(told)}: ${ACME_ADA} invites you`);
    expect(await both.globex.asks('accept 999')).toBe('There is no such open invite of yours.');
    expect(await both.globex.asks(`accept ${numberIn(told)}`, { as: BOB })).toContain('no such open invite');
    expect(await both.globex.asks(`accept ${numberIn(told)}`)).toContain('You are in “shared” now');
  });

  it('is declined, and may come again', async () => {
    await invite();
    await press('Decline');
    expect(await both.globex.next(PRIVATE, 1)).toBe('You have declined the invite to “shared”.');
    await until('it is known', async () => (await both.membership(both.a, roomId, GLOBEX_ADA)) === 'leave');
    expect(await both.g.rooms.invites()).toEqual([]);
    expect(await invite()).toContain('invites you to “shared”');
  });

  it('that the room takes back is told, and gone', async () => {
    await invite();
    await both.a.rooms.kick(roomId, GLOBEX_ADA);
    expect(await both.globex.next(PRIVATE, 1)).toBe('The invite to “shared” was taken back.');
    expect(await both.globex.asks('accept')).toBe('You have no open invite.');
  });

  it('is told where the chat opens no conversations: in a channel in which they are, else nowhere', async () => {
    delete both.globex.can.openConversation;
    await both.acme.asks(`invite ${GLOBEX_ADA}`);
    await until('it is kept', async () => (await both.g.rooms.invites()).length === 1);
    expect(await both.globex.asks('accept')).toContain(`somebody who may has to “map ${roomId}” in a channel`);
    expect(await both.membership(both.a, roomId, GLOBEX_ADA)).toBe('join');
  });

  it('is accepted once when the gateway fails between joining and answering', async () => {
    await invite();
    vi.spyOn(both.g.app.get(Inbox, { strict: false }), 'settle').mockRejectedValueOnce(new Error('it died here'));
    expect(await both.globex.asks('accept')).toContain('it is shown in shared');
    expect(both.globex.opened).toBe(2); // the conversation with the gateway, and the room
    const joins = (await both.a.reader.eventsAfter(roomId, -1, 100)).filter(
      ({ pdu }) => pdu.state_key === GLOBEX_ADA && pdu.content.membership === 'join',
    );
    expect(joins).toHaveLength(1);
    expect(await both.g.rooms.invites()).toEqual([]);
  });

  it('into a room of ours whose people are shown elsewhere already does not open a second channel', async () => {
    await invite();
    await press('Accept');
    await both.globex.next(PRIVATE, 1);
    const before = both.globex.texts('D-U-bob').length;
    await both.globex.asks('help', { as: BOB });
    await both.acme.asks('invite @bob:globex.example');
    expect(await both.globex.next('D-U-bob', before)).toContain('invites you to “shared”');
    const number = both.globex.channel('D-U-bob').shown.at(-1)?.message.actions?.[0]?.id ?? '';
    expect(await both.globex.asks(number, { as: BOB })).toBe('You are in “shared”; it is shown in shared.');
    expect(await both.g.app.get(RoomMappings, { strict: false }).all()).toHaveLength(1);
  });
});

describe('somebody whom another company removes', () => {
  it('is told by whom and why, and nothing in it can be taken for ours', async () => {
    await invite();
    await press('Accept');
    await both.globex.next(PRIVATE, 1);
    const before = both.globex.texts(PRIVATE).length;
    await both.a.rooms.kick(roomId, GLOBEX_ADA, { reason: 'off\n\u202etopic @everyone' });
    expect(await both.globex.next(PRIVATE, before)).toBe(
      '@causeway:acme.example has removed you from “shared”: off topic @everyone',
    );
  });
});

describe('a company that invites without end', () => {
  it('does not drown anybody in notices', async () => {
    for (let n = 0; n < 25; n++) {
      const room = (await peer.createRoom()) as unknown as { invite(user: UserId): Promise<unknown> };
      await room.invite(GLOBEX_ADA);
    }
    expect(await both.globex.asks('status')).toContain('… and 5 more invites.');
    await until('what they are told', () => both.globex.texts(PRIVATE).length === 20);
    expect(await both.globex.asks('accept')).toContain('Which one?');
  });
});

describe('a room elsewhere', () => {
  interface PeerRoom {
    roomId: RoomId;
    timeline: unknown[];
    invite(user: UserId): Promise<unknown>;
    append(event: unknown): unknown;
  }
  const peerRoom = async (joinRule = 'invite'): Promise<PeerRoom> =>
    (await peer.createRoom({ joinRule })) as unknown as PeerRoom;
  const removed = async (room: PeerRoom): Promise<void> => {
    await peer.event(room.roomId, 'm.room.member', { membership: 'leave' }, GLOBEX_ADA);
    await peer.send('globex.example', [room.timeline.at(-1)]);
  };

  it('takes its invite back, which is told once', async () => {
    const room = await peerRoom();
    await room.invite(GLOBEX_ADA);
    await both.globex.next(PRIVATE, 0);
    await removed(room);
    expect(await both.globex.next(PRIVATE, 1)).toBe(`The invite to the room ${room.roomId} was taken back.`);
    expect(await both.globex.asks('status')).toBe('This channel is not shared.');
  });

  it('is knocked at, and answers with an invite', async () => {
    const room = await peerRoom('knock');
    expect(await both.globex.asks(`knock ${room.roomId} we met at the fair`)).toContain(
      'You have asked to be let into',
    );
    expect(await both.globex.asks(`knock ${room.roomId}`)).toContain('You have asked');
    expect(room.timeline.at(-1)).toMatchObject({ content: { membership: 'knock', reason: 'we met at the fair' } });
    expect(await both.globex.asks('status')).toContain('nobody has answered yet');
    await room.invite(GLOBEX_ADA);
    expect(await both.globex.next(PRIVATE, 0)).toContain('invites you to');
    expect(await both.globex.asks('accept')).toContain('You are in');
  });

  it('is knocked at, and does not let them in', async () => {
    const room = await peerRoom('knock');
    await both.globex.asks(`knock ${room.roomId}`);
    await removed(room);
    expect(await both.globex.next(PRIVATE, 0)).toBe(`You are not let into the room ${room.roomId}.`);
  });
});
