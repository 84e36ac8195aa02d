import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Pdu, RoomId } from '../../src/protocol/index.js';
import { Incidents } from '../../src/rooms/incidents.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, idOf, peerUrl, startPeer } from '../support/peer.js';

/** What the gateway does about each misbehaviour of the scripted peer, as its participant and as its hub. */
const ACME = 'acme.example';
const PEER = 'peer.example';
let peer: Peer;
let acme: TestGateway;
let roomId: RoomId;

const say = (body: string) =>
  acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { msgtype: 'm.text', body } });

const texts = async (): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu, rejected }) => pdu.type === 'm.room.message' && !rejected)
    .map(({ pdu }) => pdu.content.body);

const shown =
  (...bodies: unknown[]) =>
  async (): Promise<boolean> =>
    JSON.stringify(await texts()) === JSON.stringify(bodies);

const kinds = async (): Promise<string[]> =>
  (await acme.app.get(Incidents).list({ roomId }, 100)).map(({ kind }) => kind);

/** Our transactions to the peer, in the order of their arrival: id, status of the answer, and when. */
const sends = (): { id: string; status: unknown; at: number }[] =>
  (peer.requests as unknown as { endpoint: string; args: string[]; answer: { status?: number } | string; at: number }[])
    .filter(({ endpoint }) => endpoint === 'send')
    .map(({ args, answer, at }) => ({
      id: args[0] ?? '',
      status: typeof answer === 'string' ? answer : answer.status,
      at,
    }));

const heard = (): unknown[] =>
  peer.received
    .filter(({ pdu }) => pdu.room_id === roomId && pdu.type === 'm.room.message')
    .map(({ pdu }) => pdu.content.body);

