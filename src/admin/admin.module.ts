import { Module } from '@nestjs/common';
import { BridgeModule } from '../bridge/bridge.module.js';
import { FederationModule } from '../federation/federation.module.js';
import { AdminGuard } from './admin.guard.js';
import { AliasesController } from './aliases.controller.js';
import { Audit } from './audit.js';
import { DeliveriesController } from './deliveries.controller.js';
import { HealthController } from './health.controller.js';
import { KeysController } from './keys.controller.js';
import { MappingsController } from './mappings.controller.js';
import { OperationsController } from './operations.controller.js';
import { RoomsController } from './rooms.controller.js';

@Module({
  imports: [BridgeModule, FederationModule],
  controllers: [
    AliasesController,
    DeliveriesController,
    HealthController,
    KeysController,
    MappingsController,
    OperationsController,
    RoomsController,
  ],
  providers: [AdminGuard, Audit],
})
export class AdminModule {}
