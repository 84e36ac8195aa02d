import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Tasks } from '../persistence/tasks.js';
import type { EventId, Pdu, RoomId } from '../protocol/index.js';
import { algorithmsOf, isHubsFault } from './bad-hub-answer.js';
import { Gaps } from './gaps.js';
import { HubChain } from './hub-chain.js';
import type { FollowedRoom } from './hub-events.js';
import { HubHistory } from './hub-history.js';
import { Incidents } from './incidents.js';
import { RemoteRefusal, RemoteServers, RemoteUnavailable } from './remote-servers.js';
import { RoomReader } from './room-reader.js';

/**
 * Asks after a fork. What lies between its branches would show no gap: it is taken from the hub's log. And it tells a hub that
 * forks its chain (which honest ones do under load) from one that says something else to us than to others: the one has both
 * events, the other denies what it gave us before.
 */
@Injectable()
export class ForkChecks implements OnModuleInit {
  private readonly logger = new Logger('ForkChecks');
  private readonly running = new Set<RoomId>();
  private readonly tasks = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking after a fork failed');
  });

  constructor(
    private readonly chain: HubChain,
    private readonly gaps: Gaps,
    private readonly history: HubHistory,
    private readonly reader: RoomReader,
    private readonly remote: RemoteServers,
    private readonly incidents: Incidents,
  ) {}

  onModuleInit(): void {
    this.chain.onFork((room, fork, prev) => {
      const { roomId } = room;
      // One question at a time and room: a hub that forks again and again is not asked again and again.
      if (this.running.has(roomId)) return;
      this.running.add(roomId);
      this.tasks.add(this.ask(room, fork, prev).finally(() => this.running.delete(roomId)));
    });
  }

  settled(): Promise<void> {
    return this.tasks.settled();
  }

  private async ask(room: FollowedRoom, fork: Pdu, prev: EventId): Promise<void> {
    await this.check(room, fork, prev);
    try {
      const between = await this.history.between(room, prev, algorithmsOf(room.version).eventIdOf(fork));
      await this.gaps.apply(room, between);
    } catch (error) {
      if (!isHubsFault(error)) throw error;
      this.logger.debug({ roomId: room.roomId, reason: error.message }, 'the hub does not say what else it appended');
    }
  }

  private async check(room: FollowedRoom, fork: Pdu, prev: EventId): Promise<void> {
    const { roomId, hubServer: server, version } = room;
    const before = await this.reader.event(prev);
    const [given] = before === undefined ? [] : await this.reader.eventsAfter(roomId, before.position, 1);
    if (given?.pdu.prev_events[0] !== prev) return;
    if (!(await this.denies(room, given.eventId))) return;
    await this.incidents.record({
      kind: 'equivocation',
      server,
      roomId,
      eventId: algorithmsOf(version).eventIdOf(fork),
      detail: `after ${prev} it gave ${given.eventId}, which it denies now, and then another`,
      evidence: { received: [fork], known: [given.pdu] },
    });
  }

  private async denies({ hubServer }: FollowedRoom, eventId: EventId): Promise<boolean> {
    try {
      await this.remote.event(hubServer, eventId);
      return false;
    } catch (error) {
      if (error instanceof RemoteRefusal) return error.status === 404 && error.errcode === 'M_NOT_FOUND';
      if (error instanceof RemoteUnavailable) return false;
      throw error;
    }
  }
}
