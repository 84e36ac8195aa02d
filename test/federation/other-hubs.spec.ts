import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Destinations } from '../../src/federation/delivery/destinations.js';
import { LpduOutEntity } from '../../src/persistence/entities/index.js';
import { type Pdu, type RoomId, type ServerName, type UserId, eventIdOf as idOfPdu } from '../../src/protocol/index.js';
import { Incidents } from '../../src/rooms/incidents.js';
import { RoomRefusal } from '../../src/rooms/rooms.js';
import { type TestGateway, startGateway, until } from '../support/gateway.js';
import { type Answer, type Front, withHabits } from '../support/habits.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

/**
 * Hubs that lack a part of the draft, or read it in another way, as the reference server does (docs/interoperability.md).
 */
const ACME = 'acme.example';
let hub: Peer;
let third: Peer;
let front: Front;
let acme: TestGateway;
let habit: (request: { method: string; path: string }, answer: Answer) => Answer;

interface PeerRoom {
  roomId: RoomId;
  timeline: Pdu[];
  state(): Pdu[];
  membership(userId: string): string;
  member(userId: string, membership: string): Promise<unknown>;
  invite(userId: string): Promise<unknown>;
}

const roomOf = (roomId: RoomId): PeerRoom => hub.rooms.get(roomId) as unknown as PeerRoom;

async function invited(): Promise<PeerRoom> {
  const room = roomOf((await hub.createRoom({ joinRule: 'invite' })).roomId);
  await room.invite(acme.rooms.bot);
  return room;
}

async function joined(): Promise<PeerRoom> {
  const room = await invited();
  await acme.rooms.join(room.roomId);
  return room;
}

const texts = async (roomId: RoomId): Promise<unknown[]> =>
  (await acme.reader.eventsAfter(roomId, -1, 1_000))
    .filter(({ pdu, rejected }) => pdu.type === 'm.room.message' && !rejected)
    .map(({ pdu }) => pdu.content.body);

/** As servers answer at a path that they do not have. */
const NO_SUCH_PATH = { status: 404, json: { errcode: 'M_UNRECOGNIZED', error: 'unrecognized' } };

beforeEach(async () => {
  habit = (_request, answer) => answer;
  hub = await startPeer('hub.example');
  third = await startPeer('third.example');
  front = await withHabits(hub, (request, answer) => habit(request, answer));
  acme = await startGateway(ACME, { 'hub.example': front.url, 'third.example': peerUrl(third) });
  hub.peers[ACME] = acme.url;
  hub.peers['third.example'] = peerUrl(third);
  third.peers['hub.example'] = peerUrl(hub);
  third.peers[ACME] = acme.url;
});

afterEach(async () => {
  await acme.close();
  await front.close();
  await Promise.all([hub.close(), third.close()]);
});

describe('a hub that takes no invites for others at POST invite', () => {
  // proves LM-04/transport-invites/1
  it('is sent our invite of a third server’s user as an event of the room', async () => {
    const room = await joined();
    hub.faults.add('400@invite');
    await acme.rooms.invite(room.roomId, third.user('carol') as UserId);
    await until('the invite', () => room.membership(third.user('carol')) === 'invite');
    await until(
      'its echo',
      async () => (await acme.reader.membership(room.roomId, third.user('carol') as UserId)) === 'invite',
    );
  });

  it('is not sent an invite that it would refuse: whoever makes it is told so at once', async () => {
    const room = await joined();
    await room.member(third.user('carol'), 'ban');
    await until(
      'the ban',
      async () => (await acme.reader.membership(room.roomId, third.user('carol') as UserId)) === 'ban',
    );
    const before = room.timeline.length;
    await expect(acme.rooms.invite(room.roomId, third.user('carol') as UserId)).rejects.toThrow(RoomRefusal);
    await expect(acme.rooms.kick(room.roomId, hub.user('peer') as UserId)).rejects.toThrow(RoomRefusal);
    expect(room.timeline).toHaveLength(before);
  });
});

