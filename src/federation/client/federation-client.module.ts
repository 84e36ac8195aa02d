import { Module } from '@nestjs/common';
import { MappingModule } from '../../mapping/mapping.module.js';
import { Admission } from '../../rooms/admission.js';
import { RemoteServers } from '../../rooms/remote-servers.js';
import { FederationPolicy } from '../federation-policy.js';
import { Refusals } from '../refusals.js';
import { FederationClient } from './federation-client.js';
import { FederationRemoteServers } from './federation-remote-servers.js';
import { RemoteKeys } from './remote-keys.js';

@Module({
  imports: [MappingModule],
  providers: [
    FederationPolicy,
    { provide: Admission, useExisting: FederationPolicy },
    Refusals,
    FederationClient,
    RemoteKeys,
    { provide: RemoteServers, useClass: FederationRemoteServers },
  ],
  exports: [Admission, FederationPolicy, Refusals, FederationClient, RemoteKeys, RemoteServers],
})
export class FederationClientModule {}
