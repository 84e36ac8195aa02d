import { type Dispatcher, request } from 'undici';
import { parseServerName } from '../../protocol/index.js';
import type { Target, WellKnown } from './discovery.js';
import { readBounded } from './read-bounded.js';

const MAX_BYTES = 64 * 1024;
const MAX_REDIRECTS = 5;

export interface WellKnownOptions {
  /** How to connect to a host: over TLS, with its name, and only to addresses that are allowed. */
  dispatcherFor: (target: Target) => Dispatcher;
  /** For all of it, redirects included. */
  timeoutMs: number;
  /** The port of https, but for tests. */
  port?: number;
}

/**
 * GET https://<hostname>/.well-known/matrix/server, over redirects to other https hosts (LM-04 §GET /.well-known/matrix/server).
 * undefined for anything but a 200; rejects when there is no answer, or one that is too large.
 */
export async function fetchWellKnown(
  hostname: string,
  { dispatcherFor, timeoutMs, port = 443 }: WellKnownOptions,
): Promise<WellKnown | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  let url = new URL(`https://${hostname}:${String(port)}/.well-known/matrix/server`);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    // Names alone: an address would not be looked up, and so not be checked.
    if (url.protocol !== 'https:' || parseServerName(url.hostname) === undefined) return undefined;
    const target = { origin: url.origin, tlsName: url.hostname, hostHeader: url.host, trusted: false };
    const response = await request(url, { dispatcher: dispatcherFor(target), signal });
    const { statusCode, headers } = response;
    const body = await readBounded(response.body, MAX_BYTES);
    if (statusCode === 200) return { body, maxAgeMs: lifetimeOf(headers) };
    const { location } = headers;
    if (statusCode < 300 || statusCode >= 400 || typeof location !== 'string' || !URL.canParse(location, url.href)) {
      return undefined;
    }
    url = new URL(location, url);
  }
  return undefined;
}

/** How long the headers of an answer let it be kept, in ms: Cache-Control before Expires (RFC 9111 §5). */
export function lifetimeOf(headers: Readonly<Record<string, string | string[] | undefined>>): number | undefined {
  const control = String(headers['cache-control'] ?? '').toLowerCase();
  if (/(?:^|[,\s])no-(?:store|cache)(?:$|[,\s=])/.test(control)) return 0;
  const seconds = /(?:^|[,\s])max-age="?(\d{1,10})/.exec(control)?.[1];
  const age = Number(headers.age ?? 0);
  if (seconds !== undefined) return Math.max(0, Number(seconds) - (Number.isFinite(age) ? age : 0)) * 1_000;
  if (headers.expires === undefined) return undefined;
  const [expires, date] = [Date.parse(String(headers.expires)), Date.parse(String(headers.date ?? ''))];
  if (Number.isNaN(expires)) return 0; // RFC 9111 §5.3: an invalid date is in the past
  return Math.max(0, expires - (Number.isNaN(date) ? Date.now() : date));
}
