import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDatabaseUrl } from '../../src/config/values.js';
import { SystemClock } from '../../src/persistence/clock.js';
import type { Database } from '../../src/persistence/database.js';
import { openDatabase } from '../../src/persistence/open-database.js';
import { Wakeups } from '../../src/persistence/wakeups.js';
import {
  DEFAULT_ROOM_VERSION,
  type EventId,
  type JsonObject,
  type Lpdu,
  type ParsedJson,
  type Pdu,
  type RoomId,
  type ServerName,
  type SigningKey,
  type StateEntry,
  type StateView,
  type UserId,
  type VerifyKeys,
  buildLpdu,
  checkAuthRules,
  checkContentHashes,
  checkPduSignatures,
  eventIdOf,
  membershipOf,
  parseJson,
  selectAuthEvents,
  serverOfUser,
} from '../../src/protocol/index.js';
import { Hub } from '../../src/rooms/hub.js';
import { templateOf } from '../../src/rooms/new-event.js';
import { PduVerifier } from '../../src/rooms/pdu-verifier.js';
import { RemoteServers } from '../../src/rooms/remote-servers.js';
import { type Outcome, RoomLog } from '../../src/rooms/room-log.js';
import { RoomReader, type StoredEvent } from '../../src/rooms/room-reader.js';
import { RoomStates } from '../../src/rooms/room-states.js';
import { RoomVisibility } from '../../src/rooms/room-visibility.js';
import { ServerIdentity } from '../../src/rooms/server-identity.js';
import { forEachDatabase } from '../postgres/databases.js';
import { ACME, ADA, BOB, GLOBEX, GRACE, aKey, keysOf } from '../support/events.js';

const HANS = '@hans:initech.example' as UserId;
const USERS = [ADA, BOB, GRACE, HANS];
const FOREIGN: Record<string, SigningKey> = { [GLOBEX]: aKey(7), 'initech.example': aKey(8) };

/** Other servers that publish their keys and accept every invite. */
class Others extends RemoteServers {
  constructor(private readonly own: () => VerifyKeys) {
    super();
  }

  async keysFor(): Promise<(server: ServerName) => VerifyKeys> {
    return (server) => this.keysOf(server);
  }

  keysOf(server: ServerName): VerifyKeys {
    const key = FOREIGN[server];
    return key === undefined ? this.own() : keysOf(key);
  }

  async sendInvite(): Promise<ParsedJson> {
    const answer = parseJson(Buffer.from('{}'));
    if (!answer.ok) throw new Error(answer.error.reason);
    return answer.value;
  }

  async sendPdu(): Promise<void> {
    await Promise.resolve();
  }

  makeMember(): Promise<never> {
    return Promise.reject(new Error('nobody asks'));
  }
  sendMember(): Promise<never> {
    return this.makeMember();
  }
  sendLpdu(): Promise<never> {
    return this.makeMember();
  }
  state(): Promise<never> {
    return this.makeMember();
  }
  backfill(): Promise<never> {
    return this.makeMember();
  }
  event(): Promise<never> {
    return this.makeMember();
  }
  resolveAlias(): Promise<never> {
    return this.makeMember();
  }
}

interface Gateway {
  hub: Hub;
  reader: RoomReader;
  others: Others;
}

interface Act {
  sender: UserId;
  type: string;
  stateKey?: string;
  content: JsonObject;
  /** Which gateway of ours handles it. */
  through: number;
  /** How often the event is sent. */
  times: number;
}

const user = fc.constantFrom(...USERS);
const member = fc
  .tuple(user, fc.constantFrom('join', 'join', 'join', 'invite', 'invite', 'leave', 'ban', 'knock'))
  .map(([target, membership]) => ({ type: 'm.room.member', stateKey: target, content: { membership } }));
const level = fc.constantFrom(0, 10, 50, 100);
const powerLevels = fc
  .record({ users: fc.dictionary(user, level), ban: level, kick: level, invite: level, events_default: level })
  .map((content) => ({ type: 'm.room.power_levels', stateKey: '', content }));
const what: fc.Arbitrary<Pick<Act, 'type' | 'stateKey' | 'content'>> = fc.oneof(
  { weight: 4, arbitrary: fc.string().map((body) => ({ type: 'm.room.message', content: { body } })) },
  { weight: 5, arbitrary: member },
  { weight: 1, arbitrary: powerLevels },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('public', 'invite', 'knock')
      .map((rule) => ({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: rule } })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '@', ADA, GRACE).map((stateKey) => ({ type: 'org.example', stateKey, content: {} })),
  },
);
const act: fc.Arbitrary<Act> = fc
  .tuple(what, user, fc.nat(2), fc.constantFrom(1, 1, 1, 2))
  .map(([event, sender, through, times]) => {
    // Half of the memberships are one's own, or hardly anybody would ever come in.
    const own = event.type === 'm.room.member' && ['join', 'leave', 'knock'].includes(membershipOf(event) ?? '');
    return { ...event, ...(own ? { stateKey: sender } : {}), sender, through, times };
  });
/** Acts of one group happen at once. */
const history = fc.array(fc.array(act, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });

/** The state before an event, folded from the log. */
class Folded implements StateView {
  readonly entries = new Map<string, StateEntry>();

