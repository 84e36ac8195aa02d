import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InviteEntity } from '../../src/persistence/entities/index.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { Incidents } from '../../src/rooms/incidents.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let hub: Peer;
let acme: TestGateway;
let env: Record<string, string>;

async function restart(between?: () => Promise<void>): Promise<void> {
  await acme.close({ keepData: true });
  await between?.();
  acme = await startGateway(ACME, { 'hub.example': peerUrl(hub) }, { directory: acme.directory, env });
  hub.peers[ACME] = acme.url;
}

afterEach(async () => {
  await acme.close();
  await hub.close();
});

const say = (roomId: RoomId, body: string) =>
  acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { msgtype: 'm.text', body } });

const texts = async (roomId: RoomId): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu, rejected }) => pdu.type === 'm.room.message' && !rejected)
    .map(({ pdu }) => pdu.content.body);

const has = (roomId: RoomId, count: number) => async (): Promise<boolean> => (await texts(roomId)).length >= count;

async function invited(): Promise<RoomId> {
  const { roomId } = await hub.createRoom({ joinRule: 'invite' });
  const room = hub.rooms.get(roomId) as unknown as { invite(userId: string): Promise<unknown> };
  await room.invite(acme.rooms.bot);
  return roomId;
}

async function joined(): Promise<RoomId> {
  const roomId = await invited();
  await acme.rooms.join(roomId);
  return roomId;
}

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    env = { CAUSEWAY_DATABASE_URL: await createUrl() };
    hub = await startPeer('hub.example');
    acme = await startGateway(ACME, { 'hub.example': peerUrl(hub) }, { env });
    hub.peers[ACME] = acme.url;
  });

  describe('as participant', () => {
    // proves LM-04/lpdu/1, 2; LM-04/transport-joins/1; profile/events/1
    it('keeps an invite, joins by the handshake, and carries messages both ways', async () => {
      const roomId = await invited();
      expect(await acme.rooms.invites()).toMatchObject([{ roomId, userId: acme.rooms.bot, hubServer: 'hub.example' }]);
      await acme.rooms.join(roomId);
      expect(await acme.rooms.invites()).toEqual([]);
      await hub.say(roomId, 'from the hub');
      await until('the message of the hub', has(roomId, 1));
      await say(roomId, 'from the participant');
      await until('the echo', has(roomId, 2));
      expect(await texts(roomId)).toEqual(['from the hub', 'from the participant']);
      expect(hub.problems).toEqual([]);
    });

    // proves profile/handshakes/3
    it('joins when the hub pushes events before it has answered send_join', async () => {
      const roomId = await invited();
      hub.faults.add('delay=800:1@send_join');
      const joining = acme.rooms.join(roomId);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await hub.say(roomId, 'early bird');
      await joining;
      await until('the early message', has(roomId, 1));
      expect(await texts(roomId)).toEqual(['early bird']);
      expect(hub.problems).toEqual([]);
    });

    it('joins a hub of which it never heard, whose keys come late, while it pushes events already', async () => {
      const { roomId } = await hub.createRoom({ joinRule: 'public' });
      hub.faults.add('delay=500:1@keys', 'delay=150:1@send_join');
      await acme.rooms.join(roomId);
      await hub.say(roomId, 'welcome');
      await until('the message', has(roomId, 1));
    });

    it('lets users of ours in after the bot, in one go with their first message', async () => {
      const roomId = await joined();
      const ada = `@ada:${ACME}` as UserId;
      await acme.rooms.ensureJoined(roomId, ada, 'Ada');
      await acme.rooms.send({
        roomId,
        sender: ada,
        type: 'm.room.message',
        content: { msgtype: 'm.text', body: 'hi' },
      });
      await until('the echo', has(roomId, 1));
      expect(await acme.reader.membership(roomId, ada)).toBe('join');
      expect(hub.problems).toEqual([]);
    });

    // proves LM-04/event-and-state-apis/1; profile/handshakes/10
    it('fills a gap from the hub before it applies what comes after it', async () => {
      const roomId = await joined();
      hub.faults.add('omit:2');
      for (const body of ['one', 'two', 'three']) await hub.say(roomId, body);
      await until('all three', has(roomId, 3));
      expect(await texts(roomId)).toEqual(['one', 'two', 'three']);
    });

    it('takes duplicates once and puts reordered events in the order of the chain', async () => {
      const roomId = await joined();
      hub.faults.add('duplicate:1', 'reorder:2');
      for (const body of ['one', 'two', 'three']) await hub.say(roomId, body);
      await until('all three', has(roomId, 3));
      expect(await texts(roomId)).toEqual(['one', 'two', 'three']);
    });

    // proves LM-04/receiving-events/3
    it('does not take a message with a wrong signature, and one with a wrong hash only redacted', async () => {
      const roomId = await joined();
      hub.faults.add('bad-signature:1');
      await hub.say(roomId, 'forged');
      await until('an incident', async () => (await acme.app.get(Incidents).newest(10)).length > 0);
      expect(await texts(roomId)).not.toContain('forged');
      const kinds = (await acme.app.get(Incidents).newest(10)).map(({ kind }) => kind);
      expect(kinds).toContain('bad_signature');
    });

    // proves profile/handshakes/11
    it('records a hub that forks its chain, and takes its events in the order of arrival', async () => {
      const roomId = await joined();
      hub.faults.add('fork:2');
      for (const body of ['one', 'two', 'three']) await hub.say(roomId, body);
      await until('all three', has(roomId, 3));
      expect(await texts(roomId)).toEqual(['one', 'two', 'three']);
      expect((await acme.app.get(Incidents).newest(10)).map(({ kind }) => kind)).toContain('fork');
    });

    it('tells of a refusal by the hub, once', async () => {
      const roomId = await joined();
      const refused: string[] = [];
      acme.rooms.onRefused((_manager, { reason }) => {
        refused.push(reason);
        return Promise.resolve();
      });
      hub.faults.add('refuse:1');
      await say(roomId, 'unwelcome');
      await until('the refusal', () => refused.length > 0);
      await say(roomId, 'welcome');
      await until('the next message', has(roomId, 1));
      expect(refused).toEqual(['scripted']);
      expect(await texts(roomId)).toEqual(['welcome']);
    });

    // proves profile/handshakes/7
    it('gives up an LPDU over which the hub fails again and again, and no other', async () => {
      const roomId = await joined();
      const refused: string[] = [];
      acme.rooms.onRefused((_manager, { reason }) => {
        refused.push(reason);
        return Promise.resolve();
      });
      hub.faults.add('500:1-4');
      await acme.database.transaction(async () => {
        for (const body of ['poison', 'good', 'better']) await say(roomId, body);
      });
      await until('the good ones', has(roomId, 2), 40_000);
      expect(await texts(roomId)).toEqual(['good', 'better']);
      expect(refused).toHaveLength(1);
      expect(refused[0]).toMatch(/500/);
    }, 60_000);

    // proves profile/handshakes/13
    it('keeps what it could not send while the hub was away, in order, over a restart', async () => {
      const roomId = await joined();
      hub.faults.add('503:1-3');
      for (let n = 0; n < 10; n++) await say(roomId, `m${String(n)}`);
      await restart();
      await until('all ten', has(roomId, 10), 20_000);
      expect(await texts(roomId)).toEqual(Array.from({ length: 10 }, (_, n) => `m${String(n)}`));
      expect(hub.problems).toEqual([]);
    });

    it('catches up with what was said while it was away', async () => {
      const roomId = await joined();
      await restart(async () => {
        for (let n = 0; n < 10; n++) void hub.say(roomId, `m${String(n)}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      });
      await until('all ten', has(roomId, 10), 20_000);
      expect(await texts(roomId)).toEqual(Array.from({ length: 10 }, (_, n) => `m${String(n)}`));
    });

    // proves profile/handshakes/6
    it('does not append twice when the answer to its transaction was lost', async () => {
      const roomId = await joined();
      hub.faults.add('drop-answer:1');
      await say(roomId, 'once');
      await say(roomId, 'after');
      await until('both', has(roomId, 2), 15_000);
      expect(await texts(roomId)).toEqual(['once', 'after']);
    });

    // proves LM-04/receiving-events/3
    it('refuses an invite that the hub did not sign', async () => {
      const liar = await startPeer('liar.example');
      await acme.close();
      acme = await startGateway(ACME, { 'hub.example': peerUrl(hub), 'liar.example': peerUrl(liar) }, { env });
      hub.peers[ACME] = acme.url;
      liar.peers[ACME] = acme.url;
      liar.peers['hub.example'] = peerUrl(hub);
      const { roomId } = await hub.createRoom({ joinRule: 'invite' });
      const forged = {
        room_id: roomId,
        type: 'm.room.member',
        sender: hub.user('peer'),
        state_key: acme.rooms.bot,
        origin_server_ts: 1,
        content: { membership: 'invite' },
        auth_events: [],
        prev_events: [],
        hashes: { sha256: 'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg' },
        signatures: { 'hub.example': { [hub.key.keyId]: 'AAAA' } },
      };
      const body = { event: forged, invite_room_state: [], room_version: 'I.1' };
      for (const who of [liar, hub]) {
        expect(await who.request('POST', ACME, who.path('invite', 'txn'), body)).toMatchObject({
          status: 403,
          json: { errcode: 'M_FORBIDDEN' },
        });
      }
      expect(await acme.database.read.count(InviteEntity)).toBe(0);
      await liar.close();
    });
  });
});
