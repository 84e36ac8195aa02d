import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../../src/protocol/index.js';
import type { PublicKeys } from './algorithms.js';
import type { FuzzRequest } from './compose.js';
import { AdminRefusal, type Memory } from './gateway-process.js';
import { increase } from './counts.js';
import { audit, countRows, isOurJoin, readLogs, serverOf, wordsOf } from './log-audit.js';
import { growth } from './memory.js';
import { faultOf } from './oracle.js';
import { Random } from './random.js';
import { scenario } from './scenarios.js';
import { Wire, type WireAnswer } from './wire.js';
import { ACME, type Stage, World } from './world.js';

const WORKERS = 8;
const PER_STAGE = 10_000;
const LOOKS = 100;
/** Requests in whose first third a gateway has warmed up. */
const SETTLED = 40_000;
const MAX_FAULTS = 20;

export interface Finding {
  what: string;
  endpoint: string;
  mutations: string[];
  /** Number of the scenario that it was part of: the same seed makes it again. */
  index: number;
  seed: number;
  /** Hex of the bytes that were sent. */
  request: string;
}

export interface Report {
  seed: number;
  requests: number;
  seconds: number;
  findings: Finding[];
  /** Of the logs, and of the process. */
  faults: string[];
  memory: Memory[];
  /** `endpoint status`, or `endpoint right status` for requests that were not mutated. */
  answers: Map<string, number>;
  mutations: Map<string, number>;
  rows: Record<string, number>;
  warnings: Map<string, number>;
}

/** Sends mutated requests to a gateway of its own, and judges every answer, the process, and in the end the rooms. */
export class Campaign {
  private readonly world = new World();
  private readonly random: Random;
  private readonly findings: Finding[] = [];
  private readonly memory: Memory[] = [];
  private readonly answers = new Map<string, number>();
  private readonly mutations = new Map<string, number>();
  private readonly delivered = new Map<string, Set<string>>();
  private readonly made = new Set<string>();
  private index = 0;
  private sent = 0;
  private looked = 0;

  constructor(
    private readonly seed: number,
    private readonly requests: number,
    private readonly reportDirectory: string,
    private readonly progress: (line: string) => void,
  ) {
    this.random = new Random(seed);
  }

  async run(): Promise<Report> {
    const { world } = this;
    await world.start(Math.ceil(this.requests / PER_STAGE));
    const faults: string[] = [];
    try {
      for (const { eventId, event } of readLogs(world.databasePath).rows) if (isOurs(event)) this.made.add(eventId);
      const started = performance.now();
      for (const [number, stage] of world.stages.entries()) {
        await world.enterEvilRooms(stage);
        await this.attack(stage, Math.min(this.requests, (number + 1) * PER_STAGE));
      }
      const seconds = (performance.now() - started) / 1_000;
      await this.look();
      const fault = await world.gateway.fault();
      if (fault !== undefined) faults.push(fault);
      await world.gateway.stop();
      faults.push(...this.auditLogs(), ...growth(this.memory, this.requests >= SETTLED));
      return {
        seed: this.seed,
        requests: this.sent,
        seconds,
        findings: this.findings,
        faults,
        memory: this.memory,
        answers: this.answers,
        mutations: this.mutations,
        rows: countRows(world.databasePath),
        warnings: world.gateway.warnings,
      };
    } finally {
      await world.close();
    }
  }

