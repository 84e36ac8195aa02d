import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutgoingTransactions } from '../../src/federation/delivery/outgoing-transactions.js';
import { DestinationEntity } from '../../src/persistence/entities/index.js';
import type { JsonObject, RoomId, ServerName, UserId } from '../../src/protocol/index.js';
import { ServerIdentity } from '../../src/rooms/server-identity.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
const PEER = 'peer.example' as ServerName;

forEachDatabase(({ name, createUrl }) => {
  describe.skipIf(name === 'sqlite')('two gateways on one database', () => {
    let peer: Peer;
    let gateways: TestGateway[];
    let roomId: RoomId;

    const at = (index: number): TestGateway => {
      const gateway = gateways[index];
      if (gateway === undefined) throw new Error(`there is no gateway ${String(index)}`);
      return gateway;
    };
    const first = (): TestGateway => at(0);
    const second = (): TestGateway => at(1);
    /** The peer's requests go there. */
    const aim = (gateway: TestGateway): void => {
      peer.peers[ACME] = gateway.url;
    };
    const texts = async (): Promise<unknown[]> =>
      (await first().reader.eventsAfter(roomId, -1, 1_000))
        .filter(({ pdu }) => pdu.type === 'm.room.message')
        .map(({ pdu }) => pdu.content.body);
    const lpdu = (body: string): JsonObject => {
      const content = { msgtype: 'm.text', body };
      return peer.lpdu({ room_id: roomId, type: 'm.room.message', sender: peer.user('peer'), hub: ACME, content });
    };
    const say = (gateway: TestGateway, body: string) =>
      gateway.rooms.send({
        roomId,
        sender: gateway.rooms.bot,
        type: 'm.room.message',
        content: { msgtype: 'm.text', body },
      });
    const received = (): unknown[] =>
      peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => pdu.content.body);

    beforeEach(async () => {
      peer = await startPeer(PEER, { autoJoin: true });
      const env = { CAUSEWAY_DATABASE_URL: await createUrl() };
      const start = (): Promise<TestGateway> => startGateway(ACME, { [PEER]: peerUrl(peer) }, { env });
      gateways = await Promise.all([start(), start()]); // at once: there must be one signing key
      aim(first());
      roomId = await first().rooms.create({});
      await first().rooms.invite(roomId, peer.user('peer') as UserId);
      await until('the join', () => second().reader.hasJoinedUser(roomId, PEER));
    });

    afterEach(async () => {
      for (const gateway of gateways) await gateway.close();
      await peer.close();
    });

    it('have one signing key, and a rotation by one of them is soon the other’s', async () => {
      const keyOf = ({ app }: TestGateway): string => app.get(ServerIdentity).signingKey.keyId;
      expect(keyOf(first())).toBe(keyOf(second()));
      const before = keyOf(first());
      const after = await second().app.get(ServerIdentity).rotate();
      await until('the other has it', () => keyOf(first()) === after);
      expect(
        first()
          .app.get(ServerIdentity)
          .expiredKeys.map(({ keyId }) => keyId),
      ).toEqual([before]);
    });

    it('append a transaction once that reaches both at the same time, and answer the same', async () => {
      for (let round = 0; round < 10; round++) {
        const pdus = Array.from({ length: 5 }, (_, n) => lpdu(`${String(round)}.${String(n)}`));
        const txnId = `txn-${String(round)}`;
        const sent = gateways.map((gateway) => {
          aim(gateway);
          return peer.send(ACME, pdus, { txnId });
        });
        const answers = await Promise.all(sent);
        expect(answers.map(({ status, json }) => [status, json])).toEqual([
          [200, { failed_pdus: {} }],
          [200, { failed_pdus: {} }],
        ]);
      }
      const expected = Array.from({ length: 50 }, (_, n) => `${String(Math.floor(n / 5))}.${String(n % 5)}`);
      expect(await texts()).toEqual(expected);
    });

    it('send each event once, in one order, whichever of them appended it', async () => {
      for (let n = 0; n < 30; n++) await say(n % 2 === 0 ? first() : second(), String(n));
      await until('all have come', () => received().length >= 30);
      await sleep(300);
      expect(received()).toEqual(Array.from({ length: 30 }, (_, n) => String(n)));
      expect(peer.problems).toEqual([]);
    });

    it('go on with what one of them leaves when it stops', async () => {
      await say(first(), 'before');
      await until('it has come', () => received().length === 1);
      await first().close({ keepData: true });
      gateways.shift();
      await say(first(), 'after');
      await until('it comes too', () => received().length === 2);
    });

    it('end a backoff that the other has found out, when they are asked by the server that failed', async () => {
      // The success of what was sent before must be noted, or it would be noted after the failure.
      const waiting = () => first().app.get(OutgoingTransactions).waiting();
      await until('nothing waits any more', async () => (await waiting()).length === 0);
      await sleep(300);
      const failing = { failingSince: 1, attempts: 9, nextAttemptAt: Date.now() + 1_800_000, lastError: 'gone' };
      await first().database.transaction((manager) =>
        manager.upsert(DestinationEntity, { server: PEER, ...failing, lastSuccessAt: null }, ['server']),
      );
      await say(first(), 'late');
      await sleep(100);
      expect(received()).toEqual([]);
      aim(second());
      await until(
        'it is sent',
        async () => {
          await peer.send(ACME, []);
          await sleep(200);
          return received().length === 1;
        },
        15_000,
      );
    });
  });
});
