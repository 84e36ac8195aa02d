import { resolveSrv } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import { type ServerName, isJsonObject, parseJson, parseServerName, splitServerName } from '../../protocol/index.js';

const DEFAULT_PORT = 8448; // LM-04 §Resolving Server Names, step 4
const WELL_KNOWN_DEFAULT_MS = 24 * 3_600_000;
const WELL_KNOWN_MAX_MS = 48 * 3_600_000;
const WELL_KNOWN_ERROR_MS = 3_600_000;
const SRV_MS = 300_000;
const MAX_CACHED = 10_000;

/** Where requests for a server go. */
export interface Target {
  /** `https://host:port` to connect to. */
  origin: string;
  /** What the certificate must be good for; undefined for plain HTTP. */
  tlsName: string | undefined;
  hostHeader: string;
  /** Named by the operator, so that private addresses are allowed. */
  trusted: boolean;
}

/** GET https://<hostname>/.well-known/matrix/server: the body of a 200 and its max-age in ms; undefined for anything else. */
export type FetchWellKnown = (
  hostname: string,
) => Promise<{ body: Uint8Array; maxAgeMs: number | undefined } | undefined>;

/** LM-04 §Resolving Server Names, with FEDERATION_PEERS before it. */
export class Discovery {
  private readonly cache = new LRUCache<ServerName, Target>({ max: MAX_CACHED });

  constructor(
    private readonly peers: ReadonlyMap<string, URL>,
    private readonly fetchWellKnown: FetchWellKnown,
    private readonly lookUpSrv: typeof resolveSrv = resolveSrv,
  ) {}

  async resolve(server: ServerName): Promise<Target> {
    const peer = this.peers.get(server);
    if (peer !== undefined) return namedByOperator(server, peer);
    const { hostname, port } = splitServerName(server);
    if (port !== undefined) return target(hostname, port, hostname, server);
    const cached = this.cache.get(server);
    if (cached !== undefined) return cached;
    const delegation = await this.delegation(hostname);
    const found = await this.delegated(delegation.server ?? server);
    this.cache.set(server, found, {
      ttl: delegation.server === undefined ? Math.min(SRV_MS, delegation.ttl) : delegation.ttl,
    });
    return found;
  }

  /** Steps 2.1 to 2.4 for a delegated name, 3 and 4 for a server's own. */
  private async delegated(server: ServerName): Promise<Target> {
    const { hostname, port } = splitServerName(server);
    if (port !== undefined) return target(hostname, port, hostname, server);
    const [record] = (await this.lookUpSrv(`_matrix._tcp.${hostname}`).catch(() => [])).sort(
      (a, b) => a.priority - b.priority || b.weight - a.weight,
    );
    const srvHost = record && parseServerName(record.name);
    return record !== undefined && srvHost !== undefined
      ? target(srvHost, record.port, hostname, hostname)
      : target(hostname, DEFAULT_PORT, hostname, hostname);
  }

  private async delegation(hostname: string): Promise<{ server: ServerName | undefined; ttl: number }> {
    const answer = await this.fetchWellKnown(hostname).catch(() => undefined);
    const parsed = answer && parseJson(answer.body);
    const named = parsed?.ok && isJsonObject(parsed.value.value) ? parsed.value.value['m.server'] : undefined;
    const server = parseServerName(named);
    if (server === undefined) return { server, ttl: WELL_KNOWN_ERROR_MS };
    return { server, ttl: Math.max(1, Math.min(answer?.maxAgeMs ?? WELL_KNOWN_DEFAULT_MS, WELL_KNOWN_MAX_MS)) };
  }
}

function target(host: string, port: number, tlsName: string, hostHeader: string): Target {
  return { origin: `https://${host}:${String(port)}`, tlsName, hostHeader, trusted: false };
}

function namedByOperator(server: ServerName, url: URL): Target {
  const tlsName = url.protocol === 'https:' ? splitServerName(server).hostname : undefined;
  return { origin: url.origin, tlsName, hostHeader: server, trusted: true };
}
