import { type SecureContext, createSecureContext, rootCertificates } from 'node:tls';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Agent, type Dispatcher, buildConnector, request } from 'undici';
import { Configuration } from '../../config/index.js';
import {
  type JsonValue,
  type ParsedJson,
  type ServerName,
  canonicalJsonLoose,
  isJsonObject,
  parseJson,
  signCanonicalRequest,
} from '../../protocol/index.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { ServerIdentity } from '../../rooms/server-identity.js';
import { FederationPolicy } from '../federation-policy.js';
import { remoteText } from '../remote-text.js';
import { publicConnector } from './addresses.js';
import { Discovery, type Target } from './discovery.js';
import { readBounded } from './read-bounded.js';
import { fetchWellKnown } from './well-known.js';

const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 60_000;
/** For a whole answer, however steadily it drips. */
const ANSWER_DEADLINE_MS = 5 * 60_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024; // send_join of a large room
const FILE_DEADLINE_MS = 15 * 60_000;
const MAX_REFUSAL_BYTES = 64 * 1024;
const WELL_KNOWN_TIMEOUT_MS = 15_000;
const MAX_AGENTS = 2_000;

/** JSON as it is sent, and in its canonical form, which is signed. */
export interface RequestBody {
  text: string;
  canonical: string;
}

/** A body whose text must stay as it is. */
export const bodyOfText = (text: string): RequestBody => ({
  text,
  canonical: canonicalJsonLoose(JSON.parse(text) as JsonValue),
});

/** A body of canonical JSON. */
export function requestBody(value: JsonValue): RequestBody {
  const canonical = canonicalJsonLoose(value);
  return { text: canonical, canonical };
}

export interface FederationRequest {
  method: 'GET' | 'PUT' | 'POST';
  /** Path and query, as they are signed. */
  path: string;
  body?: RequestBody;
  /** The key endpoints are not authenticated. */
  unsigned?: boolean;
  /** The largest answer that is read; 64 MiB when absent. */
  maxBytes?: number;
  /** How long the whole answer may take, in ms; when absent a minute until its headers, and 5 minutes in all. */
  deadlineMs?: number;
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
  /** For files that are not on their server. */
  private files: Agent | undefined;
  /** One for all connections: to read the root certificates takes 17 ms and 1 MiB, whether or not a server answers. */
  private readonly secureContext: SecureContext;

  constructor(
    @Inject(Configuration) private readonly configuration: Configuration,
    private readonly identity: ServerIdentity,
    private readonly policy: FederationPolicy,
  ) {
    const { federationCa, peers } = configuration;
    const ca = [...rootCertificates, ...(federationCa === undefined ? [] : [federationCa])];
    this.secureContext = createSecureContext({ ca, minVersion: 'TLSv1.3' });
    const options = {
      dispatcherFor: (target: Target) => this.agentFor(target),
      timeoutMs: WELL_KNOWN_TIMEOUT_MS,
    };
    this.discovery = new Discovery(peers, { fetchWellKnown: (hostname) => fetchWellKnown(hostname, options) });
  }

