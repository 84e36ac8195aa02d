import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { Clock } from './clock.js';
import { Database } from './database.js';
import { DeliveryEntity, DestinationEntity, LpduOutEntity, RoomGapEntity } from './entities/index.js';
import { unavailabilityOf } from './unavailability.js';

const LOOK_MS = 5_000;
/** Less is a correction that the waiting times can bear. */
const STEP_MS = 5_000;
/** The longest backoff. At a start what waits for longer than that waits for a time that an earlier clock gave. */
const LONGEST_WAIT_MS = 3_600_000;

/**
 * Times of next attempts stand in the database by the clock of the wall. When that is set back they lie far ahead, and what could
 * go at once would wait for hours: then everything that waits is tried again.
 */
@Injectable()
export class ClockSteps implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('ClockSteps');
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  /** The clock of the wall, less one that nobody sets. */
  private offset: number;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {
    this.offset = clock.now() - performance.now();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.tryAgain(LONGEST_WAIT_MS);
    this.timer = setInterval(() => {
      this.looking = this.look();
    }, LOOK_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  /** Never rejects: what fails because the database cannot be used is done at the next look. */
  private async look(): Promise<void> {
    const offset = this.clock.now() - performance.now();
    const stepMs = Math.round(offset - this.offset);
    try {
      if (stepMs < -STEP_MS) {
        this.logger.warn({ stepMs }, 'the clock was set back; everything that waits is tried again');
        await this.tryAgain(0);
      }
      this.offset = offset;
    } catch (error) {
      const reason = unavailabilityOf(error);
      if (reason === undefined) this.logger.error({ err: error }, 'what waits could not be tried again');
    }
  }

  private async tryAgain(afterMs: number): Promise<void> {
    const late = MoreThan(this.clock.now() + afterMs);
    await this.database.transaction(async (manager) => {
      await manager.update(DestinationEntity, { nextAttemptAt: late }, { nextAttemptAt: 0 });
      await manager.update(DeliveryEntity, { nextAttemptAt: late }, { nextAttemptAt: 0 });
      await manager.update(RoomGapEntity, { nextAttemptAt: late }, { nextAttemptAt: 0 });
      await manager.update(LpduOutEntity, { askAt: late }, { askAt: 0 });
    });
  }
}
