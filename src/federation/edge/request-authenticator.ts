import { Injectable } from '@nestjs/common';
import {
  type JsonValue,
  MatrixError,
  type ServerName,
  type SignedRequest,
  parseXMatrix,
  verifyRequest,
} from '../../protocol/index.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { RemoteKeys } from '../client/remote-keys.js';
import { FederationPolicy } from '../federation-policy.js';

const MAX_HEADERS = 5;

/** Who sent a request (LM-04 §Request Authentication, profile §3). */
@Injectable()
export class RequestAuthenticator {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly keys: RemoteKeys,
    private readonly policy: FederationPolicy,
  ) {}

  /** `headers`: every Authorization header of the request; all must verify. Throws MatrixError 401 or 403. */
  async authenticate(
    { method, uri }: Pick<SignedRequest, 'method' | 'uri'>,
    headers: readonly string[],
    body: JsonValue | undefined,
  ): Promise<ServerName> {
    if (headers.length === 0) throw unauthorized('there is no X-Matrix Authorization header');
    if (headers.length > MAX_HEADERS) throw unauthorized('there are too many Authorization headers');
    let origin: ServerName | undefined;
    for (const header of headers) {
      const parsed = parseXMatrix(header);
      if (!parsed.ok) throw unauthorized(parsed.error);
      const { destination, key: keyId, sig } = parsed.value;
      if (origin !== undefined && origin !== parsed.value.origin) throw unauthorized('the headers name two origins');
      origin = parsed.value.origin;
      if (destination !== this.identity.serverName) throw unauthorized(`this is not ${destination}`);
      if (origin === this.identity.serverName) throw unauthorized('a request of our own');
      if (!this.policy.allows(origin)) {
        throw new MatrixError('M_FORBIDDEN', 403, `${origin} may not federate with this server`);
      }
      const key = await this.keys.requestKey(origin, keyId);
      if (key === undefined) throw unauthorized(`no current key ${keyId} of ${origin} is known`);
      if (!verifyRequest({ method, uri, origin, destination }, body, sig, key)) {
        throw unauthorized(`the signature by ${keyId} is wrong`);
      }
    }
    if (origin === undefined) throw unauthorized('there is no origin');
    return origin;
  }
}

const unauthorized = (reason: string): MatrixError => new MatrixError('M_FORBIDDEN', 401, reason);
