import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const SCRIPT = fileURLToPath(new URL('weather.mjs', import.meta.url));
/** Longer than a process takes to see it. */
const SEEN_MS = 200;

/** The clock and the DNS of gateway processes, in a test's hand. */
export class Weather {
  readonly nodeOptions = ['--import', SCRIPT];
  readonly env: { WEATHER: string };

  constructor(private readonly directory: string) {
    this.env = { WEATHER: join(directory, 'weather.json') };
    this.write({});
  }

  /** `clockMs`: how far ahead their clocks are. Resolves when they have seen it. */
  async set(weather: { clockMs?: number; dns?: 'down' }): Promise<void> {
    this.write(weather);
    await sleep(SEEN_MS);
  }

  private write(weather: object): void {
    const next = join(this.directory, 'weather.next');
    writeFileSync(next, JSON.stringify(weather));
    renameSync(next, this.env.WEATHER);
  }
}
