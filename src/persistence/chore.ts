import { Logger } from '@nestjs/common';
import type { Lease, Leases } from './leases.js';
import { Loops } from './loops.js';
import type { Wakeups } from './wakeups.js';

/** What one of the gateway processes, whichever, does now and then. */
export class Chore {
  private readonly loops: Loops<'all'>;

  constructor(
    leases: Leases,
    private readonly wakeups: Wakeups,
    { name, everyMs, work }: { name: string; everyMs: number; work: (lease: Lease) => Promise<void> },
  ) {
    this.loops = new Loops<'all'>(
      leases,
      name,
      async (_all, lease) => {
        await work(lease);
        return everyMs;
      },
      (_all, error) => {
        new Logger('Chore').error({ chore: name, err: error }, 'it failed, and is tried again');
        return everyMs;
      },
    );
  }

  start(): void {
    const start = (): void => {
      this.loops.start('all');
    };
    this.wakeups.on('lease', start); // whoever did it may be gone
    this.wakeups.onMissed(start);
    start();
  }

  stop(): Promise<void> {
    return this.loops.stop();
  }
}
