import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Inbox } from '../../src/bridge/inbox.js';
import { RoomMappings } from '../../src/mapping/room-mappings.js';
import { Database } from '../../src/persistence/database.js';
import { DeliveryEntity, InboxEntity } from '../../src/persistence/entities/index.js';
import { Platforms } from '../../src/platform/platforms.js';
import { plainBody, plainText } from '../../src/message/index.js';
import { type InboundPage, PlatformError, type PlatformHost } from '../../src/platform/port.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { TestCompany } from '../support/company.js';
import { until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

forEachDatabase(({ createUrl }) => {
  let directory: string;
  let acme: TestCompany;
  let peer: Peer;
  let roomId: RoomId;
  let env: Record<string, string>;

  const platform = () => {
    const [only] = acme.gateway.app.get(Platforms).all;
    if (only === undefined) throw new Error('there is no platform');
    return only;
  };
  const log = async (): Promise<unknown[]> =>
    (await acme.gateway.reader.eventsAfter(roomId, -1, 1_000))
      .filter(({ pdu }) => pdu.type === 'm.room.message')
      .map(({ pdu }) => pdu.content.body);
  const written = async (): Promise<string[]> => (await acme.texts()).filter((text) => text.startsWith('#'));

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-bridge-'));
    peer = await startPeer('peer.example', { autoJoin: true });
    env = { CAUSEWAY_DATABASE_URL: await createUrl() };
    acme = new TestCompany('acme.example', 'acme', directory, { 'peer.example': peerUrl(peer) });
    await acme.startChat();
    await acme.startGateway(env);
    peer.peers['acme.example'] = acme.gateway.url;
    roomId = await acme.gateway.rooms.create({});
    await acme.map(roomId);
    await acme.gateway.rooms.invite(roomId, peer.user('peer') as UserId);
    await until('the join', () => acme.gateway.reader.hasJoinedUser(roomId, 'peer.example' as never));
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
    rmSync(directory, { recursive: true, force: true });
  });

  describe('from a room into a channel', () => {
    it('a call whose answer is lost is repeated, and shows one message', async () => {
      const real = platform().sendMessage.bind(platform());
      let lost = 2;
      vi.spyOn(platform(), 'sendMessage').mockImplementation(async (...call) => {
        const answer = await real(...call);
        if (plainText(call[1].body).startsWith('#') && lost-- > 0) {
          throw new PlatformError('unavailable', 'the answer is lost', { certainlyNotDone: false });
        }
        return answer;
      });
      await peer.say(roomId, '#one');
      await peer.say(roomId, '#two');
      await until('both', async () => (await written()).length >= 2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await written()).toEqual(['#one', '#two']);
      expect(lost).toBeLessThan(0);
    });

    it('a crash between the call and its note repeats the call under the same key', async () => {
      const keys: string[] = [];
      const real = platform().sendMessage.bind(platform());
      vi.spyOn(platform(), 'sendMessage').mockImplementation(async (...call) => {
        const answer = await real(...call);
        if (plainText(call[1].body).startsWith('#')) {
          keys.push(call[2].key);
          throw new Error('the process dies here');
        }
        return answer;
      });
      await peer.say(roomId, '#once');
      await until('the call', () => keys.length > 0);
      await acme.gateway.close({ keepData: true });
      await acme.startGateway(env);
      await until('the delivery is done', async () => {
        const id = keys[0] ?? '';
        const delivery = await acme.gateway.app.get(Database).read.findOneBy(DeliveryEntity, { id });
        return delivery?.state === 'done';
      });
      expect(await written()).toEqual(['#once']);
    });

    it('an archived channel breaks the mapping, which goes on where it stood once it is mended', async () => {
      const archive = (archived: boolean) =>
        fetch(`${acme.chat.url}/api/channels/C1/archived?as=ada`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ archived }),
        });
      const mappings = acme.gateway.app.get(RoomMappings);
      await archive(true);
      await peer.say(roomId, '#kept');
      await until('it is broken', async () => (await mappings.all())[0]?.state === 'broken');
      const [mapping] = await mappings.all();
      expect(mapping?.reason).toContain('archived');
      await archive(false);
      if (mapping !== undefined) await mappings.setState(mapping, 'active');
      await until('it arrives', async () => (await written()).length > 0);
      expect(await written()).toEqual(['#kept']);
    });
  });

  describe('from a channel into a room', () => {
    const page = (...ids: string[]): InboundPage => ({
      cursor: `after-${ids.at(-1) ?? ''}`,
      events: ids.map((id) => ({
        type: 'message',
        nativeEventId: id,
        nativeId: id,
        time: 1,
        channel: { id: 'C1', name: 'shared' },
        author: { id: 'U77', username: 'Zoë Müller', displayName: 'Zoë' },
        body: plainBody(`#${id}`),
      })),
    });
    const sink = (): Pick<PlatformHost, 'cursor' | 'accept'> => acme.gateway.app.get(Inbox).sinkFor('http', 'acme');

    // proves LM-04/user-id/3
    it('the same page twice is one set of messages, by a user whose name fits the grammar', async () => {
      await Promise.all([sink().accept(page('a', 'b')), sink().accept(page('a', 'b'))]);
      await sink().accept(page('b', 'c'));
      await until('all', async () => (await log()).length >= 3);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await log()).toEqual(['#a', '#b', '#c']);
      expect(await acme.gateway.reader.membership(roomId, '@zoe_muller:acme.example' as UserId)).toBe('join');
    });

    it('a failure before the commit takes the event back, and the repetition appends it once', async () => {
      const inbox = acme.gateway.app.get(Inbox);
      const settle = vi.spyOn(inbox, 'settle').mockRejectedValueOnce(new Error('the disk is full'));
      settle.mockRejectedValueOnce(new Error('the disk is still full'));
      await sink().accept(page('a'));
      await until('it is appended', async () => (await log()).length > 0);
      expect(await log()).toEqual(['#a']);
      expect(await acme.gateway.database.read.findBy(InboxEntity, { nativeEventId: 'a' })).toMatchObject([
        { state: 'carried' },
      ]);
    });

    it('what the gateway posted itself does not come back', async () => {
      await peer.say(roomId, '#from outside');
      await until('it is shown', async () => (await written()).length > 0);
      await acme.write('#from inside');
      await until('the answer', async () => (await log()).length >= 2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await log()).toEqual(['#from outside', '#from inside']);
      expect(await written()).toEqual(['#from outside', '#from inside']);
    });

    it('a message too large for one event becomes several, each once', async () => {
      const [message] = page('long').events;
      if (message?.type !== 'message') throw new Error('no message');
      await sink().accept({ cursor: 'x', events: [{ ...message, body: plainBody(`#${'x'.repeat(70_000)}`) }] });
      await sink().accept(page('small'));
      await until('the small one', async () => (await log()).includes('#small'));
      const parts = (await log()) as string[];
      expect(parts.length).toBeGreaterThan(2);
      expect(parts.slice(0, -1).join('')).toBe(`#${'x'.repeat(70_000)}`);
    });

    it('a message too large for a room is refused with a notice, and the next one goes on', async () => {
      const [message] = page('large').events;
      if (message?.type !== 'message') throw new Error('no message');
      await sink().accept({ cursor: 'x', events: [{ ...message, body: plainBody(`#${'x'.repeat(700_000)}`) }] });
      await sink().accept(page('small'));
      await until('the small one', async () => (await log()).length > 0);
      expect(await log()).toEqual(['#small']);
      expect(await acme.gateway.database.read.findBy(InboxEntity, { nativeEventId: 'large' })).toMatchObject([
        { state: 'refused' },
      ]);
    });
  });
});