  private async attack(stage: Stage, until: number): Promise<void> {
    const worker = async (): Promise<void> => {
      const wires = Array.from({ length: 3 }, () => new Wire(this.world.gateway.federationPort));
      while (this.sent < until && this.findings.length < MAX_FAULTS) {
        const index = this.index++;
        const random = this.random.fork(index);
        if (random.chance(0.005)) await this.administer(stage, random);
        for (const step of scenario(this.world, stage, random)) {
          await Promise.all(step.map((request, at) => this.exchange(request, wires[at % wires.length], index)));
        }
        if (this.sent >= ((this.looked + 1) * this.requests) / LOOKS) await this.look();
      }
      for (const wire of wires) wire.close();
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
  }

  private async exchange(request: FuzzRequest, wire: Wire | undefined, index: number): Promise<void> {
    if (wire === undefined) return;
    this.sent += 1;
    for (const hash of request.carries) {
      if (request.signer === undefined) break;
      this.delivered.set(hash, (this.delivered.get(hash) ?? new Set()).add(request.signer.name));
    }
    const answer = await wire.exchange(request);
    this.count(request, answer);
    if (answer.kind === 'answer') request.answered?.(answer.status, answer.body);
    const what = faultOf(request, answer, this.world);
    if (what !== undefined) this.find(what, request, index);
  }

  private count({ endpoint, mutations }: FuzzRequest, answer: WireAnswer): void {
    const outcome = answer.kind === 'answer' ? String(answer.status) : answer.kind;
    increase(this.answers, `${endpoint} ${mutations.length === 0 ? 'right ' : ''}${outcome}`);
    for (const mutation of mutations) increase(this.mutations, mutation);
  }

  private find(what: string, { endpoint, mutations, bytes }: FuzzRequest, index: number): void {
    const finding = { what, endpoint, mutations, index, seed: this.seed, request: bytes.toString('hex') };
    this.findings.push(finding);
    mkdirSync(this.reportDirectory, { recursive: true });
    const name = `${String(this.seed)}-${String(index)}-${String(this.findings.length)}.json`;
    this.progress(`${what}: ${endpoint}, ${mutations.join('; ')}, ${name}`);
    writeFileSync(join(this.reportDirectory, name), `${JSON.stringify(finding, null, 2)}\n`);
  }

  /** Is it well, and how large is it? */
  private async look(): Promise<void> {
    this.looked += 1;
    const fault = await this.world.gateway.fault();
    if (fault !== undefined)
      throw new Error(`after ${String(this.sent)} requests (seed ${String(this.seed)}): ${fault}`);
    const memory = await this.world.gateway.memory();
    this.memory.push(memory);
    this.progress(`${String(this.sent)} sent, ${(memory.rss / 2 ** 20).toFixed(0)} MiB`);
  }

  /** What the gateway's own people do meanwhile: all that may be said in their names. */
  private async administer(stage: Stage, random: Random): Promise<void> {
    const { evil, gateway } = this.world;
    const roomId = random.chance(0.4) ? stage.hubRoom : random.pick(stage.evilRooms)?.roomId;
    if (roomId === undefined) return;
    const user = evil.user(`u${String(random.below(4))}`);
    const path = `rooms/${encodeURIComponent(roomId)}`;
    try {
      if (random.chance(0.6)) {
        const text = `the admin says ${random.word()}`;
        this.made.add(text);
        await gateway.admin('POST', `${path}/send`, { text });
      } else {
        const how = random.pick(['invite', 'kick', 'ban'] as const);
        this.made.add(`${how === 'kick' ? 'leave' : how} ${user}`);
        await gateway.admin('POST', `${path}/${how}`, { user_id: user });
      }
    } catch (error) {
      if (!(error instanceof AdminRefusal) || (error.status >= 500 && error.status !== 502)) throw error;
    }
  }

  private auditLogs(): string[] {
    const { rows, hubs } = readLogs(this.world.databasePath);
    const keys = new Map<string, PublicKeys>(
      [...this.world.attackers, this.world.friend].map(({ name, key }) => [name, { [key.keyId]: key.public }]),
    );
    keys.set(ACME, this.world.gatewayKeys);
    return audit(rows, hubs, {
      ours: ACME,
      keysOf: (server) => keys.get(server) ?? {},
      delivered: (hash, server) => this.delivered.get(hash)?.has(server) === true || this.world.settledLpdus.has(hash),
      made: (event, id) => this.made.has(id) || this.made.has(wordsOf(event)) || isOurJoin(event),
    });
  }
}

const isOurs = ({ sender }: JsonObject): boolean => serverOf(sender) === ACME;
