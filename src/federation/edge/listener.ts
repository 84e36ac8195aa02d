import { METHODS, type RequestListener, type Server, createServer } from 'node:http';
import { type ServerHttp2Session, createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import type { Configuration } from '../../config/index.js';
import { MatrixError } from '../../protocol/index.js';
import { boundConnections } from './connection-limits.js';

export const TLS = { minVersion: 'TLSv1.3' } as const; // LM-04 §TLS Certificates

const MAX_HEADER_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 15_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Longer than the usual idle time of reverse proxies, so that it is they who close. */
const IDLE_MS = 75_000;
const MAX_STREAMS = 100;

/** HTTP/2: of a session that resets streams, pings, settles or breaks frames without end, not much is taken (RFC 9113 §10.5). */
const HTTP2 = {
  settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
  maxHeaderListPairs: 128,
  maxSessionMemory: 10, // MB
  maxSettings: 16,
  maxOutstandingPings: 10,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  streamResetBurst: 200,
  streamResetRate: 20,
  unknownProtocolTimeout: HANDSHAKE_TIMEOUT_MS,
};

export const REQUEST_METHODS: readonly string[] = METHODS.filter((method) => method !== 'CONNECT');

type Bounds = Pick<Configuration, 'federationTls' | 'maxConnections' | 'maxConnectionsPerAddress' | 'requestTimeoutMs'>;

export interface Listener {
  server: Server;
  /** What is under way on them is finished all the same. */
  endConnections: () => void;
}

/** HTTP/1.1 and HTTP/2 over TLS 1.3, or plain HTTP/1.1 behind a proxy (profile §3): bounded in time, connections and headers. */
export function createListener(
  handler: RequestListener,
  { federationTls, maxConnections, maxConnectionsPerAddress, requestTimeoutMs }: Bounds,
): Listener {
  const headersTimeout = Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs);
  const http1 = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false, // it is required, and the answer of the protocol's form is ours
    headersTimeout,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(2_000, headersTimeout / 2),
    keepAliveTimeout: IDLE_MS,
    maxHeadersCount: 0, // bounded by their bytes, and then refused rather than cut off
  };
  const server =
    federationTls === undefined
      ? createServer(http1, handler)
      : // Node's compatibility API: its requests and responses are those of HTTP/1.1 in all that Fastify uses.
        (createSecureServer(
          {
            ...http1,
            ...HTTP2,
            ...TLS,
            cert: federationTls.cert,
            key: federationTls.key,
            allowHTTP1: true,
            handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
          },
          handler as never,
        ) as unknown as Server);
  Object.assign(server, http1); // Node's HTTP/2 server takes them as options, and does not use them for HTTP/1.1
  server.on('session', (session: ServerHttp2Session) => {
    session.setTimeout(IDLE_MS, () => {
      session.close();
    });
  });
  server.on('checkExpectation', (_request, response) => {
    const body = JSON.stringify(new MatrixError('M_UNKNOWN', 417, 'this expectation is not met').body());
    const length = Buffer.byteLength(body);
    response.writeHead(417, { 'content-type': 'application/json', 'content-length': length, connection: 'close' });
    response.end(body);
  });
  const endConnections = boundConnections(server, {
    overall: maxConnections,
    perSource: federationTls === undefined ? undefined : maxConnectionsPerAddress,
    refusal: federationTls === undefined ? rawAnswer(TOO_MANY_CONNECTIONS) : undefined,
  });
  return { server, endConnections };
}

/** What comes before, or instead of, a request: an answer where there is one, and the end of the connection. */
export function answerBrokenConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else socket.end(rawAnswer(BROKEN.get(error.code ?? '') ?? NO_HTTP), () => socket.destroy());
}

const TOO_MANY_CONNECTIONS = new MatrixError('M_LIMIT_EXCEEDED', 429, 'too many connections are open', {
  retry_after_ms: 5_000,
});
const NO_HTTP = new MatrixError('M_UNKNOWN', 400, 'the request is not HTTP');
const BROKEN = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', new MatrixError('M_UNKNOWN', 408, 'the request took too long')],
  ['HPE_HEADER_OVERFLOW', new MatrixError('M_TOO_LARGE', 431, 'the headers are too large')],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', new MatrixError('M_TOO_LARGE', 413, 'the chunk extensions are too large')],
]);
const REASONS: Record<number, string> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
};

function rawAnswer(error: MatrixError): string {
  const body = JSON.stringify(error.body());
  const wait = error.extra.retry_after_ms;
  return [
    `HTTP/1.1 ${String(error.status)} ${REASONS[error.status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    ...(wait === undefined ? [] : [`Retry-After: ${String(Math.ceil(wait / 1_000))}`]),
    '',
    body,
  ].join('\r\n');
}
