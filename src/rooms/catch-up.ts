import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { LpduOutEntity, type RoomEntity } from '../persistence/entities/index.js';
import { type EventId, type Pdu, type RoomId, type ServerName, eventIdOf } from '../protocol/index.js';
import { BadHubAnswer, Participant } from './participant.js';
import { RemoteRefusal, RemoteServers, RemoteUnavailable } from './remote-servers.js';
import { RoomReader } from './room-reader.js';
import { ServerIdentity } from './server-identity.js';

/** A hub that tells us of what it appended has done so by then. */
const ECHO_MS = 5_000;
const RETRY = { firstMs: 5_000, longestMs: 3_600_000 };
const MAX_SWEEP_PAGES = 500;

/**
 * Asks a hub for what it may have appended without telling us (profile §5). A chain without forks shows each gap by itself; this
 * is for the rest: an event of ours that does not come back (some hubs do not tell a server of its own last leave), one
 * that was refused (some do not tell it that it was removed), and events between the branches of a fork.
 */
@Injectable()
export class CatchUp implements OnModuleInit {
  private readonly logger = new Logger('CatchUp');
  private readonly refused = new Set<RoomId>();
  private readonly waits = new Map<RoomId, { failures: number; until: number }>();

  constructor(
    private readonly database: Database,
    private readonly participant: Participant,
    private readonly reader: RoomReader,
    private readonly remote: RemoteServers,
    private readonly identity: ServerIdentity,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.participant.onRefused((_manager, { roomId }) => {
      this.refused.add(roomId);
      return Promise.resolve();
    });
  }

  /** Called now and then. Asks where there is a reason to; never rejects for what a hub answers. */
  async run(): Promise<void> {
    for (const [roomId, since] of this.participant.takeForks()) {
      await this.ask(roomId, (room, head) => this.sweep(room, head, since));
    }
    const refused = [...this.refused];
    this.refused.clear();
    for (const roomId of refused) await this.ask(roomId, (room, head) => this.compareState(room, head));
    await this.askForEchoes();
  }

  /**
   * Reads what a hub appended to rooms since we last heard of them. Whether it could be done: the draft has no way to ask where a
   * log ends, but a make_join of some hubs tells (profile §5).
   */
  async readAll(hub: ServerName, roomIds: readonly RoomId[]): Promise<boolean> {
    let all = true;
    for (const roomId of roomIds) {
      let done = false;
      await this.ask(roomId, async (room, head) => {
        const [user] = await this.reader.joinedUsers(roomId, this.identity.serverName);
        if (user === undefined || room.hubServer !== hub) return;
        const { headEventId } = await this.remote.makeMember('join', hub, roomId, user);
        if (headEventId === undefined) return;
        await this.sweep(room, headEventId, head);
        done = true;
      });
      all &&= done;
    }
    return all;
  }

  private async askForEchoes(): Promise<void> {
    const now = this.clock.now();
    const rows = await this.database.read.find(LpduOutEntity, {
      select: { roomId: true, hubServer: true },
      where: { state: 'sent', createdAt: LessThan(now - ECHO_MS) },
    });
    const rooms = new Map(rows.map(({ roomId, hubServer }) => [roomId, hubServer]));
    for (const roomId of this.waits.keys()) if (!rooms.has(roomId)) this.waits.delete(roomId);
    for (const [roomId, hub] of rooms) {
      const { failures, until } = this.waits.get(roomId) ?? { failures: 0, until: 0 };
      if (until > now) continue;
      this.waits.set(roomId, { failures: failures + 1, until: now + backoff(RETRY, failures + 1) });
      if (await this.readAll(hub, [roomId])) continue;
      await this.ask(roomId, (room, head) => this.compareState(room, head));
    }
  }

  private async ask(roomId: RoomId, question: (room: RoomEntity, head: EventId) => Promise<void>): Promise<void> {
    const room = await this.reader.room(roomId);
    if (room?.role !== 'participant' || room.standing !== 'joined' || room.headEventId === null) return;
    try {
      await question(room, room.headEventId);
    } catch (error) {
      if (!isAnswer(error)) throw error;
      this.logger.debug({ roomId, reason: error.message }, 'the hub does not say what it appended');
    }
  }

  private async compareState(room: RoomEntity, head: EventId): Promise<void> {
    await this.take(room, await this.participant.hubState(room, head));
  }

  /** Reads the hub's log backwards from one event to another. */
  private async sweep(room: RoomEntity, head: EventId, since: EventId): Promise<void> {
    let from: EventId | undefined = head;
    for (let pages = 0; from !== undefined && pages < MAX_SWEEP_PAGES; pages++) {
      const pdus = await this.participant.history(room, from);
      await this.take(room, pdus);
      const ids = pdus.map((pdu) => eventIdOf(pdu));
      from = ids.includes(since) || ids[0] === from ? undefined : ids[0];
    }
  }

  private async take(room: RoomEntity, pdus: readonly Pdu[]): Promise<void> {
    const unknown = await this.participant.unknownOf(room, pdus);
    if (unknown.length > 0) await this.participant.receive(room, room.hubServer, unknown);
  }
}

const isAnswer = (error: unknown): error is Error =>
  error instanceof RemoteRefusal || error instanceof RemoteUnavailable || error instanceof BadHubAnswer;
