import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Transactions } from '../../src/federation/edge/transactions.js';
import { TransactionInEntity } from '../../src/persistence/entities/index.js';
import type { RoomId, ServerName, UserId } from '../../src/protocol/index.js';
import { Hub } from '../../src/rooms/hub.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Peer, type PeerAnswer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example';
let peer: Peer;
let other: Peer;
let acme: TestGateway;
let roomId: RoomId;

const member = (membership: string, localpart: string, from = peer) =>
  from.lpdu({
    room_id: roomId,
    type: 'm.room.member',
    sender: from.user(localpart),
    state_key: from.user(localpart),
    hub: ACME,
    content: { membership },
  });
const message = (body: string) =>
  peer.lpdu({ room_id: roomId, type: 'm.room.message', sender: peer.user('peer'), hub: ACME, content: { body } });
const post = (endpoint: string, txnId: string, body: unknown, from = peer): Promise<PeerAnswer> =>
  from.request('POST', ACME, from.path(endpoint, txnId), body);
/** Beside as many others as there are: the peer itself has but a few connections. */
async function put(n: number, pdu: unknown): Promise<{ status: number; json: unknown }> {
  const [path, body] = [peer.path('send', `q${String(n)}`), { pdus: [pdu] }];
  const signer = peer as unknown as { authHeader(...args: unknown[]): string };
  const headers = { authorization: signer.authHeader('PUT', path, ACME, body) };
  const response = await fetch(acme.url + path, { method: 'PUT', headers, body: JSON.stringify(body) });
  return { status: response.status, json: await response.json() };
}
const logLength = async (): Promise<number> => (await acme.reader.eventsAfter(roomId, -1, 1_000)).length;

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    peer = await startPeer('peer.example');
    other = await startPeer('other.example');
    const peers = { 'peer.example': peerUrl(peer), 'other.example': peerUrl(other) };
    acme = await startGateway(ACME, peers, { env: { CAUSEWAY_DATABASE_URL: await createUrl() } });
    for (const each of [peer, other]) each.peers[ACME] = acme.url;
    roomId = await acme.rooms.create({ joinRule: 'public' });
    await peer.join(ACME, roomId);
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
    await other.close();
  });

  describe('a transaction', () => {
    it.each<[string, () => unknown]>([
      ['send_join', () => member('join', 'bob')],
      ['send_leave', () => member('leave', 'peer')],
      ['send_knock', () => member('knock', 'bob')],
      [
        'invite',
        () => ({
          room_version: 'org.matrix.i-d.ralston-mimi-linearized-matrix.02',
          event: peer.lpdu({
            room_id: roomId,
            type: 'm.room.member',
            sender: peer.user('peer'),
            state_key: other.user('peer'),
            hub: ACME,
            content: { membership: 'invite' },
          }),
        }),
      ],
    ])('of %s that comes three times at once is processed once, and answered the same', async (endpoint, make) => {
      if (endpoint === 'send_knock') {
        const content = { join_rule: 'knock' };
        await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.join_rules', stateKey: '', content });
      }
      const before = await logLength();
      const body = make();
      const answers = await Promise.all([1, 2, 3].map(() => post(endpoint, 'one', body)));
      answers.push(await post(endpoint, 'one', body));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(await logLength()).toBe(before + 1);
      expect(other.invites.length).toBe(endpoint === 'invite' ? 1 : 0);
    });

    it('that was refused is refused again, also when it would be allowed now; another one is not', async () => {
      const content = { join_rule: 'invite' };
      await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.join_rules', stateKey: '', content });
      const join = member('join', 'bob');
      const first = await post('send_join', 'one', join);
      expect(first).toMatchObject({ status: 403, json: { errcode: 'M_FORBIDDEN' } });
      await acme.rooms.invite(roomId, peer.user('bob') as UserId);
      expect(await post('send_join', 'one', join)).toMatchObject({ status: 403, text: first.text });
      expect((await post('send_join', 'two', join)).status).toBe(200);
    });

    it('is another one from another server, at another endpoint, and with another body', async () => {
      expect((await post('send_join', 'one', member('join', 'bob'))).status).toBe(200);
      expect((await post('send_join', 'one', member('join', 'carol'))).status).toBe(200);
      expect((await post('send_leave', 'one', member('leave', 'carol'))).status).toBe(200);
      expect((await post('send_join', 'one', member('join', 'bob', other), other)).status).toBe(200);
      expect(await acme.reader.membership(roomId, other.user('bob') as UserId)).toBe('join');
    });

    it('whose id holds what no database keeps is refused', async () => {
      for (const txnId of ['%00', 'a%0Ab', '%7F', 'x'.repeat(300)]) {
        const answer = await peer.request('PUT', ACME, peer.path('send', txnId), { pdus: [] });
        expect(answer).toMatchObject({ status: 400, json: { errcode: 'M_INVALID_PARAM' } });
      }
    });

    it('with an event whose type or state key holds a NUL harms nobody', async () => {
      const event = (fields: object) =>
        peer.lpdu({ room_id: roomId, type: 'x', sender: peer.user('peer'), hub: ACME, content: {}, ...fields });
      const before = await logLength();
      const pdus = [event({ type: 'a\u0000b' }), message('good'), event({ type: 'x', state_key: '\u0000' })];
      expect(await peer.send(ACME, pdus)).toMatchObject({ status: 200 });
      expect(await logLength()).toBeGreaterThan(before);
    });
  });

  describe('transactions of one server', () => {
    it('wait in a queue that has an end; what is turned away can come again, and other servers do not wait', async () => {
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (open = resolve));
      const hub = acme.app.get(Hub);
      const receive = hub.receiveLpdus.bind(hub);
      const held = vi.spyOn(hub, 'receiveLpdus').mockImplementation(async (room, origin, lpdus) => {
        if (origin === 'peer.example') await gate;
        return receive(room, origin, lpdus);
      });
      const before = await logLength();
      const messages = Array.from({ length: 80 }, (_, n) => message(String(n)));
      const sent = messages.map((each, n) => put(n, each));
      const turnedAway = await Promise.race(sent);
      expect(turnedAway).toMatchObject({ status: 429, json: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1_000 } });
      expect((await post('send_join', 'one', member('join', 'bob', other), other)).status).toBe(200);
      open();
      const statuses = (await Promise.all(sent)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(50);
      for (const [n, each] of messages.entries()) {
        if (statuses[n] === 429) expect((await put(n, each)).status).toBe(200);
      }
      expect(await logLength()).toBe(before + 81);
      held.mockRestore();
    });

    it('are remembered by their newest, so that the table of them does not grow for ever', async () => {
      const origin = 'peer.example' as ServerName;
      const key = (n: number) => ({ origin, endpoint: 'send', txnId: `old${String(n)}`, bodyHash: 'x' });
      const now = Date.now();
      await acme.database.transaction(async (manager) => {
        const rows = Array.from({ length: 1_500 }, (_, n) => ({
          ...key(n),
          status: 200,
          answer: '{}',
          receivedAt: now - 3_000 + n,
        }));
        for (let n = 0; n < rows.length; n += 100) await manager.insert(TransactionInEntity, rows.slice(n, n + 100));
      });
      const transactions = acme.app.get(Transactions, { strict: false });
      for (let n = 0; n < 200; n++) {
        const call = { origin, source: undefined, params: { txnId: `new${String(n)}` }, query: new URLSearchParams() };
        const rest = { body: undefined, defects: undefined, raw: new Uint8Array() };
        await transactions.once('send', { ...call, ...rest }, () => Promise.resolve({}));
      }
      const count = (): Promise<number> =>
        acme.database.read.countBy(TransactionInEntity, { origin, endpoint: 'send' });
      await until('the oldest are gone', async () => (await count()) <= 1_001);
      expect(await acme.database.read.findOneBy(TransactionInEntity, key(0))).toBeNull();
      expect(await acme.database.read.findOneBy(TransactionInEntity, key(1_499))).not.toBeNull();
    });
  });
});
