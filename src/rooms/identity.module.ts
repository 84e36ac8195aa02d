import { Global, Logger, Module } from '@nestjs/common';
import { Configuration } from '../config/index.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { Wakeups } from '../persistence/wakeups.js';
import { ServerIdentity } from './server-identity.js';

/** Who we are: apart from the rooms, because the federation client needs it, and the rooms need the federation client. */
@Global()
@Module({
  providers: [
    {
      provide: ServerIdentity,
      inject: [Database, Wakeups, Clock, Configuration],
      useFactory: async (
        database: Database,
        wakeups: Wakeups,
        clock: Clock,
        { serverName, signingKeySecret }: Configuration,
      ) => {
        const identity = await ServerIdentity.load(database, wakeups, clock, serverName, signingKeySecret);
        const reload = (): void => {
          identity.reload().catch((error: unknown) => {
            new Logger('ServerIdentity').error({ err: error }, 'our keys could not be read again');
          });
        };
        wakeups.on('keys', reload);
        wakeups.onMissed(reload);
        return identity;
      },
    },
  ],
  exports: [ServerIdentity],
})
export class IdentityModule {}
