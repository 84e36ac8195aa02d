import { Module } from '@nestjs/common';
import { MappingModule } from '../mapping/mapping.module.js';
import { PlatformModule } from '../platform/platform.module.js';
import { Bridge } from './bridge.js';
import { IncidentPauses } from './incident-pauses.js';
import { Inbound } from './inbound.js';
import { Inbox } from './inbox.js';
import { Notices } from './notices.js';
import { Outbound } from './outbound.js';

@Module({
  imports: [MappingModule, PlatformModule],
  providers: [Bridge, Inbox, Inbound, IncidentPauses, Notices, Outbound],
  exports: [Bridge, MappingModule, PlatformModule],
})
export class BridgeModule {}
