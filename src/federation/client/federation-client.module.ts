import { Module } from '@nestjs/common';
import { MappingModule } from '../../mapping/mapping.module.js';
import { RemoteMedia } from '../../media/remote-media.js';
import { Admission } from '../../rooms/admission.js';
import { RemoteServers } from '../../rooms/remote-servers.js';
import { FederationPolicy } from '../federation-policy.js';
import { Refusals } from '../refusals.js';
import { FederationClient } from './federation-client.js';
import { FederationRemoteMedia } from './federation-remote-media.js';
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
    { provide: RemoteMedia, useClass: FederationRemoteMedia },
  ],
  exports: [Admission, FederationPolicy, Refusals, FederationClient, RemoteKeys, RemoteMedia, RemoteServers],
})
export class FederationClientModule {}