describe('a hub without make_leave', () => {
  // proves LM-04/transport-leaves/1
  it('is sent the rejection of an invite as an event', async () => {
    const room = await invited();
    habit = ({ path }, answer) => (path.includes('/make_leave/') ? NO_SUCH_PATH : answer);
    await acme.rooms.leave(room.roomId);
    expect(room.membership(acme.rooms.bot)).toBe('leave');
    expect(await acme.rooms.invites()).toEqual([]);
  });

  it('may refuse it, and the invite stays', async () => {
    const room = await invited();
    habit = ({ path }, answer) => (path.includes('/make_leave/') ? NO_SUCH_PATH : answer);
    hub.faults.add('refuse');
    await expect(acme.rooms.leave(room.roomId)).rejects.toThrow('scripted');
    expect(await acme.rooms.invites()).toHaveLength(1);
  });
});

describe('a hub that does not tell a server of what removed its last user', () => {
  /** The state of now, whatever event is asked for. */
  const currentState = (room: PeerRoom) => {
    habit = ({ path }, answer) =>
      path.includes('/v1/state/') ? { status: 200, json: { auth_chain: [], pdus: room.state() } } : answer;
  };
  const standing = async (roomId: RoomId) => (await acme.reader.room(roomId))?.standing;

  it('is asked after we left, and we have left', async () => {
    const room = await joined();
    currentState(room);
    hub.peers[ACME] = 'http://127.0.0.1:9'; // its events do not reach us
    await acme.rooms.leave(room.roomId);
    await until('that we have left', async () => (await standing(room.roomId)) === 'left', 30_000);
    expect(await acme.reader.membership(room.roomId, acme.rooms.bot)).toBe('leave');
    expect(await acme.database.read.count(LpduOutEntity)).toBe(0);
  }, 40_000);

  it('is asked after it refused what we said, and we know that we were kicked', async () => {
    const room = await joined();
    currentState(room);
    hub.peers[ACME] = 'http://127.0.0.1:9';
    await room.member(acme.rooms.bot, 'leave');
    await acme.rooms.send({
      roomId: room.roomId,
      sender: acme.rooms.bot,
      type: 'm.room.message',
      content: { body: 'hm' },
    });
    await until('that we have left', async () => (await standing(room.roomId)) === 'left', 30_000);
    expect(await acme.reader.membership(room.roomId, acme.rooms.bot)).toBe('leave');
  }, 40_000);
});

describe('a hub that answers backfill with the newest first, ten at a time', () => {
  const TEN = 10;
  beforeEach(() => {
    habit = ({ path }, answer) => {
      if (!path.includes('/backfill/') || !Array.isArray(answer.json.pdus)) return answer;
      return { status: 200, json: { pdus: answer.json.pdus.slice(-TEN).reverse() } };
    };
  });

  it('fills a long gap, in order and without asking for the same again', async () => {
    const room = await joined();
    hub.faults.add('omit:1-55');
    const all = Array.from({ length: 60 }, (_, n) => `m${String(n)}`);
    for (const body of all) await hub.say(room.roomId, body);
    await until('all', async () => (await texts(room.roomId)).length >= all.length, 20_000);
    expect(await texts(room.roomId)).toEqual(all);
    const asked = hub.requests.filter(({ path }) => path?.includes('/backfill/')).length;
    expect(asked).toBeLessThan(15);
  });

  it('gives what it lost between the branches of a fork', async () => {
    const room = await joined();
    await hub.say(room.roomId, 'before');
    // All three follow the same event, so that nothing of what comes later shows the gap.
    hub.faults.add('fork:2-3', 'omit:2');
    for (const body of ['one', 'lost', 'other', 'after']) await hub.say(room.roomId, body);
    await until('the lost one', async () => (await texts(room.roomId)).includes('lost'), 20_000);
    expect((await texts(room.roomId)).sort()).toEqual(['after', 'before', 'lost', 'one', 'other']);
  }, 30_000);
});

