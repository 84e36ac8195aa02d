import type { JsonObject } from '../../src/protocol/index.js';
import { type FuzzRequest, chooseLayers, compose } from './compose.js';
import type { Random } from './random.js';
import { type Draft, type Surroundings, lpduTemplate, seed, sending } from './seeds.js';
import { ACME, type Stage, type World } from './world.js';

/** Requests that are sent one after the other, those of a step at once. */
export type Scenario = FuzzRequest[][];

const RIGHT: ReadonlySet<never> = new Set();

export function scenario(world: World, stage: Stage, random: Random): Scenario {
  return random.weighted<() => Scenario>([
    [60, () => [[mutated(world, stage, random)]]],
    [1, () => membership(world, stage, random)],
    [1, () => repeated(world, stage, random)],
    [0.5, () => relayed(world, stage, random)],
  ])();
}

function mutated(world: World, stage: Stage, random: Random): FuzzRequest {
  const layers = chooseLayers(random);
  return compose(seed({ world, stage, random, wild: layers.has('event') }), layers, random);
}

/** Joins, speaks, is removed in one of the ways, and goes on as if nothing had happened; some of it mutated. */
function membership(world: World, stage: Stage, random: Random): Scenario {
  const { evil } = world;
  const user = evil.user(`u${String(random.below(4))}`);
  const boss = evil.user('boss');
  const member = (sender: string, change: string): JsonObject => ({
    type: 'm.room.member',
    sender,
    state_key: user,
    content: { membership: change },
  });
  const speak = (): JsonObject => ({ type: 'm.room.message', sender: user, content: { body: random.word() } });
  const steps = [
    member(user, 'join'),
    speak(),
    random.pick([member(user, 'leave'), member(boss, 'ban'), member(boss, 'leave')]),
    speak(),
    member(user, 'join'),
    speak(),
    member(boss, 'leave'),
    member(user, 'join'),
    speak(),
  ];
  return steps.map((fields) => {
    const around: Surroundings = { world, stage, random, wild: false };
    const base = { room_id: stage.hubRoom, origin_server_ts: 1_790_000_000_000 + random.below(1e9), hub_server: ACME };
    const draft = sending(evil, { pdus: [evil.lpdu({ ...base, ...fields })] }, [], around);
    return [compose(draft, random.chance(0.1) ? chooseLayers(random) : RIGHT, random)];
  });
}

/** The same again: the same bytes at once and afterwards, the same events in another transaction, another body under its id. */
function repeated(world: World, stage: Stage, random: Random): Scenario {
  const around: Surroundings = { world, stage, random, wild: random.chance(0.3) };
  const draft = seed(around);
  const first = compose(copy(draft), RIGHT, random);
  const elsewhere: Draft = { ...copy(draft), uri: `${draft.uri}x` };
  const other: Draft = { ...copy(draft), ...(draft.body === undefined ? {} : { body: { pdus: [] } }) };
  return [[first, first, first], [first], [compose(elsewhere, RIGHT, random)], [compose(other, RIGHT, random)]];
}

/** An event that is right, brought by a server that did not make it; and afterwards by the one that did. */
function relayed(world: World, stage: Stage, random: Random): Scenario {
  const around: Surroundings = { world, stage, random, wild: false };
  const { origin, template } = lpduTemplate(around);
  const body = { pdus: [origin.lpdu(template)] };
  const thief = random.pick(world.attackers.filter((each) => each !== origin)) ?? origin;
  return [thief, origin].map((each) => [compose(sending(each, body, [], around), RIGHT, random)]);
}

const copy = (draft: Draft): Draft => ({ ...draft, mutations: [...draft.mutations] });
