import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Refusals } from '../../src/federation/refusals.js';
import { MappingConflict, RoomMappings } from '../../src/mapping/room-mappings.js';
import type { RoomMappingEntity } from '../../src/persistence/entities/index.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, idOf, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let other: Peer;
let acme: TestGateway;
let roomId: RoomId;
let elsewhere: RoomId;
let mapping: RoomMappingEntity;

const texts = (of: Peer): unknown[] =>
  of.received.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => pdu.content.body);
const say = (body: string, room = roomId) =>
  acme.rooms.send({ roomId: room, sender: acme.rooms.bot, type: 'm.room.message', content: { body } });
const admit = (allow: string[], deny: string[]) => acme.app.get(RoomMappings).setAdmission(mapping, { allow, deny });
const refusals = () => acme.app.get(Refusals, { strict: false }).all();

async function failure(from: Peer, room = roomId): Promise<string | undefined> {
  const pdu = from.lpdu({
    room_id: room,
    type: 'm.room.message',
    sender: from.user('peer'),
    hub: ACME,
    content: { body: 'x' },
  });
  const { json } = await from.send(ACME, [pdu]);
  return (json?.failed_pdus as Record<string, { error: string }>)[await idOf(pdu)]?.error;
}

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    peer = await startPeer('peer.example');
    other = await startPeer('other.example');
    const peers = { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other) };
    acme = await startGateway(ACME, peers, { env: { CAUSEWAY_DATABASE_URL: await createUrl() } });
    for (const each of [peer, other]) each.peers[ACME] = acme.url;
    roomId = await acme.rooms.create({ joinRule: 'public' });
    elsewhere = await acme.rooms.create({ joinRule: 'public' });
    for (const each of [peer, other]) {
      await each.join(ACME, roomId);
      await each.join(ACME, elsewhere);
    }
    const channel = { platform: 'http', workspace: 'acme', channelId: 'C1', channelName: 'shared' };
    mapping = await acme.app.get(RoomMappings).create(channel, roomId);
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
    await other.close();
  });

  describe('a server that a mapping denies', () => {
    it('is refused in the room of the mapping, there alone, and the admin sees it', async () => {
      await admit([], ['peer.*']);
      expect(await failure(peer)).toMatch(/peer\.example may not take part/);
      expect(await failure(peer, elsewhere)).toBeUndefined();
      expect(await failure(other)).toBeUndefined();
      const head = (await acme.reader.eventsAfter(roomId, -1, 100)).at(-1)?.eventId ?? '';
      const encoded = [encodeURIComponent(roomId), encodeURIComponent(head), encodeURIComponent(peer.user('bob'))];
      const [room, event, bob] = encoded as [string, string, string];
      for (const path of [
        peer.path('event', event),
        peer.path('backfill', `${room}?v=${event}&limit=3`),
        `/_matrix/federation/v1/state/${room}?event_id=${event}`,
        `/_matrix/federation/v1/state_ids/${room}?event_id=${event}`,
        `/_matrix/federation/v1/event_auth/${room}/${event}`,
        `/_matrix/federation/v1/make_join/${room}/${bob}?ver=org.matrix.i-d.ralston-mimi-linearized-matrix.02`,
      ]) {
        expect(await peer.request('GET', ACME, path)).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
      }
      await expect(peer.join(ACME, roomId, peer.user('bob'))).rejects.toThrow(/403/);
      expect(refusals()).toMatchObject([
        { server: 'peer.example', counts: { denied_in_room: 8 }, last: { reason: 'denied_in_room', roomId } },
      ]);
    });

    it('is invited by nobody: not by us, and not by others through us', async () => {
      await admit([], ['new.example']);
      await expect(acme.rooms.invite(roomId, '@x:new.example' as UserId)).rejects.toThrow(/may not take part/);
      const event = other.lpdu({
        room_id: roomId,
        type: 'm.room.member',
        sender: other.user('peer'),
        state_key: '@x:new.example',
        hub: ACME,
        content: { membership: 'invite' },
      });
      const request = { event, room_version: 'I.1' };
      const answer = await other.request('POST', ACME, other.path('invite', 't1'), request);
      expect(answer).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
      expect((await other.send(ACME, [event])).json?.failed_pdus).not.toEqual({});
    });

    it('hears nothing of the room, and all of it once it is let in again', async () => {
      await say('before');
      await until('both heard', () => texts(peer).length === 1 && texts(other).length === 1);
      await admit([], ['peer.example']);
      await say('meanwhile');
      await say('elsewhere', elsewhere);
      await until('others heard', () => texts(other).length === 3 && texts(peer).includes('elsewhere'));
      expect(texts(peer)).toEqual(['before', 'elsewhere']);
      await admit([], []);
      await say('after');
      await until('all was heard', () => texts(peer).length === 4);
      expect(texts(peer)).toEqual(['before', 'elsewhere', 'meanwhile', 'after']);
    });
  });

  it('a mapping that allows some servers denies all others, but never ourselves', async () => {
    await admit(['*.example.org', 'other.example'], []);
    expect(await failure(peer)).toMatch(/may not take part/);
    expect(await failure(other)).toBeUndefined();
    expect((await say('ours')).kind).toBe('appended');
  });

  it('all mappings of a room must let a server in', async () => {
    const channel = { platform: 'http', workspace: 'acme', channelId: 'C2', channelName: 'two' };
    const second = await acme.app.get(RoomMappings).create(channel, roomId, { allow: [], deny: ['peer.example'] });
    expect(await failure(peer)).toMatch(/may not take part/);
    await acme.app.get(RoomMappings).remove(second);
    expect(await failure(peer)).toBeUndefined();
  });

  it('the hub of a room cannot be denied in it', async () => {
    const { roomId: theirs } = await peer.createRoom({ joinRule: 'public' });
    await acme.rooms.join(theirs);
    const channel = { platform: 'http', workspace: 'acme', channelId: 'C3', channelName: 'three' };
    const mappings = acme.app.get(RoomMappings);
    const lists = { allow: ['other.example'], deny: [] };
    await expect(mappings.create(channel, theirs, lists)).rejects.toThrow(MappingConflict);
    const made = await mappings.create(channel, theirs);
    await expect(mappings.setAdmission(made, lists)).rejects.toThrow(/is the hub of the room/);
  });
});
