import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deliveries } from '../../src/bridge/deliveries.js';
import { Inbox } from '../../src/bridge/inbox.js';
import { MappingsHealth } from '../../src/bridge/mapping-health.js';
import { RoomMappings } from '../../src/mapping/room-mappings.js';
import { UserMappings } from '../../src/mapping/user-mappings.js';
import type { DeliveryEntity, RoomMappingEntity } from '../../src/persistence/entities/index.js';
import { Platforms } from '../../src/platform/platforms.js';
import { plainText } from '../../src/message/index.js';
import { PlatformError } from '../../src/platform/port.js';
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

  const get = <T>(type: new (...args: never[]) => T): T => acme.gateway.app.get(type);
  const mapping = async (): Promise<RoomMappingEntity> => {
    const [only] = await get(RoomMappings).all();
    if (only === undefined) throw new Error('there is no mapping');
    return only;
  };
  const health = async () => get(MappingsHealth).of(await mapping());
  const dead = (): Promise<DeliveryEntity[]> => get(Deliveries).list('dead', 10);
  const onlyDead = async (): Promise<string> => {
    const [only, ...more] = await dead();
    if (only === undefined || more.length > 0) throw new Error('there is not one dead delivery');
    return only.id;
  };
  /** What the channel shows since the peer joined. */
  const shown = async (): Promise<string[]> => (await acme.texts()).filter((text) => !text.endsWith('joined.'));
  const written = async (): Promise<string[]> => (await shown()).filter((text) => text.includes('#'));
  /** The chat's answer to messages that hold a text, until it is taken back. */
  const answerTo = (text: string, code: 'invalid' | 'unavailable') => {
    const [platform] = get(Platforms).all;
    if (platform === undefined) throw new Error('there is no platform');
    const real = platform.sendMessage.bind(platform);
    return vi.spyOn(platform, 'sendMessage').mockImplementation((...call) => {
      if (plainText(call[1].body).includes(text))
        throw new PlatformError(code, `not ${text}`, { certainlyNotDone: true });
      return real(...call);
    });
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'causeway-parked-'));
    peer = await startPeer('peer.example', { autoJoin: true });
    acme = new TestCompany('acme.example', 'acme', directory, { 'peer.example': peerUrl(peer) });
    await acme.startChat();
    await acme.startGateway({ CAUSEWAY_DATABASE_URL: await createUrl() });
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

  describe('a message that the chat refuses for good', () => {
    it('is told in its place, and what comes after it goes on behind that', async () => {
      answerTo('#bad', 'invalid');
      for (const text of ['#before', '#bad', '#after']) await peer.say(roomId, text);
      await until('the last one', async () => (await written()).includes('#after'));
      const [before, notice, after] = await shown();
      expect([before, after]).toEqual(['#before', '#after']);
      expect(notice).toContain('peer (peer.example) could not be shown here');
      expect(await dead()).toMatchObject([{ reason: 'not #bad' }]);
      expect((await health()).outbound).toMatchObject({ dead: 1, blocked: undefined });
    });

    it('comes as a late message when it is retried, once, and says that it is late', async () => {
      const refusing = answerTo('#bad', 'invalid');
      for (const text of ['#bad', '#after']) await peer.say(roomId, text);
      await until('the last one', async () => (await written()).includes('#after'));
      refusing.mockRestore();
      const id = await onlyDead();
      await get(Deliveries).retry(id);
      await until('it comes', async () => (await written()).length === 2);
      expect((await written())[1]).toMatch(/^\(Late, written .* UTC\) #bad$/);
      await expect(get(Deliveries).retry(id)).rejects.toThrow('is done');
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await written()).toHaveLength(2);
    });

    it('is dead again, with one notice, when the retry is refused too', async () => {
      answerTo('#bad', 'invalid');
      await peer.say(roomId, '#bad');
      await until('it is dead', async () => (await dead()).length === 1);
      await get(Deliveries).retry(await onlyDead());
      await until('it is dead again', async () => (await dead()).length === 1);
      await peer.say(roomId, '#after');
      await until('the next one', async () => (await written()).includes('#after'));
      expect((await shown()).filter((text) => text.includes('could not be shown'))).toHaveLength(1);
    });

    it('breaks the mapping when the chat takes no notice about it either; nothing overtakes it', async () => {
      const refusing = answerTo('', 'invalid');
      for (const text of ['#bad', '#after']) await peer.say(roomId, text);
      await until('it is broken', async () => (await mapping()).state === 'broken');
      refusing.mockRestore();
      await get(RoomMappings).setState(await mapping(), 'active');
      await until('the last one', async () => (await written()).includes('#after'));
      expect((await shown())[0]).toContain('could not be shown here');
    });
  });

  describe('a message that the chat fails to take', () => {
    it('stops its channel for the admin to see, who discards it: the channel is told, and goes on', async () => {
      answerTo('#stuck', 'unavailable');
      for (const text of ['#stuck', '#after']) await peer.say(roomId, text);
      await until('it is seen', async () => (await health()).outbound.blocked !== undefined);
      const { behind, blocked } = (await health()).outbound;
      expect(behind).toBe(2);
      expect(blocked).toMatchObject({ reason: 'not #stuck' });
      expect(await written()).toEqual([]);
      await get(Deliveries).discard(blocked?.id ?? '');
      await until('the next one', async () => (await written()).includes('#after'));
      const [notice, after] = await shown();
      expect(notice).toContain('was withheld');
      expect(after).toBe('#after');
      await expect(get(Deliveries).discard(blocked?.id ?? '')).rejects.toThrow('is discarded');
    });
  });

  describe('a native message that cannot be carried', () => {
    it('stops its channel for the admin to see, who takes it out: its author is told, and the channel goes on', async () => {
      const users = get(UserMappings);
      const real = users.ensure.bind(users);
      vi.spyOn(users, 'ensure').mockImplementation((place, person) =>
        person.username === 'bob' ? Promise.reject(new Error('bob has no name')) : real(place, person),
      );
      await acme.write('#poison', 'bob');
      await acme.write('#next', 'ada');
      await until('it is seen', async () => ((await health()).inbound.blocked?.attempts ?? 0) > 1);
      expect((await health()).inbound).toMatchObject({ waiting: 2, blocked: { reason: 'bob has no name' } });
      const [row] = (await get(Inbox).list('waiting', 10)).filter(({ failingSince }) => failingSince !== null);
      if (row === undefined) throw new Error('nothing fails');
      expect(await get(Inbox).discard(row)).toBe(true);
      expect(await get(Inbox).discard(row)).toBe(false);
      await until('the next one', () =>
        acme.gateway.reader
          .eventsAfter(roomId, -1, 100)
          .then((events) => events.some(({ pdu }) => pdu.content.body === '#next')),
      );
      expect((await health()).inbound).toMatchObject({ waiting: 0, blocked: undefined });
      await until('bob is told', async () =>
        (await acme.texts('bob')).some((text) => text.includes('#poison” did not')),
      );
    });
  });
});
