import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject, RoomId } from '../../src/protocol/index.js';
import type { PublicKeys } from './algorithms.js';
import { Attacker } from './attacker.js';
import { AdminRefusal, GatewayProcess, type Memory } from './gateway-process.js';
import { HostileInternet, HostileServer } from './hostile-server.js';
import { increase } from './counts.js';
import { audit, isOurJoin, readLogs, serverOf, wordsOf } from './log-audit.js';
import { growth } from './memory.js';
import type { Names } from './mutate-event.js';
import { Random } from './random.js';

const ACME = 'acme.example';
const BOT = `@causeway:${ACME}`;
const WORKERS = 4;
const LOOKS = 30;
/** Rounds in whose first third a gateway has warmed up. */
const SETTLED = 6_000;
const PATIENCE_MS = 60_000;
const SEND_PATIENCE_MS = 5_000;

export interface AnswersReport {
  rounds: number;
  seconds: number;
  faults: string[];
  memory: Memory[];
  /** What became of what our side wanted: `join ok`, `join 502`, … */
  outcomes: Map<string, number>;
  lies: Map<string, number>;
}

/** One server each, and what our admin wants of it. */
interface Round {
  server: HostileServer;
  boss: string;
  random: Random;
}

/** Lets a gateway ask servers that answer with lies, one server a round, and looks at what it made of them. */
export class AnswerCampaign {
  /** One a worker: what an answer does to its connection meets no other round. */
  private readonly internets = Array.from({ length: WORKERS }, () => new HostileInternet());
  private readonly directory = mkdtempSync(join(tmpdir(), 'causeway-answers-'));
  private readonly faults: string[] = [];
  private readonly memory: Memory[] = [];
  private readonly outcomes = new Map<string, number>();
  private readonly lies = new Map<string, number>();
  private readonly made = new Set<string>();
  private gateway!: GatewayProcess;
  private ourRoom = '' as RoomId;
  private played = 0;
  private looked = 0;

  constructor(
    private readonly seed: number,
    private readonly rounds: number,
  ) {}

