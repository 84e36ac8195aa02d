import type { JsonObject, JsonValue } from '../../src/protocol/index.js';
import { vectors } from '../conformance/vectors.js';
import { algorithms } from './algorithms.js';
import type { Attacker } from './attacker.js';
import { mutateEvent, seal } from './mutate-event.js';
import { oddText, oddValue } from './mutate-json.js';
import type { Random } from './random.js';
import { ACME, type EvilRoom, ROOM_VERSION, type Stage, type World } from './world.js';

const { UNSTABLE, eventId } = algorithms;

/** A request that would be right, or (`mutations`) whose events are not. */
export interface Draft {
  endpoint: string;
  origin: Attacker;
  method: string;
  uri: string;
  body?: JsonValue;
  /** What was done to the events in it, before they were signed. */
  mutations: string[];
  /** Told of the answer. */
  answered?: (status: number, body: Buffer) => void;
}

export interface Surroundings {
  world: World;
  stage: Stage;
  random: Random;
  /** Whether events are to be mutated. */
  wild: boolean;
}

const STABLE: Record<string, string> = {
  send: 'v2',
  event: 'v2',
  backfill: 'v2',
  invite: 'v3',
  send_join: 'v3',
  send_leave: 'v3',
  send_knock: 'v3',
};

/** On one of the two paths that an endpoint has. */
export function uriOf(endpoint: string, random: Random, ...segments: string[]): string {
  const stable = STABLE[endpoint];
  const base = stable !== undefined && random.chance(0.6) ? UNSTABLE : `/_matrix/federation/${stable ?? 'v1'}`;
  return [`${base}/${endpoint}`, ...segments.map(encodeURIComponent)].join('/');
}

const message = (random: Random): JsonObject => ({ msgtype: 'm.text', body: `hello ${random.word()}` });

/** An event of a participant of the gateway's room, by one who may well make it. */
export function lpduTemplate({ world, stage, random }: Surroundings): { origin: Attacker; template: JsonObject } {
  const { evil, second } = world;
  const boss = evil.user('boss');
  const user = evil.user(`u${String(random.below(4))}`);
  const member = (sender: string, target: string, membership: string): JsonObject => ({
    type: 'm.room.member',
    sender,
    state_key: target,
    content: { membership },
  });
  const sender = random.weighted([
    [3, boss],
    [3, evil.user('mallory')],
    [2, user],
    [2, second.user('victim')],
  ]);
  const fields = random.weighted<() => JsonObject>([
    [12, () => ({ type: 'm.room.message', sender, content: message(random) })],
    [2, () => ({ type: 'm.room.topic', sender: boss, state_key: '', content: { topic: random.word() } })],
    [
      1,
      () => ({
        type: 'x.note',
        sender: boss,
        state_key: `k${String(random.below(20))}`,
        content: { n: random.below(100) },
      }),
    ],
    [3, () => member(user, user, 'join')],
    [1, () => member(user, user, 'leave')],
    [1, () => member(boss, user, random.pick(['leave', 'ban', 'invite']))],
    [1, () => member(evil.user('mallory'), world.outsider.user('stranger'), 'invite')],
  ])();
  const template = {
    room_id: stage.hubRoom,
    origin_server_ts: 1_790_000_000_000 + random.below(1e9),
    hub_server: ACME,
    ...fields,
  } as JsonObject;
  return { origin: template.sender === second.user('victim') ? second : evil, template };
}

/** The event as it goes out: signed by its sender's server, or mutated in one of many ways. */
function lpduOf(around: Surroundings, template: JsonObject, origin: Attacker, mutations: string[]): JsonObject {
  const { world, stage, random, wild } = around;
  if (!wild) return origin.lpdu(template);
  const names = world.names(stage);
  const mutated = mutateEvent(template, names, random);
  const sealed = seal(mutated.event, origin, names, random);
  mutations.push(`${mutated.what}, ${sealed.what}`);
  return sealed.event;
}