  get(type: string, stateKey: string): StateEntry | undefined {
    return this.entries.get(JSON.stringify([type, stateKey]));
  }

  apply(eventId: EventId, event: Pdu): void {
    if (event.state_key !== undefined)
      this.entries.set(JSON.stringify([event.type, event.state_key]), { eventId, event });
  }
}

forEachDatabase(({ name: engine, createUrl }) => {
  const databases: Database[] = [];
  let gateways: Gateway[];

  async function gateway(url: string): Promise<Gateway> {
    const location = parseDatabaseUrl(url);
    if (location === undefined) throw new Error('no database');
    const database = await openDatabase(location);
    databases.push(database);
    const clock = new SystemClock();
    const wakeups = new Wakeups(database);
    const identity = await ServerIdentity.load(database, wakeups, clock, ACME, undefined);
    const others = new Others(() => keysOf(identity.signingKey));
    const reader = new RoomReader(database);
    const log = new RoomLog(database, new RoomStates(), wakeups, clock);
    const visibility = new RoomVisibility(database);
    const yes = () => Promise.resolve(true);
    const admission = { allows: () => true, admits: yes, admitsNow: yes };
    const verifier = new PduVerifier(others);
    return { hub: new Hub(identity, log, reader, visibility, verifier, others, admission, clock), reader, others };
  }

  async function perform(roomId: RoomId, { through, times, ...event }: Act): Promise<Outcome[]> {
    const at = gateways[through % gateways.length];
    const room = await at?.reader.room(roomId);
    if (at === undefined || room === undefined || room === null) throw new Error('the room is there');
    const origin = serverOfUser(event.sender);
    const key = FOREIGN[origin];
    const newEvent = { ...event, roomId };
    if (key === undefined) return [await at.hub.sendOwn(room, newEvent)];
    const lpdu: Lpdu = buildLpdu(templateOf(newEvent, 1), ACME, origin, key);
    return Promise.all(Array.from({ length: times }, () => at.hub.receiveLpdu(room, origin, lpdu)));
  }

  /** One chain, of which each event was allowed on the state before it. */
  function check(log: readonly StoredEvent[], keys: (server: ServerName) => VerifyKeys): Folded {
    const state = new Folded();
    for (const [index, { position, eventId, pdu }] of log.entries()) {
      expect(position).toBe(index);
      expect(pdu.prev_events).toEqual(index === 0 ? [] : [log[index - 1]?.eventId]);
      expect(eventIdOf(pdu)).toBe(eventId);
      expect(checkContentHashes(pdu)).toBe('ok');
      expect(checkPduSignatures(pdu, keys)).toBeUndefined();
      expect(pdu.auth_events).toEqual(selectAuthEvents(pdu, state));
      const authEvents = [...state.entries.values()].filter((entry) => pdu.auth_events.includes(entry.eventId));
      const verdict = checkAuthRules(pdu, { state, authEvents, roomVersion: DEFAULT_ROOM_VERSION });
      expect(verdict, JSON.stringify(pdu)).toMatchObject({ allowed: true });
      expect(verdict).not.toHaveProperty('dissent');
      state.apply(eventId, pdu);
    }
    return state;
  }

  beforeAll(async () => {
    const url = await createUrl();
    // SQLite belongs to one process.
    gateways = [await gateway(url)];
    while (engine === 'postgres' && gateways.length < 3) gateways.push(await gateway(url));
  });

  afterAll(async () => {
    await Promise.all(databases.map((database) => database.onApplicationShutdown()));
  });

  describe('a room', () => {
    // proves LM-04/auth-rules-algorithm/1; profile/handshakes/9
    it('is one chain of events that its rules allow, whatever is sent to it and however it interleaves', async () => {
      const [first] = gateways;
      if (first === undefined) throw new Error('there is a gateway');
      await fc.assert(
        fc.asyncProperty(history, async (groups) => {
          const roomId = await first.hub.createRoom({
            creator: ADA,
            version: DEFAULT_ROOM_VERSION,
            joinRule: 'public',
          });
          const outcomes: Outcome[] = [];
          for (const group of groups) {
            outcomes.push(...(await Promise.all(group.map((each) => perform(roomId, each)))).flat());
          }
          const log = await first.reader.eventsAfter(roomId, -1, 10_000);
          const state = check(log, (server) => first.others.keysOf(server));
          // What was said to be appended is there, at its place, and nothing else is.
          const appended = outcomes.flatMap((outcome) => (outcome.kind === 'appended' ? [outcome.event] : []));
          expect(log.slice(5).map(({ eventId }) => eventId)).toEqual(
            appended.sort((a, b) => a.position - b.position).map(({ eventId }) => eventId),
          );
          const lpdus = log.flatMap(({ pdu }) => pdu.hashes.lpdu?.sha256 ?? []);
          expect(new Set(lpdus).size).toBe(lpdus.length);
          const current = await first.reader.currentState(roomId);
          expect(current.map(({ eventId }) => eventId).sort()).toEqual(
            [...state.entries.values()].map(({ eventId }) => eventId).sort(),
          );
        }),
        { numRuns: 8 },
      );
    }, 60_000);
  });
});
