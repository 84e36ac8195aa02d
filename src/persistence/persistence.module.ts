import { type DynamicModule, Module } from '@nestjs/common';
import type { DatabaseLocation } from '../config/index.js';
import { ClockSteps } from './clock-steps.js';
import { Clock, SystemClock } from './clock.js';
import { Database } from './database.js';
import { GatewayName } from './gateway-name.js';
import { Leases } from './leases.js';
import { openDatabase } from './open-database.js';
import { Retention } from './retention.js';
import { Secrets } from './secrets.js';
import { Sequence } from './sequence.js';
import { WakeupRelay } from './wakeup-relay.js';
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
        GatewayName,
        {
          provide: Wakeups,
          inject: [Database, GatewayName],
          useFactory: (database: Database, gateway: GatewayName) =>
            new Wakeups(database, location.kind === 'postgres' ? new WakeupRelay(location.url, gateway) : undefined),
        },
        Leases,
        Retention,
        Secrets,
        Sequence,
        ClockSteps,
      ],
      exports: [Database, Clock, Leases, Secrets, Sequence, Wakeups],
    };
  }
}
