import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { UserMappings } from '../../mapping/user-mappings.js';
import { Clock } from '../../persistence/clock.js';
import { type Lease, Leases } from '../../persistence/leases.js';
import { Loops } from '../../persistence/loops.js';
import { Tasks } from '../../persistence/tasks.js';
import { Wakeups } from '../../persistence/wakeups.js';
import type { UserId } from '../../protocol/index.js';
import { Profiles } from '../../rooms/profiles.js';
import { Rooms } from '../../rooms/rooms.js';
import { type Arrival, InboundHandlers } from '../inbound-handlers.js';
import { Inbox } from '../inbox.js';
import { Submissions } from '../submissions.js';

/** Whoever changes their name over and over is followed at this pace, to where they are then: rooms are not filled with names. */
const PACE_MS = 10_000;
const PENDING_RETRY_MS = 1_000;
const FAILED_RETRY_MS = 5_000;
/** A wake-up may be lost; this is how long it can matter. */
const POLL_MS = 30_000;

/** What people are called in the chat is what they are called in all of their rooms. */
@Injectable()
export class ProfileChanges implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('ProfileChanges');
  private readonly loops: Loops<string>;
  private readonly followed = new Map<string, number>();
  /** What fails here is looked for again by the poll. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for new names failed');
  });
  private poll: NodeJS.Timeout | undefined;

  constructor(
    leases: Leases,
    private readonly handlers: InboundHandlers,
    private readonly inbox: Inbox,
    private readonly submissions: Submissions,
    private readonly users: UserMappings,
    private readonly profiles: Profiles,
    private readonly rooms: Rooms,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<string>(
      leases,
      'profile',
      (userId, lease) => this.run(userId as UserId, lease),
      (userId, error) => {
        this.logger.error({ userId, err: error }, 'giving somebody their new name failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  onModuleInit(): void {
    this.handlers.register('profile', {
      lane: 'person',
      needsMapping: false,
      carry: async (arrival) => {
        await this.carry(arrival);
        return undefined;
      },
    });
  }

  onApplicationBootstrap(): void {
    const look = (): void => {
      if (!this.loops.stopped) this.background.add(this.startWaiting());
    };
    this.wakeups.on('profile', (userId) => {
      this.loops.startUnlessWaiting(userId);
    });
    this.wakeups.on('lease', look);
    this.wakeups.onMissed(look);
    this.poll = setInterval(look, POLL_MS);
    look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.poll);
    await this.loops.stop();
    await this.background.settled();
  }

  /** Of people who have said nothing yet the name comes with their first word. */
  private async carry(arrival: Arrival<'profile'>): Promise<void> {
    const { event, row, lease } = arrival;
    const [known] = await this.users.ofNative(row, [event.user.id]);
    if (known === undefined) return this.submissions.ignore(arrival, 'this person is not known yet');
    await lease.transaction(async (manager) => {
      await this.users.change(manager, known, event.user);
      await this.inbox.settle(manager, row, { state: 'carried' });
    });
  }

  private async startWaiting(): Promise<void> {
    for (const { userId } of await this.users.stale()) this.loops.startUnlessWaiting(userId);
  }

  private async run(userId: UserId, lease: Lease): Promise<number | undefined> {
    const early = (this.followed.get(userId) ?? -Infinity) + PACE_MS - this.clock.now();
    if (early > 0) return early;
    const person = await this.users.find(userId);
    if (person?.staleProfile !== true) {
      this.followed.delete(userId);
      return undefined;
    }
    this.followed.set(userId, this.clock.now());
    let pending = false;
    for (const roomId of await this.profiles.roomsOf(userId)) {
      if (this.loops.stopped) return undefined;
      const change = await this.profiles.change(roomId, userId, { displayName: person.displayName });
      if (change === 'pending') pending = true;
      else if (change !== undefined) await this.rooms.send(change); // a room that refuses it keeps the old name
    }
    if (pending) {
      this.followed.delete(userId);
      return PENDING_RETRY_MS;
    }
    await lease.transaction((manager) => this.users.followed(manager, person));
    return PACE_MS;
  }
}
