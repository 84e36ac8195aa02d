import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RoomMappings } from '../../../src/mapping/room-mappings.js';
import { plainBody } from '../../../src/message/index.js';
import { InboxEntity, type RoomMappingEntity } from '../../../src/persistence/entities/index.js';
import { type InboundMessage, PlatformError } from '../../../src/platform/port.js';
import type { RoomId } from '../../../src/protocol/index.js';
import { ADA, BOB } from '../../support/chat-in-memory.js';
import { until } from '../../support/gateway.js';
import { GLOBEX_ADA, TwoChats, roomIn } from './two-chats.js';

const START = Date.UTC(2026, 0, 1);
let both: TwoChats;

/** The nth thing that was said before the channel was shared. */
const past = (n: number): InboundMessage => ({
  type: 'message',
  nativeEventId: `past-${String(n)}`,
  nativeId: `p${String(n)}`,
  time: START + n * 60_000,
  channel: { id: 'C1', name: 'shared' },
  author: n % 2 === 0 ? ADA : BOB,
  body: plainBody(`said ${String(n)}`),
  ...(n === 3 ? { replyTo: 'p2' } : {}),
});
const texts = async (roomId: RoomId) =>
  (await both.a.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu }) => pdu.type === 'm.room.message')
    .map(({ pdu }) => pdu);
const mapping = async (): Promise<RoomMappingEntity> => {
  const [only] = await both.a.app.get(RoomMappings, { strict: false }).all();
  if (only === undefined) throw new Error('there is no mapping');
  return only;
};

beforeEach(async () => {
  both = await new TwoChats().start({ CAUSEWAY_BRIDGE_ADMINS: 'memory/acme/U-ada' });
  await both.greet();
});
afterEach(() => both.close());

describe('what was said in a channel before it is shared', () => {
  it('comes into the room as deep as was asked for, oldest first, with its time and its mark', async () => {
    both.acme.past.set(
      'C1',
      Array.from({ length: 130 }, (_, n) => past(n)),
    );
    const roomId = roomIn(await both.acme.asks('map history 120'));
    await until('all of it', async () => (await texts(roomId)).length === 120, 30_000);
    const pdus = await texts(roomId);
    expect(pdus.map(({ content }) => content.body)).toEqual(
      Array.from({ length: 120 }, (_, n) => `said ${String(n + 10)}`),
    );
    expect(pdus.every(({ content }) => content['dev.causeway.history'] === true)).toBe(true);
    expect(pdus[0]).toMatchObject({ origin_server_ts: START + 600_000, sender: '@ada:acme.example' });
    expect(await mapping()).toMatchObject({ historyLeft: 0 });
    expect(both.acme.texts('C1').filter((text) => /said \d/.test(text))).toEqual([]);
  });

  it('is shown at the other company as what it is', async () => {
    both.acme.past.set('C1', [past(2), past(3)]);
    const roomId = roomIn(await both.acme.asks('map'));
    await both.acme.asks(`invite ${GLOBEX_ADA}`);
    await both.globex.next('D-U-ada', 0);
    await both.globex.asks('accept');
    await both.acme.asks('unmap');
    await both.acme.asks(`map ${roomId} history 10`);
    const shown = (): string[] => both.globex.texts('G2').filter((text) => text.includes('said'));
    await until('it is shown', () => shown().length === 2);
    expect(shown()).toEqual(['(History, 2026-01-01 00:02 UTC) said 2', '(History, 2026-01-01 00:03 UTC) said 3']);
    expect((await texts(roomId))[1]?.content['m.relates_to']).toMatchObject({ 'm.in_reply_to': {} });
  });

  it('is fetched as slowly as the chat wants, over restarts of the work, each message once', async () => {
    const whole = { ...both.acme.can };
    let calls = 0;
    const slow = vi.fn((channel: string, before: string | undefined) => {
      calls += 1;
      if (calls % 2 === 1) {
        return Promise.reject(new PlatformError('unavailable', 'wait', { certainlyNotDone: true, retryAfterMs: 20 }));
      }
      return whole.history?.(channel, before, 15) ?? Promise.reject(new Error('no history'));
    });
    both.acme.can.history = slow;
    both.acme.past.set(
      'C1',
      Array.from({ length: 40 }, (_, n) => past(n)),
    );
    const roomId = roomIn(await both.acme.asks('map history 500'));
    await until('all of it', async () => (await texts(roomId)).length === 40, 30_000);
    expect((await texts(roomId)).map(({ content }) => content.body)).toEqual(
      Array.from({ length: 40 }, (_, n) => `said ${String(n)}`),
    );
    expect(slow).toHaveBeenCalledTimes(6);
  });

  it('that comes by itself too is in the room once', async () => {
    both.acme.past.set('C1', [past(0), past(1)]);
    const roomId = roomIn(await both.acme.asks('map history 10'));
    await until('both', async () => (await texts(roomId)).length === 2);
    const { nativeEventId, ...late } = past(1);
    await both.acme.happens(late, nativeEventId);
    await until('it is known', () => both.a.database.read.existsBy(InboxEntity, { nativeEventId, state: 'ignored' }));
    expect(await texts(roomId)).toHaveLength(2);
  });

  it('is left where it is by a chat that cannot tell, and by one that refuses', async () => {
    both.acme.can.history = () => Promise.reject(new PlatformError('invalid', 'no', { certainlyNotDone: true }));
    await both.acme.asks('map history 10');
    await until('it is given up', async () => (await mapping()).historyLeft === 0);
    await both.acme.asks('unmap');
    delete both.acme.can.history;
    await both.acme.asks('map history 10');
    await until('it is given up', async () => (await mapping()).historyLeft === 0);
  });
});
