import { type DynamicModule, Module } from '@nestjs/common';
import type { DatabaseLocation } from '../config/index.js';
import { Clock, SystemClock } from './clock.js';
import { Database } from './database.js';
import { openDatabase } from './open-database.js';
import { Sequence } from './sequence.js';
import { Wakeups } from './wakeups.js';

@Module({})
export class PersistenceModule {
  static forRoot(location: DatabaseLocation): DynamicModule {
    return {
      module: PersistenceModule,
      global: true,
      providers: [
        { provide: Database, useFactory: () => openDatabase(location) },
        { provide: Clock, useClass: SystemClock },
        Sequence,
        Wakeups,
      ],
      exports: [Database, Clock, Sequence, Wakeups],
    };
  }
}
