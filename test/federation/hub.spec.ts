import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject, RoomId, UserId } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let acme: TestGateway;
let env: Record<string, string>;

afterEach(async () => {
  await acme.close();
  await peer.close();
});

const say = (roomId: RoomId, body: string) =>
  acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { msgtype: 'm.text', body } });

const texts = async (roomId: RoomId): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu }) => pdu.type === 'm.room.message')
    .map(({ pdu }) => pdu.content.body);

async function sharedRoom(): Promise<RoomId> {
  const roomId = await acme.rooms.create({ name: 'Bridge' });
  await acme.rooms.invite(roomId, peer.user('peer') as UserId);
  await until('the peer has joined', () => acme.reader.hasJoinedUser(roomId, 'peer.example' as never));
  return roomId;
}

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    env = { CAUSEWAY_DATABASE_URL: await createUrl() };
    peer = await startPeer('peer.example', { autoJoin: true });
    acme = await startGateway(ACME, { 'peer.example': peerUrl(peer) }, { env });
    peer.peers[ACME] = acme.url;
  });

  describe('as hub', () => {
    // proves LM-04/receiving-events/1
    it('invites a user of another server, takes its join and carries messages both ways in one order', async () => {
      const roomId = await sharedRoom();
      await say(roomId, 'from the hub');
      await peer.say(roomId, 'from the peer');
      await until('both are in the log', async () => (await texts(roomId)).length === 2);
      await peer.until(() => peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').length === 2);
      expect(await texts(roomId)).toEqual(['from the hub', 'from the peer']);
      expect(
        peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => pdu.content.body),
      ).toEqual(['from the hub', 'from the peer']);
      expect(peer.problems).toEqual([]);
    });

    it('refuses what a database could not hold, and takes what stands beside it', async () => {
      const roomId = await sharedRoom();
      const event = (type: string): JsonObject =>
        peer.lpdu({ room_id: roomId, type, sender: peer.user('peer'), hub: ACME, content: { body: type } });
      const [good, bad] = [event('m.room.message'), event('a\u0000b')];
      const answer = await peer.send(ACME, [bad, good]);
      const fault = { error: expect.stringContaining('type') };
      expect(answer.json).toEqual({ failed_pdus: { [await idOf(bad)]: fault } });
      expect(await texts(roomId)).toEqual(['m.room.message']);
      const odd = await peer.request('PUT', ACME, peer.path('send', '%00'), { pdus: [] });
      expect([odd.status, odd.json?.errcode]).toEqual([400, 'M_INVALID_PARAM']);
    });

    // proves profile/handshakes/9
    it('keeps one chain while both sides write at once, and loses nothing', async () => {
      const roomId = await sharedRoom();
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => [
          say(roomId, `hub ${String(n)}`),
          peer.say(roomId, `peer ${String(n)}`),
        ]).flat(),
      );
      await peer.until(() => peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').length === 100);
      const log = await acme.reader.eventsAfter(roomId, -1, 1_000);
      for (const [index, { position, pdu }] of log.entries()) {
        expect(position).toBe(index);
        expect(pdu.prev_events).toEqual(index === 0 ? [] : [log[index - 1]?.eventId]);
      }
      expect(new Set(await texts(roomId)).size).toBe(100);
      expect(
        peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => pdu.content.body),
      ).toEqual(await texts(roomId));
      expect(peer.problems).toEqual([]);
    });

    // proves LM-04/api-send-txn/1, 5; profile/handshakes/4
    it('repeats the same transaction until it is answered: nothing is lost and nothing comes twice', async () => {
      const roomId = await sharedRoom();
      peer.faults.add('drop-answer:1');
      await say(roomId, 'one');
      await say(roomId, 'two');
      await peer.until(
        () => peer.received.filter(({ pdu }) => pdu.type === 'm.room.message').length === 2,
        'both',
        15_000,
      );
      expect(peer.problems).toEqual([]);
    });

    // proves LM-04/backfill/5; LM-04/calc-event-visibility/1
    it('serves redacted what was said before somebody joined, where only joined ones may read', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'public' });
      const visibility = { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } };
      await acme.rooms.send({ roomId, sender: acme.rooms.bot, ...visibility });
      await say(roomId, 'before');
      await peer.join(ACME, roomId);
      await say(roomId, 'after');
      await until('all is sent', () => peer.received.some(({ pdu }) => pdu.content.body === 'after'));
      const log = await acme.reader.eventsAfter(roomId, -1, 1_000);
      const { json } = await peer.backfill(ACME, roomId, log.at(-1)?.eventId ?? '', 100);
      const pdus = json?.pdus as { type: string; content: { body?: string }; auth_events: string[] }[];
      expect(pdus).toHaveLength(log.length);
      const bodies = pdus.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body);
      expect(bodies).toEqual([undefined, 'after']);
      expect(await Promise.all(pdus.map((pdu) => idOf(pdu)))).toEqual(log.map(({ eventId }) => eventId));
    });

    // proves LM-04/api-get-state/4; LM-04/backfill/1; LM-04/event/3; profile/endpoints/7
    it('serves the log to who is in the room, and to nobody else', async () => {
      const roomId = await sharedRoom();
      await say(roomId, 'secret');
      const log = await acme.reader.eventsAfter(roomId, -1, 1_000);
      const last = log.at(-1)?.eventId ?? '';
      const stranger = await startPeer('stranger.example', { peers: { [ACME]: acme.url } });
      await acme.close({ keepData: true });
      acme = await startGateway(
        ACME,
        { 'peer.example': peerUrl(peer), 'stranger.example': peerUrl(stranger) },
        { directory: acme.directory, env },
      );
      peer.peers[ACME] = acme.url;
      stranger.peers[ACME] = acme.url;
      const paths = (who: Peer): string[] => [
        who.path('event', encodeURIComponent(last)),
        who.path('backfill', `${encodeURIComponent(roomId)}?v=${encodeURIComponent(last)}&limit=3`),
        `/_matrix/federation/v1/state/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(last)}`,
        `/_matrix/federation/v1/state_ids/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(last)}`,
        `/_matrix/federation/v1/event_auth/${encodeURIComponent(roomId)}/${encodeURIComponent(last)}`,
      ];
      for (const path of paths(peer)) {
        expect(await peer.request('GET', ACME, path)).toMatchObject({ status: 200 });
      }
      for (const path of paths(stranger)) {
        expect(await stranger.request('GET', ACME, path)).toMatchObject({
          status: 404,
          json: { errcode: 'M_NOT_FOUND' },
        });
      }
      const { json } = await peer.backfill(ACME, roomId, last, 3);
      expect((json?.pdus as { type: string }[]).length).toBe(3);
      expect((json?.pdus as { content: { body?: string } }[]).at(-1)?.content.body).toBe('secret');
      await stranger.close();
    });
  });
});
