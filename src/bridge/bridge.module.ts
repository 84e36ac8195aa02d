import { Module } from '@nestjs/common';
import { MappingModule } from '../mapping/mapping.module.js';
import { PlatformModule } from '../platform/platform.module.js';
import { Bridge } from './bridge.js';
import { Delays } from './delays.js';
import { Deliveries } from './deliveries.js';
import { IncidentPauses } from './incident-pauses.js';
import { Drafts } from './drafts.js';
import { EphemeralLane } from './ephemeral-lane.js';
import { Inbound } from './inbound.js';
import { InboundHandlers } from './inbound-handlers.js';
import { InboundMessages } from './inbound-messages.js';
import { Inbox } from './inbox.js';
import { MappingsHealth } from './mapping-health.js';
import { NativeIds } from './native-ids.js';
import { Notices } from './notices.js';
import { Outbound } from './outbound.js';
import { People } from './people.js';
import { Plans } from './plans.js';
import { Reactions } from './reactions.js';
import { Redactions } from './redactions.js';
import { Submissions } from './submissions.js';
import { TALK } from './talk/providers.js';

@Module({
  imports: [MappingModule, PlatformModule],
  providers: [
    Bridge,
    Delays,
    Deliveries,
    Drafts,
    EphemeralLane,
    Inbox,
    Inbound,
    InboundHandlers,
    InboundMessages,
    IncidentPauses,
    MappingsHealth,
    NativeIds,
    Notices,
    Outbound,
    People,
    Plans,
    Reactions,
    Redactions,
    Submissions,
    ...TALK,
  ],
  exports: [Bridge, Deliveries, Inbox, MappingModule, MappingsHealth, PlatformModule],
})
export class BridgeModule {}
