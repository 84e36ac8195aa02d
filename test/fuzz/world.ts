import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject, RoomId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway } from '../support/gateway.js';
import { type PublicKeys, algorithms } from './algorithms.js';
import { Attacker } from './attacker.js';
import { GatewayProcess } from './gateway-process.js';
import type { Names } from './mutate-event.js';

const { Peer, UNSTABLE, eventId, lpduHash } = algorithms;

export const ACME = 'acme.example';
export const ROOM_VERSION = UNSTABLE.slice(UNSTABLE.lastIndexOf('/') + 1);
const EVIL_ROOMS = 4;
const KNOWN_IDS = 200;
const BOSS_LEVEL = 75;

/** A room whose hub an attacker is, and in which the gateway takes part. */
export interface EvilRoom {
  roomId: RoomId;
  timeline: JsonObject[];
  /** The newest event that the gateway took. */
  head: string;
  authEvents: string[];
  /** LPDUs of the gateway's users that came for this room. */
  submitted: JsonObject[];
}

/** The rooms of one stretch of a run: they are left behind when they have grown. */
export interface Stage {
  hubRoom: RoomId;
  knockRoom: RoomId;
  privateRoom: RoomId;
  evilRooms: EvilRoom[];
}

/**
 * A gateway and the servers around it. `evil` takes part in a public room of the gateway (its boss has power there, its others
 * have none) and is the hub of rooms of its own; `second` takes part in the first; `outsider` is in no room. `friend` alone is
 * in the private rooms, and the fuzzer never speaks in its name: what is said there nobody else may see.
 */
export class World {
  readonly evil = new Attacker('evil.example');
  readonly second = new Attacker('second.example');
  readonly outsider = new Attacker('outsider.example');
  readonly friend = new Attacker('friend.example');
  readonly secret = `secret-${randomBytes(8).toString('hex')}`;
  readonly stages: Stage[] = [];
  /** Ids of events that attackers have heard of, the newest last. */
  readonly heard: string[] = [];
  /** LPDUs by which attackers came into the rooms before the run. */
  readonly settledLpdus = new Set<string>();
  /** What the gateway publishes. */
  gatewayKeys: PublicKeys = {};
  gateway!: GatewayProcess;
  private readonly directory = mkdtempSync(join(tmpdir(), 'causeway-fuzz-'));

  get attackers(): Attacker[] {
    return [this.evil, this.second, this.outsider];
  }

  get databasePath(): string {
    return join(this.directory, 'data/causeway.sqlite');
  }

