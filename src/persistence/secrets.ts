import { Inject, Injectable } from '@nestjs/common';
import { Mutex } from 'async-mutex';
import { Configuration } from '../config/index.js';
import { Clock } from './clock.js';
import { Database } from './database.js';
import { SecretEntity } from './entities/index.js';
import { Leases } from './leases.js';
import { CannotOpen, seal, unseal } from './sealing.js';

/** Secrets that come while the gateway runs (tokens of an installation), by name; sealed when SIGNING_KEY_SECRET is set. */
@Injectable()
export class Secrets {
  private readonly turns = new Map<string, Mutex>();

  constructor(
    @Inject(Configuration) private readonly configuration: Pick<Configuration, 'signingKeySecret'>,
    private readonly database: Database,
    private readonly leases: Leases,
    private readonly clock: Clock,
  ) {}

  /** Rejects when it is sealed and does not open. */
  async read(name: string): Promise<string | undefined> {
    const row = await this.database.read.findOneBy(SecretEntity, { name });
    if (row === null) return undefined;
    try {
      return Buffer.from(unseal(row.value, this.configuration.signingKeySecret)).toString('utf8');
    } catch (error) {
      throw error instanceof CannotOpen ? new Error(`the secret ${name} ${error.message}`) : error;
    }
  }

  async write(name: string, value: string): Promise<void> {
    const sealed = seal(Buffer.from(value), this.configuration.signingKeySecret);
    await this.database.transaction((manager) =>
      manager.upsert(SecretEntity, { name, value: sealed, changedAt: this.clock.now() }, ['name']),
    );
  }

  /** Only one at a time, here and in other processes, changes a secret that can be changed once. Rejects when `signal` aborts. */
  async exclusively<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    // A process that holds a lease holds it for all that it does.
    const turn = this.turns.get(name) ?? new Mutex();
    this.turns.set(name, turn);
    return turn.runExclusive(async () => {
      const { resource } = await this.leases.acquired(`secret/${name}`, signal);
      try {
        return await work();
      } finally {
        await this.leases.release([resource]);
      }
    });
  }
}