  async run(): Promise<AnswersReport> {
    for (const internet of this.internets) await internet.listen();
    const places = Array.from({ length: this.rounds }, (_, index) => [
      nameOf(index),
      this.internets[index % WORKERS]?.url,
    ]);
    const peersFile = join(this.directory, 'peers.json'); // too many for an environment variable
    writeFileSync(peersFile, JSON.stringify(Object.fromEntries(places)));
    this.gateway = await new GatewayProcess(ACME, this.directory, {
      CAUSEWAY_FEDERATION_PEERS_FILE: peersFile,
      CAUSEWAY_FEDERATION_ALLOW: `${ACME},*.fuzz.example`,
    }).start();
    try {
      const { room_id: room } = await this.gateway.admin<{ room_id: RoomId }>('POST', 'rooms', { name: 'Ours' });
      this.ourRoom = room;
      const log = await this.gateway.admin<{ events: { event_id: string }[] }>('GET', `${pathOf(room)}/events`);
      for (const { event_id: id } of log.events) this.made.add(id);
      const started = performance.now();
      await Promise.all(this.internets.map((internet, worker) => this.work(internet, worker)));
      const seconds = (performance.now() - started) / 1_000;
      const keys = await this.publishedKeys();
      await this.look();
      await this.gateway.stop();
      this.auditLogs(keys);
      const { rounds, faults, memory, outcomes, lies } = this;
      return { rounds, seconds, faults: [...faults, ...growth(memory, rounds >= SETTLED)], memory, outcomes, lies };
    } finally {
      await this.gateway.stop();
      for (const internet of this.internets) await internet.close();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }

  private async work(internet: HostileInternet, worker: number): Promise<void> {
    for (let index = worker; index < this.rounds; index += WORKERS) {
      this.played += 1;
      const random = new Random(this.seed).fork(index);
      const name = nameOf(index);
      const boss = `@boss:${name}`;
      const names: Names = {
        rooms: [`!r:${name}`, this.ourRoom],
        users: [boss, `@eve:${name}`, BOT, `@ada:${ACME}`, `@x:${nameOf(0)}`],
        servers: [name, ACME, nameOf(0)],
        eventIds: [`$${random.word(43)}`],
        attackers: [new Attacker(name)],
      };
      const peers = { [ACME]: `http://127.0.0.1:${String(this.gateway.federationPort)}` };
      const server = new HostileServer(name, peers, names, random);
      internet.add(server);
      await this.play({ server, boss, random });
      await internet.remove(server);
      for (const lie of server.lies) increase(this.lies, lie);
      if (this.played >= ((this.looked + 1) * this.rounds) / LOOKS) await this.look();
    }
  }

  private async play(round: Round): Promise<void> {
    const [what, play] = round.random.weighted<[string, (round: Round) => Promise<void>]>([
      [10, ['join', (each) => this.join(each)]],
      [3, ['knock', (each) => this.knock(each)]],
      [3, ['leave', (each) => this.leave(each)]],
      [3, ['invite', (each) => this.invite(each)]],
      [4, ['say', (each) => this.say(each)]],
      [6, ['gap', (each) => this.gap(each)]],
      [2, ['alias', (each) => this.alias(each)]],
    ]);
    try {
      await play(round);
      increase(this.outcomes, `${what} ok`);
    } catch (error) {
      if (error instanceof AdminRefusal) {
        increase(this.outcomes, `${what} ${String(error.status)}`);
        if (error.status < 500 || error.status === 502) return;
      }
      this.faults.push(`${what} (${round.server.name}, ${round.server.lies.join('; ')}): ${String(error)}`);
    }
  }

  private async join({ server, boss, random }: Round): Promise<void> {
    server.lieAt(
      ...random.pick([['send_join'], ['send_join'], ['make_join'], ['keys'], ['make_join', 'send_join', 'keys']]),
    );
    const { roomId } = await server.peer.createRoom({ creator: boss, joinRule: 'public' });
    await this.admin('POST', `${pathOf(roomId)}/join`, { via: server.name });
  }

  private async knock({ server, boss, random }: Round): Promise<void> {
    server.lieAt(random.pick(['make_knock', 'send_knock']));
    const { roomId } = await server.peer.createRoom({ creator: boss, joinRule: 'knock' });
    await this.admin('POST', `${pathOf(roomId)}/knock`, { via: server.name });
  }

  private async leave({ server, boss, random }: Round): Promise<void> {
    const room = await server.peer.createRoom({ creator: boss, joinRule: 'invite' });
    await room.invite(BOT);
    server.lieAt(random.pick(['make_leave', 'send_leave']));
    await this.admin('POST', `${pathOf(room.roomId)}/leave`, {});
  }

  private async invite({ server }: Round): Promise<void> {
    server.lieAt('invite');
    const invited = `@boss:${server.name}`;
    this.made.add(`invite ${invited}`);
    await this.admin('POST', `${pathOf(this.ourRoom)}/invite`, { user_id: invited });
  }

  private async say({ server, boss, random }: Round): Promise<void> {
    const { roomId } = await server.peer.createRoom({ creator: boss, joinRule: 'public' });
    await this.admin('POST', `${pathOf(roomId)}/join`, { via: server.name });
    server.lieAt('send');
    const text = `the admin says ${random.word()}`;
    this.made.add(text);
    const answered = new Promise((resolve) => {
      server.on('answered', (endpoint) => endpoint === 'send' && resolve(true));
    });
    await this.admin('POST', `${pathOf(roomId)}/send`, { text });
    await Promise.race([answered, sleep(SEND_PATIENCE_MS)]);
  }

  /** The hub tells of its last event alone, and gives lies for what lies before it. */
  private async gap({ server, boss, random }: Round): Promise<void> {
    const { roomId, timeline } = await server.peer.createRoom({ creator: boss, joinRule: 'public' });
    await this.admin('POST', `${pathOf(roomId)}/join`, { via: server.name });
    server.lieAt('backfill');
    for (let said = random.between(2, 5); said > 0; said--) await server.peer.say(roomId, `hello ${random.word()}`);
    const { status, text } = await server.peer.send(ACME, timeline.slice(-1));
    if (status !== 200) throw new Error(`send: ${String(status)} ${text}`);
  }

  private async alias({ server }: Round): Promise<void> {
    server.lieAt('query');
    await this.admin('GET', `aliases/${encodeURIComponent(`#room:${server.name}`)}`);
  }

  private async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const late = sleep(PATIENCE_MS, 'late', { ref: false });
    const answer = await Promise.race([this.gateway.admin(method, path, body), late]);
    if (answer === 'late') throw new Error('it hangs');
    return answer;
  }

  private async look(): Promise<void> {
    this.looked += 1;
    const fault = await this.gateway.fault();
    if (fault !== undefined)
      throw new Error(
        `in round ${String(this.played)} (seed ${String(this.seed)}): ${fault}; ${this.faults.join('; ')}`,
      );
    this.memory.push(await this.gateway.memory());
  }

  private async publishedKeys(): Promise<PublicKeys> {
    const url = `http://127.0.0.1:${String(this.gateway.federationPort)}/_matrix/key/v2/server`;
    const { verify_keys: keys } = (await (await fetch(url)).json()) as { verify_keys: Record<string, { key: string }> };
    return Object.fromEntries(Object.entries(keys).map(([id, { key }]) => [id, key]));
  }

  private auditLogs(ours: PublicKeys): void {
    const { rows, hubs } = readLogs(join(this.directory, 'data/causeway.sqlite'));
    const keysOf = (server: string): PublicKeys => {
      if (server === ACME) return ours;
      const { key } = new Attacker(server);
      return { [key.keyId]: key.public };
    };
    const made = (event: JsonObject, id: string): boolean =>
      this.made.has(id) || this.made.has(wordsOf(event)) || isOurJoin(event);
    this.faults.push(...audit(rows, hubs, { ours: ACME, keysOf, delivered: () => false, made }));
    for (const { event, roomId, eventId: id } of rows) {
      const hub = event.type === 'm.room.create' ? hubs.get(roomId) : undefined;
      if (hub !== undefined && serverOf(event.sender) !== hub) this.faults.push(`${id}: ${hub} is no hub of ${roomId}`);
    }
  }
}

const nameOf = (index: number): string => `h${String(index)}.fuzz.example`;

const pathOf = (roomId: string): string => `rooms/${encodeURIComponent(roomId)}`;
