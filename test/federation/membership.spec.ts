import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let acme: TestGateway;

const member = (localpart: string): UserId => peer.user(localpart) as UserId;
const memberships = (roomId: RoomId) => (userId: string) => acme.reader.membership(roomId, userId as UserId);
const toldOf = (roomId: RoomId, membership: string, userId: string): boolean =>
  peer.received.some(
    ({ pdu }) => pdu.room_id === roomId && pdu.state_key === userId && pdu.content.membership === membership,
  );

interface PeerRoom {
  roomId: RoomId;
  timeline: { content: { membership?: string; reason?: string }; state_key?: string }[];
  membership(userId: string): string;
  invite(userId: string): Promise<unknown>;
  append(event: Record<string, unknown>): Promise<unknown>;
}

async function peerRoom(joinRule: string): Promise<PeerRoom> {
  const { roomId } = await peer.createRoom({ joinRule });
  return peer.rooms.get(roomId) as unknown as PeerRoom;
}

const change = (room: PeerRoom, userId: string, membership: string) =>
  room.append({
    room_id: room.roomId,
    type: 'm.room.member',
    sender: member('peer'),
    state_key: userId,
    origin_server_ts: Date.now(),
    content: { membership },
  });

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    peer = await startPeer('peer.example');
    const env = { CAUSEWAY_DATABASE_URL: await createUrl() };
    acme = await startGateway(ACME, { 'peer.example': peerUrl(peer) }, { env });
    peer.peers[ACME] = acme.url;
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
  });

  describe('our room, of another server’s user', () => {
    // proves LM-04/api-send-knock/1; LM-04/stripped-state/2
    it('takes a knock, and lets the knocker in by an invite', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'knock', name: 'Fair' });
      const answer = await peer.knock(ACME, roomId, member('bob'), 'We met at the fair');
      expect(answer.stripped_state).toContainEqual(
        expect.objectContaining({ type: 'm.room.name', content: { name: 'Fair' } }),
      );
      expect(await memberships(roomId)(member('bob'))).toBe('knock');
      await acme.rooms.invite(roomId, member('bob'));
      expect(peer.invites).toMatchObject([{ state_key: member('bob') }]);
      await peer.join(ACME, roomId, member('bob'));
      expect(await memberships(roomId)(member('bob'))).toBe('join');
    });

    it('tells the knocker’s server that the knock was refused, and shows it nothing else', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'knock' });
      await peer.knock(ACME, roomId, member('bob'));
      await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'secret' } });
      await acme.rooms.kick(roomId, member('bob'), { reason: 'Not today' });
      await peer.until(() => toldOf(roomId, 'leave', member('bob')));
      await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'secret' } });
      const head = (await acme.reader.eventsAfter(roomId, -1, 100)).at(-1)?.eventId ?? '';
      expect((await peer.backfill(ACME, roomId, head)).status).toBe(404);
      expect(peer.received.map(({ pdu }) => pdu.type)).toEqual(['m.room.member']);
    });

    it('lets a knocker take its knock back, and an invited one reject', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'knock' });
      await peer.knock(ACME, roomId, member('bob'));
      await acme.rooms.invite(roomId, member('carol'));
      await peer.leave(roomId, member('bob'), ACME);
      await peer.leave(roomId, member('carol'), ACME);
      expect(await memberships(roomId)(member('bob'))).toBe('leave');
      expect(await memberships(roomId)(member('carol'))).toBe('leave');
    });

    // proves LM-04/auth-rules-algorithm/9; profile/endpoints/5
    it('refuses a knock where the room takes none, of a banned user, and of another server’s', async () => {
      const closed = await acme.rooms.create({ joinRule: 'invite' });
      const open = await acme.rooms.create({ joinRule: 'knock' });
      await acme.rooms.ban(open, member('eve'));
      const make = async (roomId: RoomId, userId: string, version = 'I.1') => {
        const versions = `ver=${version}&ver=org.matrix.i-d.ralston-mimi-linearized-matrix.02`;
        const path = `/_matrix/federation/v1/make_knock/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}`;
        return peer.request('GET', ACME, `${path}?${version === '9' ? 'ver=9' : versions}`);
      };
      const forbidden = { status: 403, json: { errcode: 'M_FORBIDDEN' } };
      expect(await make(closed, member('bob'))).toMatchObject(forbidden);
      expect(await make(open, member('eve'))).toMatchObject(forbidden);
      expect(await make(open, '@bob:other.example')).toMatchObject(forbidden);
      expect(await make(open, member('bob'), '9')).toMatchObject({
        status: 400,
        json: { errcode: 'M_INCOMPATIBLE_ROOM_VERSION' },
      });
      expect(await make(open, member('bob'))).toMatchObject({
        status: 200,
        json: { content: { membership: 'knock' }, event: { content: { membership: 'knock' } } },
      });
    });

    // proves LM-04/transport-send-events/1; profile/handshakes/8
    it('kicks and bans: the server hears of it, sees nothing after it, and a banned user stays out', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'public' });
      await peer.join(ACME, roomId, member('bob'));
      await acme.rooms.kick(roomId, member('bob'));
      await peer.until(() => toldOf(roomId, 'leave', member('bob')));
      await peer.join(ACME, roomId, member('bob'));
      await acme.rooms.ban(roomId, member('bob'), { reason: 'Spam' });
      await peer.until(() => toldOf(roomId, 'ban', member('bob')));
      await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body: 'secret' } });
      await expect(peer.join(ACME, roomId, member('bob'))).rejects.toThrow(/403/);
      const leaves = () => peer.received.filter(({ pdu }) => pdu.content.membership === 'leave').length;
      const before = leaves();
      await acme.rooms.kick(roomId, member('bob'));
      await until('that the server hears of the unban', () => leaves() === before + 1);
      expect(peer.received.filter(({ pdu }) => pdu.type === 'm.room.message')).toEqual([]);
      await peer.join(ACME, roomId, member('bob'));
      expect(await memberships(roomId)(member('bob'))).toBe('join');
    });
  });

  describe('another server’s room, of our user', () => {
    // proves LM-04/room-id/3; LM-04/transport-knocks/1
    it('takes our knock; its invite is the answer, and lets us join', async () => {
      const room = await peerRoom('knock');
      await acme.rooms.knock(room.roomId, { reason: 'We met at the fair' });
      expect(room.membership(acme.rooms.bot)).toBe('knock');
      expect(room.timeline.at(-1)?.content.reason).toBe('We met at the fair');
      expect(await acme.rooms.invites()).toMatchObject([{ roomId: room.roomId, membership: 'knock' }]);
      await room.invite(acme.rooms.bot);
      expect(await acme.rooms.invites()).toMatchObject([{ roomId: room.roomId, membership: 'invite' }]);
      await acme.rooms.join(room.roomId);
      expect(room.membership(acme.rooms.bot)).toBe('join');
      expect(await acme.rooms.invites()).toEqual([]);
    });

    // proves LM-04/transport-leaves/1
    it('lets us take a knock back, and reject an invite', async () => {
      const room = await peerRoom('knock');
      await acme.rooms.knock(room.roomId);
      await acme.rooms.leave(room.roomId);
      expect(room.membership(acme.rooms.bot)).toBe('leave');
      await room.invite(acme.rooms.bot);
      await acme.rooms.leave(room.roomId);
      expect(room.membership(acme.rooms.bot)).toBe('leave');
      expect(await acme.rooms.invites()).toEqual([]);
    });

    it('refuses our knock: nothing is kept of it', async () => {
      const room = await peerRoom('invite');
      await expect(acme.rooms.knock(room.roomId)).rejects.toThrow(/403 M_FORBIDDEN/);
      expect(await acme.rooms.invites()).toEqual([]);
    });

    it('takes an invite back: it is gone here too, and only its own server can do that', async () => {
      const room = await peerRoom('invite');
      await room.invite(acme.rooms.bot);
      expect(await acme.rooms.invites()).toHaveLength(1);
      await change(room, acme.rooms.bot, 'leave');
      const taken = room.timeline.at(-1);
      const liar = await startPeer('liar.example', { peers: { [ACME]: acme.url } });
      expect((await liar.send(ACME, [taken])).status).toBe(401); // its keys are not to be had
      await liar.close();
      expect(await acme.rooms.invites()).toHaveLength(1);
      expect((await peer.send(ACME, [taken])).status).toBe(200);
      await until('the invite is gone', async () => (await acme.rooms.invites()).length === 0);
    });

    // proves profile/handshakes/12
    it('removes our last user: the room is left, and an invite brings us back', async () => {
      const room = await peerRoom('invite');
      await room.invite(acme.rooms.bot);
      await acme.rooms.join(room.roomId);
      await change(room, acme.rooms.bot, 'leave');
      await until('we have left', async () => (await acme.reader.room(room.roomId))?.standing === 'left');
      await room.invite(acme.rooms.bot);
      await acme.rooms.join(room.roomId);
      expect(room.membership(acme.rooms.bot)).toBe('join');
      expect((await acme.reader.room(room.roomId))?.standing).toBe('joined');
    });
  });
});
