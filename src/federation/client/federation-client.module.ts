import { Module } from '@nestjs/common';
import { RemoteServers } from '../../rooms/remote-servers.js';
import { FederationPolicy } from '../federation-policy.js';
import { FederationClient } from './federation-client.js';
import { FederationRemoteServers } from './federation-remote-servers.js';
import { RemoteKeys } from './remote-keys.js';

@Module({
  providers: [
    FederationPolicy,
    FederationClient,
    RemoteKeys,
    { provide: RemoteServers, useClass: FederationRemoteServers },
  ],
  exports: [FederationPolicy, FederationClient, RemoteKeys, RemoteServers],
})
export class FederationClientModule {}
