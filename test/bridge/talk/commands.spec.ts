import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuditLogEntity, InboxEntity } from '../../../src/persistence/entities/index.js';
import { PlatformError } from '../../../src/platform/port.js';
import { ADA, BOB } from '../../support/chat-in-memory.js';
import { until } from '../../support/gateway.js';
import { GLOBEX_ADA, TwoChats, roomIn, undelivered } from './two-chats.js';

let both: TwoChats;
beforeEach(async () => {
  both = await new TwoChats().start({ CAUSEWAY_BRIDGE_ADMINS: 'memory/acme/U-ada' });
});
afterEach(() => both.close());

describe('whoever asks the gateway for something', () => {
  it('is answered once, alone, also in a channel that is not shared', async () => {
    expect(await both.acme.asks('HELP')).toContain('/causeway');
    expect(both.acme.channel('C1').shown[0]?.message).toMatchObject({ kind: 'notice', visibleTo: [ADA.id] });
    const repeated = { type: 'command', actor: ADA, text: 'help' } as const;
    await both.acme.happens(repeated, 'the-same');
    await until('it is answered', () => both.acme.texts('C1').length === 2);
    await both.acme.happens(repeated, 'the-same');
    expect(await both.acme.asks('fly')).toContain('There is no command “fly”');
    expect(both.acme.texts('C1')).toHaveLength(3);
  });

  it('presses buttons that are commands', async () => {
    await both.acme.happens({ type: 'action', actor: ADA, action: 'status' });
    expect(await both.acme.next('C1', 0)).toBe('This channel is not shared.');
  });

  it('is answered in a conversation of their own where the channel takes no answer', async () => {
    both.acme.refusals.push(new PlatformError('channel_gone', 'archived', { certainlyNotDone: true }));
    await both.acme.happens({ type: 'command', actor: ADA, text: 'help' });
    await until('the answer', () => both.acme.texts('D-U-ada').length === 1);
    expect(both.acme.texts('C1')).toEqual([]);
  });

  it('waits for a chat that does not answer, and is told then', async () => {
    both.acme.refusals.push(new PlatformError('unavailable', 'down', { certainlyNotDone: true, retryAfterMs: 50 }));
    expect(await both.acme.asks('help')).toContain('/causeway');
  });

  it('is no bot', async () => {
    await both.acme.happens({ type: 'command', actor: { ...BOB, bot: true }, text: 'help' }, 'by-a-bot');
    await until('it is ignored', async () =>
      both.a.database.read.existsBy(InboxEntity, { nativeEventId: 'by-a-bot', state: 'ignored' }),
    );
    expect(both.acme.texts('C1')).toEqual([]);
  });
});

describe('an owner of channels', () => {
  it('shares a channel, pauses, resumes and unshares it; what they did is kept', async () => {
    expect(await both.acme.asks('help')).toContain('unmap');
    expect(await both.acme.asks('unmap')).toBe('This channel is not shared.');
    const told = await both.acme.asks('map');
    expect(told).toContain('This channel is shared now');
    expect(await both.acme.asks('map')).toContain('shared already');
    expect(await both.acme.asks('pause')).toContain('Nothing is carried');
    expect(await both.acme.asks('status')).toMatch(/shared, and paused: “shared” \(!\S+, kept by acme.example\)/);
    expect(await both.acme.asks('resume')).toContain('carried again');
    expect(await both.acme.asks('unmap')).toContain('shared no more');
    expect(await both.acme.asks('status')).toBe('This channel is not shared.');
    const actions = (await both.a.database.read.find(AuditLogEntity, { order: { id: 'ASC' } })).map(
      ({ actor, action }) => `${actor} ${action}`,
    );
    expect(actions).toEqual(
      ['create', 'change', 'change', 'remove'].map((each) => `memory/acme/U-ada mapping.${each}`),
    );
  });

  it('is nobody whom the configuration does not name', async () => {
    expect(await both.acme.asks('help', { as: BOB })).not.toContain('unmap');
    for (const text of ['map', 'unmap', 'pause', 'resume']) {
      expect(await both.acme.asks(text, { as: BOB })).toContain('BRIDGE_ADMINS');
    }
    expect(await both.globex.asks('map')).toContain('BRIDGE_ADMINS');
  });
});

describe('somebody in a shared channel', () => {
  beforeEach(() => both.greet());

  it('invites people of another company, sees who is there, and leaves', async () => {
    const roomId = roomIn(await both.acme.asks('map'));
    expect(await both.acme.asks(`invite ${GLOBEX_ADA} @nobody:nowhere.example`, { as: BOB })).toMatch(
      /^Invited: @ada:globex.example\n@nobody:nowhere.example: nowhere.example does not answer/,
    );
    expect(await both.acme.asks(`invite ${GLOBEX_ADA}`, { as: BOB })).toBe(`In it or invited already: ${GLOBEX_ADA}`);
    expect(await both.membership(both.a, roomId, GLOBEX_ADA)).toBe('invite');
    expect(await both.acme.asks('who')).toBe('acme.example: Bob');
    expect(await both.acme.asks('leave')).toBe('You are not in this conversation.');
    expect(await both.acme.asks('leave', { as: BOB })).toContain('You have left');
    expect(await both.membership(both.a, roomId, '@bob:acme.example' as never)).toBe('leave');
  });

  it('joins a room of the other company, which is shown in a conversation of its own', async () => {
    const roomId = await both.g.rooms.create({ name: 'The @channel Fair', joinRule: 'public' });
    const told = await both.acme.asks(`join ${roomId}`, { as: BOB });
    expect(told).toMatch(/^You are in “The @channel Fair” now/);
    expect(await both.membership(both.g, roomId, '@bob:acme.example' as never)).toBe('join');
    await both.g.rooms.send({
      roomId,
      sender: both.g.rooms.bot,
      type: 'm.room.message',
      content: { msgtype: 'm.text', body: 'welcome' },
    });
    await until('what is said', () => both.acme.texts('G1').includes('welcome'));
    expect(await both.acme.asks(`join ${roomId}`, { as: ADA })).toContain('You are in');
    expect(both.acme.opened).toBe(1);
  });

  it('does not get into rooms by their company alone', async () => {
    const roomId = roomIn(await both.acme.asks('map'));
    both.acme.add('C2', 'lobby', [BOB.id]);
    expect(await both.acme.asks(`join ${roomId}`, { as: BOB, channel: 'C2' })).toContain('not invited');
    expect(await both.membership(both.a, roomId, '@bob:acme.example' as never)).toBe('leave');
  });

  it('is told what another company refuses', async () => {
    const roomId = await both.g.rooms.create({});
    expect(await both.acme.asks(`join ${roomId}`)).toMatch(/^That did not work: globex.example answered 403/);
    expect(await both.acme.asks('join !nothing:globex.example')).toContain('That did not work');
    expect(await both.acme.asks('join #nothing:globex.example')).toContain('That did not work');
    expect(await both.acme.asks('join !x:unreachable.example')).toContain('unreachable.example does not answer');
    expect(await undelivered(both.a)).toEqual([]);
  });
});
