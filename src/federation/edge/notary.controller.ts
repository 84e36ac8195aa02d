import { Injectable } from '@nestjs/common';
import { Clock } from '../../persistence/clock.js';
import {
  type JsonObject,
  type JsonValue,
  MatrixError,
  type ServerName,
  isJsonObject,
  parseServerName,
  signObject,
} from '../../protocol/index.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { RemoteKeys } from '../client/remote-keys.js';
import { FederationPolicy } from '../federation-policy.js';
import { type FederationCall, type FederationController, type FederationRoute, parameter } from './call.js';
import { KeysController } from './keys.controller.js';

/** Each may be a request to another server. */
const MAX_SERVERS = 50;

const MAX_QUERY_BYTES = 256 * 1024;

/** Keys of other servers, signed by us too (LM-04 §GET and POST /_matrix/key/v2/query). */
@Injectable()
export class NotaryController implements FederationController {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly own: KeysController,
    private readonly keys: RemoteKeys,
    private readonly policy: FederationPolicy,
    private readonly clock: Clock,
  ) {}

  routes(): FederationRoute[] {
    return [
      {
        method: 'GET',
        public: true,
        endpoint: 'key_query',
        paths: ['/_matrix/key/v2/query/:serverName'],
        handle: (call) => this.one(call),
      },
      {
        method: 'POST',
        public: true,
        bodyLimit: MAX_QUERY_BYTES,
        endpoint: 'key_query',
        paths: ['/_matrix/key/v2/query'],
        handle: (call) => this.several(call),
      },
    ];
  }

  private async one({ params, query, source }: FederationCall): Promise<JsonValue> {
    const server = parameter('serverName', params.serverName, parseServerName);
    const asked = query.get('minimum_valid_until_ts');
    const minimum = asked === null ? undefined : parameter('minimum_valid_until_ts', asked, parseTimestamp);
    return { server_keys: await this.signed(server, minimum, source) };
  }

  private async several({ body, source }: FederationCall): Promise<JsonValue> {
    const wanted = isJsonObject(body) ? body.server_keys : undefined;
    if (!isJsonObject(wanted)) throw new MatrixError('M_BAD_JSON', 400, 'server_keys is no object');
    const servers = Object.entries(wanted);
    if (servers.length > MAX_SERVERS) {
      throw new MatrixError('M_BAD_JSON', 400, `more than ${String(MAX_SERVERS)} servers`);
    }
    const answers = await Promise.all(
      servers.map(async ([name, criteria]) => {
        const server = parseServerName(name);
        return server === undefined ? [] : this.signed(server, minimumOf(criteria), source);
      }),
    );
    return { server_keys: answers.flat() };
  }

  /** With a minimum: what is valid until then. Without: all that is known, for signatures on old events. */
  private async signed(
    server: ServerName,
    minimum: number | undefined,
    source: string | undefined,
  ): Promise<JsonObject[]> {
    const { serverName, signingKey } = this.identity;
    if (server === serverName) return [this.own.keys()];
    if (!this.policy.allows(server)) return [];
    const answers = await this.keys.keyAnswers(server, minimum ?? this.clock.now(), source);
    return answers
      .filter(({ validUntil }) => minimum === undefined || validUntil >= minimum)
      .map(({ json }) => signObject(JSON.parse(json) as JsonObject, serverName, signingKey));
  }
}

/** The highest of what is asked for the server's keys. */
function minimumOf(criteria: JsonValue | undefined): number | undefined {
  const minima = Object.values(isJsonObject(criteria) ? criteria : {}).flatMap((each) => {
    const minimum = isJsonObject(each) ? each.minimum_valid_until_ts : undefined;
    return typeof minimum === 'number' && Number.isFinite(minimum) ? [minimum] : [];
  });
  return minima.length === 0 ? undefined : Math.max(...minima);
}

const parseTimestamp = (text: string): number | undefined => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined);
