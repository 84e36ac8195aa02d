import { Global, Module } from '@nestjs/common';
import { Configuration } from '../config/index.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { ServerIdentity } from './server-identity.js';

/** Who we are: apart from the rooms, because the federation client needs it, and the rooms need the federation client. */
@Global()
@Module({
  providers: [
    {
      provide: ServerIdentity,
      inject: [Database, Clock, Configuration],
      useFactory: (database: Database, clock: Clock, { serverName, signingKeySecret }: Configuration) =>
        ServerIdentity.load(database, clock, serverName, signingKeySecret),
    },
  ],
  exports: [ServerIdentity],
})
export class IdentityModule {}
