import { Injectable } from '@nestjs/common';
import {
  type JsonValue,
  type KeyId,
  MatrixError,
  type ServerName,
  type SignedRequest,
  type VerifyKey,
  parseXMatrix,
  verifyRequest,
} from '../../protocol/index.js';
import { Clock } from '../../persistence/clock.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { RemoteKeys, TooManyStrangers } from '../client/remote-keys.js';
import { FederationPolicy } from '../federation-policy.js';
import { Refusals } from '../refusals.js';
import { TokenBuckets } from '../token-buckets.js';

const MAX_HEADERS = 5;
/** Requests whose origin is not certain yet. Each may wait for another server's keys. */
const MAX_PENDING = 1_000;
const PENDING_RETRY_MS = 2_000;
/** Requests of one source that do not verify; those that do cost nothing. */
const UNVERIFIED = { perSecond: 10, burst: 300 };
const MAX_SOURCES = 10_000;

/** Who a request says it is from, and the keys by which that will be seen. */
export interface Claim {
  readonly origin: ServerName;
  readonly signatures: readonly { sig: string; keyId: string; key: VerifyKey }[];
  /** Who connected to us; undefined behind a proxy. */
  readonly source: string | undefined;
}

/**
 * Who sent a request (LM-04 §Request Authentication, profile §3), in two steps: nothing of a body is read for a request that
 * has no chance to verify.
 */
@Injectable()
export class RequestAuthenticator {
  private readonly unverified: TokenBuckets;
  private pending = 0;

  constructor(
    private readonly identity: ServerIdentity,
    private readonly keys: RemoteKeys,
    private readonly policy: FederationPolicy,
    private readonly refusals: Refusals,
    clock: Clock,
  ) {
    this.unverified = new TokenBuckets(UNVERIFIED, MAX_SOURCES, () => clock.now());
  }

  /** `headers`: every Authorization header of the request. Throws MatrixError: 401, 403, or 429 under attack. */
  async identify(headers: readonly string[], source: string | undefined): Promise<Claim> {
    const wait = source === undefined ? 0 : this.unverified.take(source);
    if (wait > 0) throw limited('too many requests of this address are not authenticated', wait);
    const claims = this.claims(headers);
    const [{ origin }] = claims;
    if (!this.policy.allows(origin)) {
      this.refusals.note(origin, 'denied');
      throw new MatrixError('M_FORBIDDEN', 403, `${origin} may not federate with this server`);
    }
    if (this.pending >= MAX_PENDING) throw limited('too many requests wait for keys', PENDING_RETRY_MS);
    this.pending++;
    try {
      const signatures: Claim['signatures'][number][] = [];
      for (const { keyId, sig } of claims) {
        const key = await this.keys.requestKey(origin, keyId, source);
        if (key === undefined) throw unauthorized(`no current key ${keyId} of ${origin} is known`);
        signatures.push({ keyId, sig, key });
      }
      return { origin, signatures, source };
    } catch (error) {
      if (error instanceof TooManyStrangers) throw limited(error.message, error.retryAfterMs);
      throw error;
    } finally {
      this.pending--;
    }
  }

  /** All signatures must verify. Throws MatrixError 401. */
  verify(
    claim: Claim,
    { method, uri }: Pick<SignedRequest, 'method' | 'uri'>,
    body: JsonValue | undefined,
  ): ServerName {
    const { origin, signatures, source } = claim;
    const request = { method, uri, origin, destination: this.identity.serverName };
    for (const { keyId, sig, key } of signatures) {
      if (!verifyRequest(request, body, sig, key)) throw unauthorized(`the signature by ${keyId} is wrong`);
    }
    if (source !== undefined) this.unverified.give(source);
    return origin;
  }

  private claims(headers: readonly string[]): [HeaderClaim, ...HeaderClaim[]] {
    if (headers.length > MAX_HEADERS) throw unauthorized('there are too many Authorization headers');
    const [first, ...others] = headers.map((header): HeaderClaim => {
      const parsed = parseXMatrix(header);
      if (!parsed.ok) throw unauthorized(parsed.error);
      const { origin, destination, key: keyId, sig } = parsed.value;
      if (destination !== this.identity.serverName) throw unauthorized(`this is not ${destination}`);
      if (origin === this.identity.serverName) throw unauthorized('a request of our own');
      return { origin, keyId, sig };
    });
    if (first === undefined) throw unauthorized('there is no X-Matrix Authorization header');
    if (others.some(({ origin }) => origin !== first.origin)) throw unauthorized('the headers name two origins');
    return [first, ...others];
  }
}

interface HeaderClaim {
  origin: ServerName;
  keyId: KeyId;
  sig: string;
}

const unauthorized = (reason: string): MatrixError => new MatrixError('M_FORBIDDEN', 401, reason);
const limited = (reason: string, retryAfterMs: number): MatrixError =>
  new MatrixError('M_LIMIT_EXCEEDED', 429, reason, { retry_after_ms: retryAfterMs });