  /** The JSON of a 200. Rejects with RemoteRefusal for any other status, with RemoteUnavailable when there was no answer. */
  async send(
    server: ServerName,
    { method, path, body, unsigned, maxBytes = MAX_ANSWER_BYTES, deadlineMs = ANSWER_DEADLINE_MS }: FederationRequest,
  ): Promise<ParsedJson> {
    // Keys are read of everybody: the events of a denied server's users have to be verified where others share a room with them.
    if (!unsigned && !this.policy.allows(server))
      throw new RemoteUnavailable(server, 'federation with it is denied here');
    const { serverName, signingKey } = this.identity;
    const signed = { method, uri: path, origin: serverName, destination: server };
    const headers = {
      ...(unsigned ? {} : { authorization: signCanonicalRequest(signed, body?.canonical, signingKey) }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    let status: number;
    let bytes: Uint8Array;
    let retryAfter: string | undefined;
    try {
      const response = await this.connect(server, path, {
        method,
        headers,
        ...patience(deadlineMs),
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

  /** A file of another server, as it comes: whoever reads it bounds it. Rejects as `send` does. */
  async open(server: ServerName, path: string): Promise<Dispatcher.ResponseData> {
    if (!this.policy.allows(server)) throw new RemoteUnavailable(server, 'federation with it is denied here');
    const { serverName, signingKey } = this.identity;
    const signed = { method: 'GET', uri: path, origin: serverName, destination: server };
    const headers = { authorization: signCanonicalRequest(signed, undefined, signingKey) };
    const response = await this.connect(server, path, { method: 'GET', headers, ...patience(FILE_DEADLINE_MS) }).catch(
      (error: unknown) => {
        throw new RemoteUnavailable(server, reasonOf(error));
      },
    );
    if (response.statusCode === 200) return response;
    const answer = await readBounded(response.body, MAX_REFUSAL_BYTES).catch(() => new Uint8Array());
    const parsed = parseJson(answer);
    throw refusal(server, response.statusCode, parsed.ok ? parsed.value.value : null, undefined);
  }

  /** A file at a public https address that another server named: never at a private one, whatever is configured. */
  async openPublic(address: string): Promise<Dispatcher.ResponseData> {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url?.protocol !== 'https:') throw new RemoteUnavailable('' as ServerName, 'the file is at no https address');
    const host = url.hostname as ServerName;
    this.files ??= new Agent({ connect: publicConnector({ timeout: CONNECT_TIMEOUT_MS }) });
    const options = { method: 'GET', dispatcher: this.files, ...patience(FILE_DEADLINE_MS) } as const;
    const response = await request(url, options).catch((error: unknown) => {
      throw new RemoteUnavailable(host, reasonOf(error));
    });
    if (response.statusCode === 200) return response;
    await response.body.dump();
    throw new RemoteRefusal(host, response.statusCode, 'M_UNKNOWN', 'it does not give the file');
  }

  /** Breaks off every request under way: what they did is unknown, as after a crash. */
  async abort(): Promise<void> {
    const agents = [...this.agents.values(), ...(this.files === undefined ? [] : [this.files])];
    this.files = undefined;
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
    const options: buildConnector.BuildOptions = {
      secureContext: this.secureContext,
      timeout: CONNECT_TIMEOUT_MS,
      allowH2: true, // a server need not speak anything older (LM-04 §Transport)
      ...(tlsName === undefined ? {} : { servername: tlsName }),
    };
    const connect = open ? buildConnector(options) : publicConnector(options);
    const agent = new Agent({ connections: 8, allowH2: true, connect });
    this.agents.set(name, agent);
    return agent;
  }

  /** Tries the places where a server can be, one after the other, until one takes the connection. */
  private async connect(
    server: ServerName,
    path: string,
    options: Omit<Dispatcher.RequestOptions, 'headers' | 'origin' | 'path'> & { headers: Record<string, string> },
  ): Promise<Dispatcher.ResponseData> {
    const targets = await this.discovery.resolve(server);
    for (const [index, target] of targets.entries()) {
      try {
        const headers = { ...options.headers, host: target.hostHeader };
        return await request(`${target.origin}${path}`, {
          ...options,
          headers,
          dispatcher: this.agentFor(target),
        });
      } catch (error) {
        if (index === targets.length - 1 || !isRefusedConnection(error)) throw error;
      }
    }
    throw new Error('there is no place where it could be');
  }
}

const patience = (
  deadlineMs: number,
): Pick<Dispatcher.RequestOptions, 'headersTimeout' | 'bodyTimeout' | 'signal'> => ({
  headersTimeout: ANSWER_TIMEOUT_MS,
  bodyTimeout: ANSWER_TIMEOUT_MS,
  signal: AbortSignal.timeout(deadlineMs),
});

const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Nothing of the request was sent. */
function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && NOT_CONNECTED.has(String(error.code));
}

function refusal(server: ServerName, status: number, body: JsonValue, retryAfter: string | undefined): RemoteRefusal {
  const { errcode, error, retry_after_ms: retryAfterMs } = isJsonObject(body) ? body : {};
  const wait = typeof retryAfterMs === 'number' ? retryAfterMs : Number(retryAfter) * 1000;
  return new RemoteRefusal(
    server,
    status,
    remoteText(errcode, 64) ?? 'M_UNKNOWN',
    remoteText(error, 512) ?? '',
    Number.isFinite(wait) && wait >= 0 ? wait : undefined,
  );
}

/** A fetch failure hides what happened in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
