import { Module } from '@nestjs/common';
import { MappingModule } from '../mapping/mapping.module.js';
import { FederationClientModule } from './client/federation-client.module.js';
import { Destinations } from './delivery/destinations.js';
import { EphemeralSender } from './delivery/ephemeral-sender.js';
import { FederationSender } from './delivery/federation-sender.js';
import { OutgoingTransactions } from './delivery/outgoing-transactions.js';
import type { FederationController } from './edge/call.js';
import { FEDERATION_CONTROLLERS, FederationServer } from './edge/federation-server.js';
import { HistoryController } from './edge/history.controller.js';
import { Invitations } from './edge/invitations.js';
import { KeysController } from './edge/keys.controller.js';
import { MediaController } from './edge/media.controller.js';
import { MembershipController } from './edge/membership.controller.js';
import { NotaryController } from './edge/notary.controller.js';
import { QueryController } from './edge/query.controller.js';
import { RateLimits } from './edge/rate-limits.js';
import { RequestAuthenticator } from './edge/request-authenticator.js';
import { SendController } from './edge/send.controller.js';
import { Transactions } from './edge/transactions.js';

const CONTROLLERS = [
  KeysController,
  NotaryController,
  SendController,
  HistoryController,
  MembershipController,
  QueryController,
  MediaController,
];

/** The edge: what other servers ask of us, and what we send them. */
@Module({
  imports: [FederationClientModule, MappingModule],
  providers: [
    ...CONTROLLERS,
    {
      provide: FEDERATION_CONTROLLERS,
      inject: CONTROLLERS,
      useFactory: (...controllers: FederationController[]) => controllers,
    },
    Destinations,
    EphemeralSender,
    FederationSender,
    FederationServer,
    Invitations,
    OutgoingTransactions,
    RateLimits,
    RequestAuthenticator,
    Transactions,
  ],
  exports: [Destinations, FederationServer, FederationClientModule],
})
export class FederationModule {}