/** An event of a room whose hub `evil` is, completed by it. */
function pduOf(around: Surroundings, room: EvilRoom, prev: string, mutations: string[]): JsonObject {
  const { world, stage, random, wild } = around;
  const { evil, second } = world;
  const fields = { auth_events: room.authEvents, prev_events: [prev] };
  const echo = random.pick(room.submitted);
  if (echo !== undefined && random.chance(0.2)) {
    // Now and then it stays, and is replayed later.
    room.submitted.splice(room.submitted.indexOf(echo), random.chance(0.8) ? 1 : 0);
    return evil.pdu(echo, fields);
  }
  const own = random.chance(0.7);
  const sender = own ? evil.user('boss') : second.user('victim');
  const base = { room_id: room.roomId, sender, origin_server_ts: 1_790_000_000_000 + random.below(1e9) };
  const template: JsonObject = random.weighted<() => JsonObject>([
    [6, () => ({ ...base, type: 'm.room.message', content: message(random) })],
    [1, () => ({ ...base, type: 'm.room.topic', state_key: '', content: { topic: random.word() } })],
    [2, () => ({ ...base, type: 'm.room.member', state_key: sender, content: { membership: 'join' } })],
    [1, () => ({ ...base, type: 'm.room.member', state_key: `@ada:${ACME}`, content: { membership: 'invite' } })],
  ])();
  const event = own ? template : { ...template, hub_server: evil.name };
  if (!wild) return evil.pdu(own ? event : second.lpdu(event), fields);
  const names = world.names(stage);
  const mutated = mutateEvent(event, names, random);
  const sealed = seal(mutated.event, evil, names, random, fields);
  mutations.push(`${mutated.what}, ${sealed.what}`);
  if (mutated.event.hub_server === undefined || random.chance(0.3)) return sealed.event;
  const completed = completedIn(evil, sealed.event, fields);
  return completed ?? sealed.event;
}

