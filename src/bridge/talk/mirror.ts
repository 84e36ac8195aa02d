import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { RoomMappings } from '../../mapping/room-mappings.js';
import { UserMappings } from '../../mapping/user-mappings.js';
import { Leases } from '../../persistence/leases.js';
import { Loops } from '../../persistence/loops.js';
import { Tasks } from '../../persistence/tasks.js';
import { Wakeups } from '../../persistence/wakeups.js';
import { Platforms } from '../../platform/platforms.js';
import { PlatformError } from '../../platform/port.js';
import { RoomRefusal, Rooms } from '../../rooms/rooms.js';

/** How soon to look again who is in a channel: what events tell needs no looking. */
const EVERY_MS = 10 * 60_000;
const FAILED_RETRY_MS = 30_000;
/** More people of a channel are not mirrored: each is an event that every server of the room has to take. */
const MAX_MEMBERS = 500;

/** Makes everybody who is in a native channel a member of its room, where the mapping says so: also those who were there before. */
@Injectable()
export class Mirror implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Mirror');
  private readonly loops: Loops<string>;
  /** What fails here is looked for again when something wakes it. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for what mirrors failed');
  });

  constructor(
    leases: Leases,
    private readonly wakeups: Wakeups,
    private readonly mappings: RoomMappings,
    private readonly platforms: Platforms,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
  ) {
    this.loops = new Loops<string>(
      leases,
      'mirror',
      (id) => this.run(id),
      (mappingId, error) => {
        if (error instanceof PlatformError) this.logger.warn({ mappingId, reason: error.message }, 'not mirrored yet');
        else this.logger.error({ mappingId, err: error }, 'mirroring the people of a channel failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  onApplicationBootstrap(): void {
    const look = (): void => {
      if (!this.loops.stopped) this.background.add(this.startAll());
    };
    this.wakeups.on('policy', (mappingId) => {
      this.loops.start(mappingId);
    });
    this.wakeups.on('lease', look);
    this.wakeups.onMissed(look);
    look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loops.stop();
    await this.background.settled();
  }

  private async startAll(): Promise<void> {
    for (const { id, membershipMode } of await this.mappings.all()) {
      if (membershipMode === 'mirror') this.loops.startUnlessWaiting(id);
    }
  }

  private async run(id: string): Promise<number | undefined> {
    const mapping = await this.mappings.find(id);
    if (mapping?.membershipMode !== 'mirror') return undefined;
    const platform = this.platforms.find(mapping.platform, mapping.workspace);
    if (platform?.can.members === undefined || mapping.state !== 'active') return EVERY_MS;
    const people = (await platform.can.members(mapping.channelId)).filter(({ bot }) => bot !== true);
    if (people.length > MAX_MEMBERS) {
      this.logger.warn({ mappingId: id, people: people.length }, `of a channel ${String(MAX_MEMBERS)} are mirrored`);
    }
    for (const person of people.slice(0, MAX_MEMBERS)) {
      if (this.loops.stopped) return undefined;
      const userId = await this.users.ensure(mapping, person);
      try {
        await this.rooms.ensureJoined(mapping.roomId, userId, person.displayName);
      } catch (error) {
        if (!(error instanceof RoomRefusal)) throw error;
        this.logger.warn({ mappingId: id, userId, reason: error.message }, 'somebody could not be mirrored');
      }
    }
    return EVERY_MS;
  }
}
