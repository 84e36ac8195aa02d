import { rootCertificates } from 'node:tls';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Agent, type Dispatcher, request } from 'undici';
import { Configuration } from '../../config/index.js';
import {
  type JsonValue,
  type ParsedJson,
  type ServerName,
  isJsonObject,
  parseJson,
  signRequest,
} from '../../protocol/index.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { FederationPolicy } from '../federation-policy.js';
import { publicLookup } from './addresses.js';
import { Discovery, type Target } from './discovery.js';

const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024; // send_join of a large room
const MAX_WELL_KNOWN_BYTES = 64 * 1024;
const MAX_REDIRECTS = 5;
const MAX_AGENTS = 2_000;

export interface FederationRequest {
  method: 'GET' | 'PUT' | 'POST';
  /** Path and query, as they are signed. */
  path: string;
  /** The JSON text that is sent, and what it says. */
  body?: { text: string; value: JsonValue };
  /** The key endpoints are not authenticated. */
  unsigned?: boolean;
  /** The largest answer that is read; 64 MiB when absent. */
  maxBytes?: number;
  /** How long to wait for headers, and between parts of the body, in ms; a minute when absent. */
  timeoutMs?: number;
}

/** Requests to other servers: found by discovery, over TLS 1.3, signed (LM-04 §Transport). */
@Injectable()
export class FederationClient implements OnApplicationShutdown {
  private readonly agents = new LRUCache<string, Agent>({
    max: MAX_AGENTS,
    dispose: (agent, _name, reason) => {
      if (reason === 'evict') void agent.close();
    },
  });
  private readonly discovery: Discovery;
  private readonly ca: string[];

  constructor(
    @Inject(Configuration) private readonly configuration: Configuration,
    private readonly identity: ServerIdentity,
    private readonly policy: FederationPolicy,
  ) {
    const { federationCa, peers } = configuration;
    this.ca = [...rootCertificates, ...(federationCa === undefined ? [] : [federationCa])];
    this.discovery = new Discovery(peers, (hostname) => this.fetchWellKnown(hostname));
  }

  /** The JSON of a 200. Rejects with RemoteRefusal for any other status, with RemoteUnavailable when there was no answer. */
  async send(
    server: ServerName,
    { method, path, body, unsigned, maxBytes = MAX_ANSWER_BYTES, timeoutMs = ANSWER_TIMEOUT_MS }: FederationRequest,
  ): Promise<ParsedJson> {
    if (!this.policy.allows(server)) throw new RemoteUnavailable(server, 'federation with it is denied here');
    const target = await this.discovery.resolve(server);
    const { serverName, signingKey } = this.identity;
    const signed = { method, uri: path, origin: serverName, destination: server };
    const headers: Record<string, string> = {
      host: target.hostHeader,
      ...(unsigned ? {} : { authorization: signRequest(signed, body?.value, signingKey) }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    let status: number;
    let bytes: Uint8Array;
    let retryAfter: string | undefined;
    try {
      const response = await request(`${target.origin}${path}`, {
        dispatcher: this.agentFor(target),
        method,
        headers,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(body === undefined ? {} : { body: body.text }),
      });
      status = response.statusCode;
      const after = response.headers['retry-after'];
      retryAfter = typeof after === 'string' ? after : undefined;
      bytes = await readBounded(response.body, maxBytes);
    } catch (error) {
      throw new RemoteUnavailable(server, reasonOf(error));
    }
    const parsed = parseJson(bytes);
    if (status !== 200) throw refusal(server, status, parsed.ok ? parsed.value.value : null, retryAfter);
    if (!parsed.ok) throw new RemoteUnavailable(server, `its answer is not JSON (${parsed.error.reason})`);
    return parsed.value;
  }

  /** Breaks off every request under way: what they did is unknown, as after a crash. */
  async abort(): Promise<void> {
    const agents = [...this.agents.values()];
    this.agents.clear();
    await Promise.all(agents.map((agent) => agent.destroy()));
  }

  onApplicationShutdown(): Promise<void> {
    return this.abort();
  }

  private agentFor({ origin, tlsName, trusted }: Target): Agent {
    const name = `${origin} ${String(tlsName)}`;
    const existing = this.agents.get(name);
    if (existing !== undefined) return existing;
    const open = trusted || this.configuration.privateAddresses;
    const agent = new Agent({
      connections: 8,
      connect: {
        ca: this.ca,
        minVersion: 'TLSv1.3',
        timeout: CONNECT_TIMEOUT_MS,
        ...(tlsName === undefined ? {} : { servername: tlsName }),
        ...(open ? {} : { lookup: publicLookup }),
      },
    });
    this.agents.set(name, agent);
    return agent;
  }

  private async fetchWellKnown(
    hostname: string,
  ): Promise<{ body: Uint8Array; maxAgeMs: number | undefined } | undefined> {
    let url = new URL(`https://${hostname}/.well-known/matrix/server`);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const target = { origin: url.origin, tlsName: url.hostname, hostHeader: url.host, trusted: false };
      const response = await request(url, {
        dispatcher: this.agentFor(target),
        headersTimeout: CONNECT_TIMEOUT_MS,
        bodyTimeout: CONNECT_TIMEOUT_MS,
      });
      const body = await readBounded(response.body, MAX_WELL_KNOWN_BYTES);
      const { location, 'cache-control': cacheControl } = response.headers;
      if (response.statusCode === 200) return { body, maxAgeMs: maxAgeOf(cacheControl) };
      if (response.statusCode < 300 || response.statusCode >= 400 || typeof location !== 'string') return undefined;
      url = new URL(location, url);
      if (url.protocol !== 'https:') return undefined;
    }
    return undefined;
  }
}

async function readBounded(body: Dispatcher.ResponseData['body'], limit: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      body.destroy();
      throw new Error(`the answer is larger than ${String(limit)} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refusal(server: ServerName, status: number, body: JsonValue, retryAfter: string | undefined): RemoteRefusal {
  const { errcode, error, retry_after_ms: retryAfterMs } = isJsonObject(body) ? body : {};
  const wait = typeof retryAfterMs === 'number' ? retryAfterMs : Number(retryAfter) * 1000;
  return new RemoteRefusal(
    server,
    status,
    typeof errcode === 'string' ? errcode.slice(0, 64) : 'M_UNKNOWN',
    typeof error === 'string' ? error.slice(0, 512) : '',
    Number.isFinite(wait) && wait >= 0 ? wait : undefined,
  );
}

/** A fetch failure hides what happened in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function maxAgeOf(cacheControl: string | string[] | undefined): number | undefined {
  const seconds = /(?:^|[,\s])max-age=(\d+)/i.exec(String(cacheControl ?? ''))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