/** The sender's signature on the LPDU beside the hub's on the PDU; undefined for what has no such form. */
function completedIn(
  hub: Attacker,
  event: JsonObject,
  fields: { auth_events: string[]; prev_events: string[] },
): JsonObject | undefined {
  try {
    const lpdu = Object.fromEntries(
      Object.entries(event).filter(([key]) => key !== 'auth_events' && key !== 'prev_events'),
    );
    return hub.pdu(lpdu, fields);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function edus({ world, stage, random }: Surroundings): JsonValue[] {
  const users = world.names(stage).users;
  const count = random.pick([0, 1, 2, 100, 101]);
  return Array.from({ length: count }, () =>
    random.chance(0.5)
      ? { type: 'm.typing', sender: random.pick(users) ?? '', content: { user_ids: [] } }
      : random.pick<JsonValue>([oddValue(random), { edu_type: oddText(random), content: oddValue(random) }]),
  );
}

type Seed = (around: Surroundings) => Draft;

/** PUT send with one body, under any transaction id. */
export function sending(origin: Attacker, body: JsonValue, mutations: string[], { random }: Surroundings): Draft {
  return { endpoint: 'send', origin, method: 'PUT', uri: uriOf('send', random, random.word(12)), body, mutations };
}

const sendToHub: Seed = (around) => {
  const { random } = around;
  const { origin, template } = lpduTemplate(around);
  const mutations: string[] = [];
  const pdus = [lpduOf(around, template, origin, mutations)];
  const more = random.weighted([
    [12, 0],
    [4, 1],
    [2, 4],
    [0.2, 49],
    [0.1, 50],
  ]);
  for (let n = 0; n < more; n++) {
    const other = lpduTemplate(around);
    pdus.push(lpduOf({ ...around, wild: around.wild && random.chance(0.5) }, other.template, other.origin, mutations));
  }
  return sending(origin, { pdus, ...(random.chance(0.2) ? { edus: edus(around) } : {}) }, mutations, around);
};

const sendToParticipant: Seed = (around) => {
  const { world, stage, random } = around;
  const room = random.pick(stage.evilRooms);
  if (room === undefined) return sendToHub(around);
  const mutations: string[] = [];
  const pdus: JsonObject[] = [];
  let prev = room.head;
  for (
    let n = random.weighted([
      [12, 1],
      [4, 2],
      [1, 5],
    ]);
    n > 0;
    n--
  ) {
    const pdu = pduOf(around, room, prev, mutations);
    pdus.push(pdu);
    if (!around.wild) prev = eventId(pdu);
  }
  if (random.chance(0.1)) pdus.reverse();
  const draft = sending(world.evil, { pdus }, mutations, around);
  if (!around.wild) {
    draft.answered = (status, body) => {
      if (status === 200 && body.toString() === '{"failed_pdus":{}}') room.head = prev;
    };
  }
  return draft;
};

const handshake =
  (change: 'join' | 'leave' | 'knock'): Seed =>
  (around) => {
    const { world, stage, random } = around;
    const origin = random.weighted([
      [6, world.evil],
      [2, world.second],
      [1, world.outsider],
    ]);
    const roomId = change === 'knock' ? stage.knockRoom : stage.hubRoom;
    const user = origin.user(`u${String(random.below(4))}`);
    if (random.chance(0.4)) {
      const uri = `${uriOf(`make_${change}`, random, roomId, user)}?ver=${ROOM_VERSION}&ver=I.1`;
      return { endpoint: `make_${change}`, origin, method: 'GET', uri, mutations: [] };
    }
    const mutations: string[] = [];
    const template = {
      room_id: roomId,
      type: 'm.room.member',
      sender: user,
      state_key: user,
      hub_server: ACME,
      origin_server_ts: 1_790_000_000_000 + random.below(1e9),
      content: { membership: change },
    };
    const body = lpduOf(around, template, origin, mutations);
    const endpoint = `send_${change}`;
    return { endpoint, origin, method: 'POST', uri: uriOf(endpoint, random, random.word(12)), body, mutations };
  };

/** By a participant of the gateway's room, or by the hub of another. */
const invite: Seed = (around) => {
  const { world, stage, random } = around;
  const { evil, outsider } = world;
  const mutations: string[] = [];
  const common = {
    type: 'm.room.member',
    content: { membership: 'invite' },
    origin_server_ts: 1_790_000_000_000 + random.below(1e9),
  };
  let event: JsonObject;
  if (random.chance(0.5)) {
    const template = {
      ...common,
      room_id: stage.hubRoom,
      sender: evil.user('mallory'),
      state_key: outsider.user(`s${String(random.below(30))}`),
      hub_server: ACME,
    };
    event = lpduOf(around, template, evil, mutations);
  } else {
    const room: EvilRoom = {
      roomId: `!invited${String(random.below(20))}:${evil.name}` as EvilRoom['roomId'],
      timeline: [],
      head: `$${random.word(43)}`,
      authEvents: [],
      submitted: [],
    };
    const template = { ...common, room_id: room.roomId, sender: evil.user('boss'), state_key: `@ada:${ACME}` };
    const fields = { auth_events: [], prev_events: [room.head] };
    if (around.wild) {
      const names = world.names(stage);
      const mutated = mutateEvent(template, names, random);
      const sealed = seal(mutated.event, evil, names, random, fields);
      mutations.push(`${mutated.what}, ${sealed.what}`);
      event = sealed.event;
    } else event = evil.pdu(template, fields);
  }
  const stripped = random.chance(0.8)
    ? [{ type: 'm.room.name', state_key: '', sender: evil.user('boss'), content: { name: 'x' } }]
    : oddValue(random);
  const body = {
    event,
    invite_room_state: stripped,
    room_version: random.chance(0.9) ? ROOM_VERSION : oddValue(random),
  };
  return {
    endpoint: 'invite',
    origin: evil,
    method: 'POST',
    uri: uriOf('invite', random, random.word(12)),
    body,
    mutations,
  };
};

const read: Seed = ({ world, stage, random }) => {
  const origin = random.weighted([
    [6, world.evil],
    [2, world.second],
    [2, world.outsider],
  ]);
  const names = world.names(stage);
  const roomId = random.pick(names.rooms) ?? '';
  const id = random.pick(names.eventIds) ?? '$x';
  const get = (endpoint: string, uri: string): Draft => ({ endpoint, origin, method: 'GET', uri, mutations: [] });
  const endpoint = random.pick([
    'event',
    'backfill',
    'state',
    'state_ids',
    'event_auth',
    'profile',
    'directory',
  ] as const);
  switch (endpoint) {
    case 'event':
      return get(endpoint, uriOf(endpoint, random, id));
    case 'backfill':
      return get(
        endpoint,
        `${uriOf(endpoint, random, roomId)}?v=${encodeURIComponent(id)}&limit=${String(random.pick([1, 5, 100, 1_000]))}`,
      );
    case 'event_auth':
      return get(endpoint, uriOf(endpoint, random, roomId, id));
    case 'profile':
      return get(
        endpoint,
        `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(random.pick(names.users) ?? '')}&field=displayname`,
      );
    case 'directory':
      return get(
        endpoint,
        `/_matrix/federation/v1/query/directory?room_alias=${encodeURIComponent(`#${random.word()}:${ACME}`)}`,
      );
    default:
      return get(endpoint, `${uriOf(endpoint, random, roomId)}?event_id=${encodeURIComponent(id)}`);
  }
};

const keys: Seed = ({ world, random }) => {
  const { evil, attackers } = world;
  const servers = [ACME, ...attackers.map(({ name }) => name)];
  const get = (endpoint: string, uri: string): Draft => ({ endpoint, origin: evil, method: 'GET', uri, mutations: [] });
  const minimum = (): JsonObject =>
    random.chance(0.5)
      ? {}
      : { 'ed25519:1': { minimum_valid_until_ts: random.pick([0, 1_790_000_000_000, 2 ** 53 - 1]) } };
  return random.weighted<() => Draft>([
    [2, () => get('keys', '/_matrix/key/v2/server')],
    [1, () => get('version', '/_matrix/federation/v1/version')],
    [1, () => get('well-known', '/.well-known/matrix/server')],
    [
      2,
      () =>
        get(
          'key_query',
          `/_matrix/key/v2/query/${random.pick(servers) ?? ''}${random.chance(0.5) ? '?minimum_valid_until_ts=1790000000000' : ''}`,
        ),
    ],
    [
      2,
      () => ({
        ...get('key_query', '/_matrix/key/v2/query'),
        method: 'POST',
        body: { server_keys: Object.fromEntries(servers.map((name) => [name, minimum()])) },
      }),
    ],
  ])();
};

interface Capture {
  exchanges: { method: string; path: string; request: JsonValue }[];
}
const CAPTURES = [
  '01-key-fetch',
  '02-invite',
  '03-make-join',
  '04-send-join',
  '05-send-lpdu',
  '06-send-pdu',
  '07-read',
].flatMap((name) => vectors<Capture>(`wire/${name}.json`).exchanges);

/** What other servers said to each other: of rooms and users that are not here. */
const captured: Seed = ({ world, random }) => {
  const { method, path, request } = random.pick(CAPTURES) ?? { method: 'GET', path: '/', request: null };
  return {
    endpoint: 'captured',
    origin: world.evil,
    method,
    uri: path,
    ...(request === null ? {} : { body: request }),
    mutations: [],
  };
};

const SEEDS: readonly (readonly [number, Seed])[] = [
  [30, sendToHub],
  [22, sendToParticipant],
  [7, handshake('join')],
  [4, handshake('leave')],
  [4, handshake('knock')],
  [7, invite],
  [14, read],
  [6, keys],
  [3, captured],
];

export const seed = (around: Surroundings): Draft => around.random.weighted(SEEDS)(around);