describe('a server that fails over a transaction in a way that repeating does not mend', () => {
  const say = (roomId: RoomId, bodies: readonly string[]) =>
    acme.database.transaction(async () => {
      for (const body of bodies) {
        await acme.rooms.send({ roomId, sender: acme.rooms.bot, type: 'm.room.message', content: { body } });
      }
    });
  /** A template with the event that it would follow. */
  const tellsHead =
    (room: PeerRoom): typeof habit =>
    ({ path }, answer) => {
      const last = room.timeline.at(-1);
      if (!path.includes('/make_join/') || last === undefined) return answer;
      return { status: 200, json: { ...answer.json, event: { prev_events: [idOfPdu(last)] } } };
    };
  const sends = () => hub.requests.filter(({ method, path }) => method === 'PUT' && path?.includes('/send/'));

  it('is not sent again what it appended, when it can say so and its answer and its echo were lost', async () => {
    const room = await joined();
    habit = tellsHead(room);
    hub.peers[ACME] = 'http://127.0.0.1:9';
    hub.faults.add('drop-answer:1');
    await say(room.roomId, ['once', 'and this']);
    await until('both', async () => (await texts(room.roomId)).length >= 2, 20_000);
    expect(await texts(room.roomId)).toEqual(['once', 'and this']);
    expect(sends()).toHaveLength(1);
  }, 30_000);

  it('is asked for an event of ours that it took, when the echo does not come', async () => {
    const room = await joined();
    habit = tellsHead(room);
    hub.peers[ACME] = 'http://127.0.0.1:9';
    await say(room.roomId, ['heard']);
    await until('the message', async () => (await texts(room.roomId)).includes('heard'), 20_000);
    expect(sends()).toHaveLength(1);
  }, 30_000);

  it('is sent fewer events at once when they are too much for it', async () => {
    const room = await joined();
    hub.faults.add('413:1');
    const all = ['a', 'b', 'c', 'd'];
    await say(room.roomId, all);
    await until('all', async () => (await texts(room.roomId)).length >= all.length, 20_000);
    expect(await texts(room.roomId)).toEqual(all);
    expect(sends()).toHaveLength(3);
  }, 30_000);

  it('is left to ask for the one event over which it fails, and is sent all others', async () => {
    const roomId = await acme.rooms.create({ joinRule: 'public' });
    await hub.join(ACME, roomId, hub.user('peer'));
    await until('the join', () => hub.received.length > 0);
    hub.faults.add('500:1-5');
    await say(roomId, ['poison', 'good', 'better']);
    const heard = () => hub.received.map(({ pdu }) => pdu.content.body).filter((body) => body !== undefined);
    await until('the others', () => heard().length >= 2, 50_000);
    expect(heard()).toEqual(['good', 'better']);
    expect(await acme.app.get(Incidents).newest(5)).toMatchObject([{ kind: 'undelivered', server: 'hub.example' }]);
  }, 60_000);

  describe('during an outage that it reports as 500', () => {
    /** Tries again at once, instead of after the backoff. */
    const impatiently = (what: string, condition: () => unknown): Promise<void> =>
      until(
        what,
        async () => {
          await acme.app.get(Destinations).retryNow('hub.example' as ServerName);
          return condition();
        },
        40_000,
      );

    it('loses no event of ours, and is sent many at once again when it is over', async () => {
      const roomId = await acme.rooms.create({ joinRule: 'public' });
      await hub.join(ACME, roomId, hub.user('peer'));
      await until('the join', () => hub.received.length > 0);
      const all = Array.from({ length: 40 }, (_, n) => `m${String(n)}`);
      hub.faults.add('500:1-12');
      await say(roomId, all);
      await impatiently('everything', () => hub.received.length > all.length);
      expect(hub.received.flatMap(({ pdu }) => pdu.content.body ?? [])).toEqual(all);
      expect(await acme.app.get(Incidents).newest(5)).toEqual([]);
      expect(sends().length).toBeLessThan(12 + all.length / 2);
    }, 60_000);

    it('makes us refuse nothing that people wrote in a room of its own', async () => {
      const { roomId } = await joined();
      const refused: string[] = [];
      acme.rooms.onRefused((_manager, { reason }) => {
        refused.push(reason);
        return Promise.resolve();
      });
      hub.faults.add('500:1-6');
      await say(roomId, ['a', 'b', 'c']);
      await impatiently('everything', async () => (await texts(roomId)).length >= 3);
      expect(await texts(roomId)).toEqual(['a', 'b', 'c']);
      expect(refused).toEqual([]);
    }, 60_000);
  });
});