forEachDatabase(({ createUrl }) => {
  beforeAll(async () => {
    peer = await startPeer(PEER);
    acme = await startGateway(ACME, { [PEER]: peerUrl(peer) }, { env: { CAUSEWAY_DATABASE_URL: await createUrl() } });
    peer.peers[ACME] = acme.url;
  });

  beforeEach(() => {
    peer.requests.length = 0;
    peer.received.length = 0;
    peer.problems.length = 0;
  });

  afterEach(() => {
    peer.faults.clear();
  });

  afterAll(async () => {
    await acme.close();
    await peer.close();
  });

  describe('when the peer is the hub', () => {
    beforeEach(async () => {
      const room = await peer.createRoom({ joinRule: 'public' });
      roomId = room.roomId;
      await acme.rooms.join(roomId, acme.rooms.bot, undefined, PEER as never);
      peer.requests.length = 0;
    });

    it('and forks its chain, its events are taken in the order of arrival, and the fork is recorded', async () => {
      peer.faults.add('fork:2');
      for (const body of ['one', 'two', 'three']) await peer.say(roomId, body);
      await until('all', shown('one', 'two', 'three'));
      expect(await kinds()).toEqual(['fork']);
    });

    it('and sends a bad signature, the event is refused, recorded, and had from the hub as it should be', async () => {
      peer.faults.add('bad-signature:1');
      await peer.say(roomId, 'spoiled on the way');
      await until('the incident', async () => (await kinds()).includes('bad_signature'));
      expect(await texts()).toEqual([]);
      await peer.say(roomId, 'next');
      await until('both', shown('spoiled on the way', 'next'));
      expect(await kinds()).toEqual(['bad_signature']);
    });

    // proves LM-04/receiving-events/5
    it('and sends a bad content hash, the event is kept redacted, and recorded', async () => {
      peer.faults.add('bad-hash:1');
      await peer.say(roomId, 'not as hashed');
      await peer.say(roomId, 'next');
      await until('both places of the chain', shown(undefined, 'next'));
      expect(await kinds()).toEqual(['bad_hash']);
    });

    it('and publishes our event with a bad hash, its author is told, for nobody can trust it', async () => {
      const told: string[] = [];
      acme.rooms.onRefused((_manager, { roomId: where, reason }) => {
        if (where === roomId) told.push(reason);
        return Promise.resolve();
      });
      peer.faults.add('bad-hash:1');
      await say('ours');
      await until('its place in the chain', shown(undefined));
      expect(told).toEqual([expect.stringMatching(/does not verify/)]);
      expect(await kinds()).toEqual(['bad_hash']); // what we signed is in it unchanged
    });

    it('and sends everything twice, it is taken once', async () => {
      peer.faults.add('duplicate');
      for (const body of ['one', 'two']) await peer.say(roomId, body);
      await say('three');
      await until('all', shown('one', 'two', 'three'));
      expect(await kinds()).toEqual([]);
    });

    it('and drops our request, the same transaction is repeated', async () => {
      peer.faults.add('drop:1');
      await say('kept');
      await until('the echo', shown('kept'), 15_000);
      const [first, second] = sends();
      expect([first?.status, second?.status]).toEqual(['drop', 200]);
      expect(second?.id).toBe(first?.id);
    }, 20_000);

    it('and answers late, what follows waits for the answer', async () => {
      peer.faults.add('delay=700:1');
      await say('slow');
      await until('the first request', () => sends().length === 1);
      await say('patient');
      await until('both', shown('slow', 'patient'));
      const [first, second] = sends();
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(700);
      expect(peer.problems).toEqual([]);
    });

    it('and fails with 500, the event is sent again alone, and appended once', async () => {
      peer.faults.add('500:1');
      await say('kept');
      await until('the echo', shown('kept'), 15_000);
      expect(sends().map(({ status }) => status)).toEqual([500, 200]);
    }, 20_000);

    it('and is rate limiting, it is left alone for as long as it asks, and gets the same transaction then', async () => {
      peer.faults.add('429=1200:1');
      await say('kept');
      await until('the echo', shown('kept'), 15_000);
      const [first, second] = sends();
      expect([first?.status, second?.status]).toEqual([429, 200]);
      expect(second?.id).toBe(first?.id);
      expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1_200);
      expect(await kinds()).toEqual([]);
    }, 20_000);
  });

  describe('when the peer is a participant', () => {
    beforeEach(async () => {
      roomId = await acme.rooms.create({ joinRule: 'public' });
      await peer.join(ACME, roomId);
      peer.requests.length = 0;
    });

    it.each([['bad-signature'], ['bad-hash']])(
      'and sends an LPDU with a %s, it is refused by its id, and no other with it',
      async (fault) => {
        peer.faults.add(`${fault}:1`);
        await expect(peer.say(roomId, 'bad')).rejects.toThrow(/refused: /);
        await peer.say(roomId, 'good');
        expect(await texts()).toEqual(['good']);
      },
    );

    it('and sends everything twice, it is appended once', async () => {
      peer.faults.add('duplicate');
      for (const body of ['one', 'two']) await peer.say(roomId, body);
      await until('both', () => heard().length >= 2);
      expect(await texts()).toEqual(['one', 'two']);
      expect(heard()).toEqual(['one', 'two']);
    });

    it('and says that its event follows another one, as only a hub can, the event is refused', async () => {
      const lpdu = peer.lpdu({
        room_id: roomId,
        type: 'm.room.message',
        sender: peer.user('peer'),
        hub: ACME,
        content: { msgtype: 'm.text', body: 'forked' },
      });
      const [first] = await acme.reader.eventsAfter(roomId, -1, 1);
      const fork = peer.key.signEvent({ ...lpdu, prev_events: [first?.eventId ?? ''], auth_events: [] });
      const { status, json } = await peer.send(ACME, [fork]);
      expect(status).toBe(200);
      expect(Object.keys((json?.failed_pdus ?? {}) as object)).toEqual([await idOf(fork as unknown as Pdu)]);
      expect(await texts()).toEqual([]);
    });

    it.each([
      ['drops our request', 'drop:1', 'drop'],
      ['fails with 500', '500:1', 500],
      ['is rate limiting', '429=300:1', 429],
    ])(
      'and %s, the same transaction is repeated, and nothing is lost or twice',
      async (_what, fault, status) => {
        peer.faults.add(fault);
        for (const body of ['one', 'two', 'three']) await say(body);
        await until('all', () => heard().length >= 3, 15_000);
        expect(heard()).toEqual(['one', 'two', 'three']);
        const [first, second] = sends();
        expect([first?.status, second?.status]).toEqual([status, 200]);
        expect(second?.id).toBe(first?.id);
        expect(peer.problems).toEqual([]);
      },
      20_000,
    );

    it('and answers late, others and the room do not wait, and its events stay in order', async () => {
      peer.faults.add('delay=500');
      for (const body of ['one', 'two', 'three']) await say(body);
      expect(await texts()).toEqual(['one', 'two', 'three']);
      expect(heard().length).toBeLessThan(3);
      await until('all', () => heard().length >= 3, 15_000);
      expect(heard()).toEqual(['one', 'two', 'three']);
      expect(peer.problems).toEqual([]);
    }, 20_000);
  });
});
