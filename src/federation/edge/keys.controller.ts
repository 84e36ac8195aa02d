import { Injectable } from '@nestjs/common';
import { Configuration } from '../../config/index.js';
import { Clock } from '../../persistence/clock.js';
import { type JsonObject, buildServerKeys } from '../../protocol/index.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import type { FederationController, FederationRoute } from './call.js';

const KEY_VALIDITY_MS = 12 * 3_600_000; // profile §4

/** Who we are: keys, version, delegation. */
@Injectable()
export class KeysController implements FederationController {
  constructor(
    private readonly configuration: Configuration,
    private readonly identity: ServerIdentity,
    private readonly clock: Clock,
  ) {}

  routes(): FederationRoute[] {
    const { wellKnownServer } = this.configuration;
    const open = { method: 'GET', public: true } as const;
    const version = { server: { name: 'Causeway', version: VERSION } };
    return [
      { ...open, endpoint: 'keys', paths: ['/_matrix/key/v2/server'], handle: () => this.keys() },
      { ...open, endpoint: 'version', paths: ['/_matrix/federation/v1/version'], handle: () => version },
      ...(wellKnownServer === undefined
        ? []
        : [
            {
              ...open,
              endpoint: 'well-known',
              paths: ['/.well-known/matrix/server'],
              handle: () => ({ 'm.server': wellKnownServer }),
            },
          ]),
    ];
  }

  /** Signed with our current key. */
  keys(): JsonObject {
    const { serverName, signingKey, expiredKeys } = this.identity;
    return buildServerKeys({
      serverName,
      keys: [signingKey],
      oldKeys: expiredKeys,
      validUntilTs: this.clock.now() + KEY_VALIDITY_MS,
      linearized: this.configuration.announceLinearized,
    });
  }
}

const VERSION = '0.1.0';