  /** Makes the rooms in this process, by what a test may do and an admin not, and then starts the gateway on them. */
  async start(stages: number): Promise<this> {
    for (const each of [...this.attackers, this.friend]) await each.listen();
    const peers = Object.fromEntries([...this.attackers, this.friend].map(({ name, url }) => [name, url]));
    const settings = {
      CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers),
      CAUSEWAY_FEDERATION_ALLOW: [ACME, ...Object.keys(peers)].join(','), // no look-up of a name that a mutation made
      CAUSEWAY_FEDERATION_RATE_LIMIT: '0', // or most of a run would reach no further than the limit
    };
    const maker = await startGateway(ACME, peers, { directory: this.directory, env: settings });
    for (let made = 0; made < stages; made++) this.stages.push(await this.makeStage(maker));
    const published = await fetch(`${maker.url}/_matrix/key/v2/server`);
    const { verify_keys: verifyKeys } = (await published.json()) as { verify_keys: Record<string, { key: string }> };
    this.gatewayKeys = Object.fromEntries(Object.entries(verifyKeys).map(([id, { key }]) => [id, key]));
    await maker.close({ keepData: true });
    this.gateway = await new GatewayProcess(ACME, this.directory, settings).start();
    this.evil.answering = (request, body) => {
      if (request.method === 'PUT') this.hear(body);
      return undefined;
    };
    return this;
  }

  async close(): Promise<void> {
    await this.gateway.stop();
    for (const each of [...this.attackers, this.friend]) await each.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  names(stage: Stage): Names {
    const { evil, second, outsider, attackers } = this;
    return {
      rooms: [
        stage.hubRoom,
        stage.hubRoom,
        stage.knockRoom,
        stage.privateRoom,
        ...stage.evilRooms.map(({ roomId }) => roomId),
        `!nowhere:${ACME}`,
        `!nowhere:${evil.name}`,
      ],
      users: [
        ...['boss', 'mallory', 'u0', 'u1', 'u2', 'u3'].map((name) => evil.user(name)),
        ...['victim', 'v1'].map((name) => second.user(name)),
        outsider.user('stranger'),
        `@causeway:${ACME}`,
        `@ada:${ACME}`,
      ],
      servers: [ACME, ...attackers.map(({ name }) => name), 'nobody.example'],
      eventIds: this.heard,
      attackers,
    };
  }

  /** The gateway joins new rooms of `evil`, which answers by the scripted peer for as long as that takes. */
  async enterEvilRooms(stage: Stage): Promise<void> {
    const url = `http://127.0.0.1:${String(this.gateway.federationPort)}`;
    const hub = new Peer(this.evil.name, { keep: false, peers: { [ACME]: url } });
    this.evil.intercept = (request, response) => {
      hub.listener(request, response);
      return true;
    };
    for (let made = 0; made < EVIL_ROOMS; made++) {
      const { roomId, timeline } = await hub.createRoom({ creator: this.evil.user('boss'), joinRule: 'public' });
      await this.gateway.admin('POST', `rooms/${encodeURIComponent(roomId)}/join`, { via: this.evil.name });
      const [create, , power, rules] = timeline.map(eventId);
      stage.evilRooms.push({
        roomId,
        timeline,
        head: eventId(timeline.at(-1) ?? {}),
        authEvents: [create, power, rules].flatMap((id) => id ?? []),
        submitted: [],
      });
      this.note(...timeline.map(eventId));
    }
    this.evil.intercept = undefined;
    await hub.close();
  }

  private async makeStage({ rooms, reader, url }: TestGateway): Promise<Stage> {
    const { evil, second, friend } = this;
    const hubRoom = await rooms.create({ joinRule: 'public', name: 'Public' });
    const knockRoom = await rooms.create({ joinRule: 'knock', name: 'Knock' });
    const privateRoom = await rooms.create({ joinRule: 'public', name: this.secret });
    const power = (await reader.stateEvent(hubRoom, 'm.room.power_levels', ''))?.pdu.content;
    const users = { [rooms.bot]: 100, [evil.user('boss')]: BOSS_LEVEL };
    const levels = { roomId: hubRoom, sender: rooms.bot, type: 'm.room.power_levels', stateKey: '' };
    await rooms.send({ ...levels, content: { ...power, users } });
    for (const [server, name, roomId] of [
      [evil, 'boss', hubRoom],
      [evil, 'mallory', hubRoom],
      [second, 'victim', hubRoom],
      [friend, 'friend', privateRoom],
    ] as const) {
      this.settledLpdus.add(await joinByRequest(server, name, roomId, url));
    }
    const close = { roomId: privateRoom, sender: rooms.bot, type: 'm.room.join_rules', stateKey: '' };
    await rooms.send({ ...close, content: { join_rule: 'invite' } });
    const content = { msgtype: 'm.text', body: this.secret };
    await rooms.send({ roomId: privateRoom, sender: rooms.bot, type: 'm.room.message', content });
    for (const roomId of [hubRoom, privateRoom, knockRoom]) {
      this.note(...(await reader.eventsAfter(roomId, -1, 100)).map((event) => event.eventId));
    }
    return { hubRoom, knockRoom, privateRoom, evilRooms: [] };
  }

  private hear(body: Buffer): void {
    const { pdus = [] } = JSON.parse(body.toString()) as { pdus?: JsonObject[] };
    for (const pdu of pdus) {
      const room = this.stages.flatMap(({ evilRooms }) => evilRooms).find(({ roomId }) => roomId === pdu.room_id);
      if (room === undefined) this.note(eventId(pdu));
      else room.submitted.push(pdu);
    }
  }

  private note(...ids: string[]): void {
    this.heard.push(...ids);
    this.heard.splice(0, this.heard.length - KNOWN_IDS);
  }
}

/** Joins a user of a server to a room of a gateway at `url`. The LPDU hash of the join. */
export async function joinByRequest(server: Attacker, name: string, roomId: RoomId, url: string): Promise<string> {
  const user = server.user(name);
  const lpdu = server.lpdu({
    room_id: roomId,
    type: 'm.room.member',
    sender: user,
    state_key: user,
    origin_server_ts: Date.now(),
    hub_server: ACME,
    content: { membership: 'join' },
  });
  const uri = `${UNSTABLE}/send_join/${encodeURIComponent(eventId(lpdu))}`;
  const authorization = server.authorization(ACME, { method: 'POST', uri, content: lpdu });
  const body = JSON.stringify(lpdu);
  const response = await fetch(`${url}${uri}`, { method: 'POST', headers: { authorization }, body });
  if (!response.ok) throw new Error(`${user} may not join: ${await response.text()}`);
  return lpduHash(lpdu);
}
