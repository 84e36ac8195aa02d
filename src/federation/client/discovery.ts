import type { SrvRecord } from 'node:dns';
import { resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { type ServerName, isJsonObject, parseJson, parseServerName, splitServerName } from '../../protocol/index.js';

const DEFAULT_PORT = 8448; // LM-04 §Resolving Server Names, step 4
const MINUTE_MS = 60_000;
const WELL_KNOWN_DEFAULT_MS = 24 * 60 * MINUTE_MS;
const WELL_KNOWN_MAX_MS = 48 * 60 * MINUTE_MS;
/** Also for an answer that forbids caching: nobody's .well-known is asked for with every request. */
const WELL_KNOWN_MIN_MS = MINUTE_MS;
const ERROR_FIRST_MS = MINUTE_MS;
const ERROR_MAX_MS = 60 * MINUTE_MS;
const SRV_MS = 5 * MINUTE_MS;
const MAX_CACHED = 10_000;
const MAX_TARGETS = 8;

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

/** A 200 of .well-known. `maxAgeMs`: as its headers say; undefined when they do not. */
export interface WellKnown {
  body: Uint8Array;
  maxAgeMs: number | undefined;
}

/** GET https://<hostname>/.well-known/matrix/server; undefined for anything but a 200. */
export type FetchWellKnown = (hostname: string) => Promise<WellKnown | undefined>;

interface Delegation {
  /** undefined: there is none. */
  server: ServerName | undefined;
  /** How often in a row there was no answer that can be used. */
  failures: number;
  until: number;
}

/** What discovery asks of the world. */
export interface Surroundings {
  fetchWellKnown: FetchWellKnown;
  lookUpSrv?: (name: string) => Promise<SrvRecord[]>;
  /** ms since the epoch. */
  now?: () => number;
  /** From 0 up to, and without, 1. */
  random?: () => number;
}

/** LM-04 §Resolving Server Names, with FEDERATION_PEERS before it. */
export class Discovery {
  private readonly delegations = new LRUCache<string, Delegation>({ max: MAX_CACHED });
  private readonly records = new LRUCache<string, { found: SrvRecord[]; until: number }>({ max: MAX_CACHED });
  private readonly underWay = new Map<ServerName, Promise<Target[]>>();
  private readonly fetchWellKnown: FetchWellKnown;
  private readonly lookUpSrv: (name: string) => Promise<SrvRecord[]>;
  private readonly now: () => number;
  private readonly random: () => number;

  constructor(
    private readonly peers: ReadonlyMap<string, URL>,
    { fetchWellKnown, lookUpSrv = resolveSrv, now = Date.now, random = Math.random }: Surroundings,
  ) {
    this.fetchWellKnown = fetchWellKnown;
    this.lookUpSrv = lookUpSrv;
    this.now = now;
    this.random = random;
  }

  /**
   * Where a server can be reached: the first that takes the connection is it. At least one. Rejects when the server says that it
   * is not to be reached, and when the DNS does not answer: neither is remembered.
   */
  async resolve(server: ServerName): Promise<Target[]> {
    const peer = this.peers.get(server);
    if (peer !== undefined) return [namedByOperator(server, peer)];
    const { hostname, port } = splitServerName(server);
    if (port !== undefined) return [target(hostname, port, hostname, server)];
    const underWay = this.underWay.get(server);
    if (underWay !== undefined) return underWay;
    const resolving = this.discover(server).finally(() => this.underWay.delete(server));
    this.underWay.set(server, resolving);
    return resolving;
  }

  private async discover(server: ServerName): Promise<Target[]> {
    const { hostname } = splitServerName(server);
    const { server: delegated } = await this.delegationOf(hostname);
    return this.delegated(delegated ?? server);
  }

  /** Steps 3.1 to 3.4 for a delegated name, 4 and 5 for a server's own. A delegation is not followed twice. */
  private async delegated(server: ServerName): Promise<Target[]> {
    const { hostname, port } = splitServerName(server);
    if (port !== undefined) return [target(hostname, port, hostname, server)];
    const records = await this.recordsOf(`_matrix._tcp.${hostname}`);
    if (records.length === 0) return [target(hostname, DEFAULT_PORT, hostname, hostname)];
    const hosts = this.inOrder(records).flatMap(({ name, port: at }) => {
      const host = parseServerName(name.replace(/\.$/, ''));
      return host === undefined ? [] : [target(host, at, hostname, hostname)];
    });
    // RFC 2782: a target of "." says that the service is not offered.
    if (hosts.length === 0) throw new Error(`${hostname} offers no federation (SRV)`);
    return hosts.slice(0, MAX_TARGETS);
  }

  private async recordsOf(name: string): Promise<SrvRecord[]> {
    const cached = this.records.get(name);
    if (cached !== undefined && cached.until > this.now()) return cached.found;
    const found = await this.lookUpSrv(name).catch((error: unknown) => {
      if (isAbsent(error)) return [];
      throw error;
    });
    this.records.set(name, { found, until: this.now() + SRV_MS });
    return found;
  }

  /** RFC 2782: by priority, among equals at random by weight. */
  private inOrder(records: readonly SrvRecord[]): SrvRecord[] {
    const left = [...records];
    const out: SrvRecord[] = [];
    while (left.length > 0) {
      const priority = Math.min(...left.map((record) => record.priority));
      const equals = left.filter((record) => record.priority === priority);
      // A weight of 0 has a small chance beside others.
      const weightOf = ({ weight }: SrvRecord): number => weight || 0.01;
      let at = this.random() * equals.reduce((sum, record) => sum + weightOf(record), 0);
      const chosen = equals.find((record) => (at -= weightOf(record)) < 0) ?? equals[0];
      if (chosen === undefined) break;
      out.push(chosen);
      left.splice(left.indexOf(chosen), 1);
    }
    return out;
  }

  private async delegationOf(hostname: string): Promise<Delegation> {
    const before = this.delegations.get(hostname);
    if (before !== undefined && before.until > this.now()) return before;
    const answer = await this.fetchWellKnown(hostname).catch(() => undefined);
    const server = answer && delegatedServer(answer.body);
    const failures = server === undefined ? (before?.failures ?? 0) + 1 : 0;
    const lifetime =
      server === undefined
        ? Math.min(ERROR_FIRST_MS * 2 ** (failures - 1), ERROR_MAX_MS)
        : Math.max(WELL_KNOWN_MIN_MS, Math.min(answer?.maxAgeMs ?? WELL_KNOWN_DEFAULT_MS, WELL_KNOWN_MAX_MS));
    const delegation = { server, failures, until: this.now() + lifetime };
    this.delegations.set(hostname, delegation);
    return delegation;
  }
}

function delegatedServer(body: Uint8Array): ServerName | undefined {
  const parsed = parseJson(body);
  return parsed.ok && isJsonObject(parsed.value.value) ? parseServerName(parsed.value.value['m.server']) : undefined;
}

/** The name has no such records, which is an answer; anything else is a failure of the DNS. */
function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function target(host: string, port: number, tlsName: string, hostHeader: string): Target {
  // A lone number is a name by the grammar; who connects reads it as an address, which no look-up would check.
  if (isIP(new URL(`https://${host}`).hostname) !== 0) throw new Error(`${host} is an address`);
  return { origin: `https://${host}:${String(port)}`, tlsName, hostHeader, trusted: false };
}

function namedByOperator(server: ServerName, url: URL): Target {
  const tlsName = url.protocol === 'https:' ? splitServerName(server).hostname : undefined;
  return { origin: url.origin, tlsName, hostHeader: server, trusted: true };
}
