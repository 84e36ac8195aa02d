import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Inbox } from '../../../src/bridge/inbox.js';
import { RoomMappings } from '../../../src/mapping/room-mappings.js';
import { plainBody } from '../../../src/message/index.js';
import type { RoomMappingEntity } from '../../../src/persistence/entities/index.js';
import { forEachDatabase } from '../../postgres/databases.js';
import { ADA, BOB } from '../../support/chat-in-memory.js';
import { type TestGateway, until } from '../../support/gateway.js';
import { ACME_ADA, GLOBEX_ADA, TwoChats } from './two-chats.js';

let both: TwoChats;
let said = 0;

const mappings = (gateway: TestGateway): Promise<RoomMappingEntity[]> =>
  gateway.app.get(RoomMappings, { strict: false }).all();
const only = async (gateway: TestGateway): Promise<RoomMappingEntity> => {
  const [mapping, ...more] = await mappings(gateway);
  if (mapping === undefined || more.length > 0) throw new Error('there is not one mapping');
  return mapping;
};
const message = (channel: string, text: string) =>
  ({
    type: 'message',
    author: ADA,
    nativeId: `m-${String(++said)}`,
    body: plainBody(text),
    channel: { id: channel, name: channel },
  }) as const;
const fails = (gateway: TestGateway) =>
  vi.spyOn(gateway.app.get(Inbox, { strict: false }), 'settle').mockRejectedValueOnce(new Error('it died here'));

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    both = await new TwoChats().start({ CAUSEWAY_FEDERATION_DENY: 'evil.example' }, { createUrl });
    await both.greet();
  });
  afterEach(() => both.close());

  describe('a conversation that somebody asks for', () => {
    it('is a room of two, shown on both sides, and there is one of it', async () => {
      expect(await both.acme.asks(`dm ${GLOBEX_ADA}`)).toBe('Your conversation is ada · globex.example.');
      const { kind, roomId, channelId } = await only(both.a);
      expect(kind).toBe('direct');
      expect(both.acme.channel(channelId)).toMatchObject({ people: [ADA.id], remote: [{ id: GLOBEX_ADA }] });
      expect((await both.a.reader.members(roomId)).map(({ userId }) => userId).sort()).toEqual([ACME_ADA, GLOBEX_ADA]);
      expect(await both.globex.next('D-U-ada', 0)).toBe(`${ACME_ADA} (acme.example) wants to talk with you.`);
      expect(await both.globex.asks('accept')).toContain('in ada · acme.example');
      const there = await only(both.g);
      expect(there.kind).toBe('direct');
      await both.acme.happens(message(channelId, 'hello'));
      await until('it comes', () => both.globex.texts(there.channelId).includes('hello'));
      await both.globex.happens(message(there.channelId, 'good morning'));
      await until('the answer', () => both.acme.texts(channelId).includes('good morning'));
      expect(await both.acme.asks(`dm ${GLOBEX_ADA}`)).toContain('You have a conversation with them already');
      expect(await both.globex.asks(`dm ${ACME_ADA}`)).toContain('You have a conversation with them already');
    });

    it('may be of several, of both companies', async () => {
      await both.acme.asks('help', { as: BOB });
      await both.acme.asks(`dm ${GLOBEX_ADA} @bob:acme.example`);
      const { kind, roomId, channelId } = await only(both.a);
      expect(kind).toBe('group');
      expect(both.acme.channel(channelId).people).toEqual([ADA.id, BOB.id]);
      expect(await both.membership(both.a, roomId, '@bob:acme.example' as never)).toBe('join');
    });

    it('is one, whatever the gateway dies of in between', async () => {
      fails(both.a);
      expect(await both.acme.asks(`dm ${GLOBEX_ADA}`)).toContain('onversation');
      expect(both.acme.opened).toBe(1);
      expect(await both.a.reader.rooms()).toHaveLength(1);
      await both.globex.next('D-U-ada', 0);
      expect(both.globex.texts('D-U-ada')).toHaveLength(1);
    });

    it('is refused with whom the operator does not allow, with nobody, and where the chat cannot', async () => {
      expect(await both.acme.asks('dm @eve:evil.example')).toBe('We do not talk with evil.example.');
      expect(await both.acme.asks('dm @bob:acme.example')).toContain('without me');
      expect(await both.acme.asks(`dm ${GLOBEX_ADA} @ghost:acme.example`)).toContain(
        '@ghost:acme.example is not known',
      );
      delete both.acme.can.openConversation;
      expect(await both.acme.asks(`dm ${GLOBEX_ADA}`)).toContain('opens no conversations');
      expect(await both.a.reader.rooms()).toEqual([]);
    });

    it('tells who could not be reached, and stands', async () => {
      const told = await both.acme.asks(`dm ${GLOBEX_ADA} @who:nowhere.example`);
      expect(told).toContain('Your conversation is');
      expect(told).toContain('@who:nowhere.example: nowhere.example does not answer.');
      expect(await mappings(both.a)).toHaveLength(1);
    });
  });

  describe('a conversation that is begun in the native client', () => {
    it('gets its room once, and what is said in it next waits for that', async () => {
      both.acme.add('X1', 'Ada and Ada', [ADA.id]);
      fails(both.a);
      const channel = { id: 'X1', name: 'Ada and Ada', kind: 'direct' as const };
      await both.acme.happens({ type: 'conversation', actor: ADA, participants: [{ userId: GLOBEX_ADA }], channel });
      await both.acme.happens(message('X1', 'first words'));
      await until('the room', async () => (await mappings(both.a)).length === 1);
      const { roomId } = await only(both.a);
      await until('the message', async () =>
        (await both.a.reader.eventsAfter(roomId, -1, 50)).some(({ pdu }) => pdu.content.body === 'first words'),
      );
      expect(await both.a.reader.rooms()).toHaveLength(1);
      expect(await both.membership(both.a, roomId, GLOBEX_ADA)).toBe('invite');
      expect(both.acme.texts('X1')).toEqual([]);
    });

    it('with nobody of another company is none, and the person is told', async () => {
      both.acme.add('X1', 'x', [ADA.id]);
      const channel = { id: 'X1', name: 'x' };
      await both.acme.happens({ type: 'conversation', actor: ADA, participants: [{ nativeId: BOB.id }], channel });
      expect(await both.acme.next('X1', 0)).toContain('nobody of another company');
      await both.acme.happens({ type: 'conversation', actor: ADA, participants: [{ nativeId: 'U-gone' }], channel });
      expect(await both.acme.next('X1', 1)).toContain('That did not work: nobody');
      expect(await mappings(both.a)).toEqual([]);
    });
  });
});
