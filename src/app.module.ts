import { type DynamicModule, Module } from '@nestjs/common';
import { AdminModule } from './admin/admin.module.js';
import { BridgeModule } from './bridge/bridge.module.js';
import { ConfigModule, type Configuration } from './config/index.js';
import { FederationClientModule } from './federation/client/federation-client.module.js';
import { FederationModule } from './federation/federation.module.js';
import { MediaModule } from './media/media.module.js';
import { loggingModule } from './observability/logging.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { PersistenceModule } from './persistence/persistence.module.js';
import { IdentityModule } from './rooms/identity.module.js';
import { RoomsModule } from './rooms/rooms.module.js';

/** The whole gateway: composition only. */
@Module({})
export class AppModule {
  static forRoot(configuration: Configuration): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(configuration),
        loggingModule(configuration.logLevel),
        PersistenceModule.forRoot(configuration.database),
        IdentityModule,
        RoomsModule.register(FederationClientModule),
        MediaModule.register(FederationClientModule),
        ObservabilityModule,
        FederationModule,
        BridgeModule,
        AdminModule,
      ],
    };
  }
}
