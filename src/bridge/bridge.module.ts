import { Module } from '@nestjs/common';
import { MappingModule } from '../mapping/mapping.module.js';
import { PlatformModule } from '../platform/platform.module.js';
import { Bridge } from './bridge.js';
import { Delays } from './delays.js';
import { Deliveries } from './deliveries.js';
import { IncidentPauses } from './incident-pauses.js';
import { Inbound } from './inbound.js';
import { Inbox } from './inbox.js';
import { MappingsHealth } from './mapping-health.js';
import { Notices } from './notices.js';
import { Outbound } from './outbound.js';

@Module({
  imports: [MappingModule, PlatformModule],
  providers: [Bridge, Delays, Deliveries, Inbox, Inbound, IncidentPauses, MappingsHealth, Notices, Outbound],
  exports: [Bridge, Deliveries, Inbox, MappingModule, MappingsHealth, PlatformModule],
})
export class BridgeModule {}
