import { type RequestListener, type Server, createServer } from 'node:http';
import { type ServerHttp2Session, createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { Configuration } from '../../config/index.js';
import { Metrics } from '../../observability/metrics.js';
import { Tasks } from '../../persistence/tasks.js';
import { MatrixError, type ParsedJson, type ServerName, parseJson } from '../../protocol/index.js';
import { UnknownRoom } from '../../rooms/room-log.js';
import { FederationClient } from '../client/federation-client.js';
import { Destinations } from '../delivery/destinations.js';
import { type FederationController, type FederationRoute } from './call.js';
import { RequestAuthenticator } from './request-authenticator.js';

/** 50 PDUs of 64 KiB and 100 EDUs. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_PATH_PARAMETER = 1_024;
const REQUEST_TIMEOUT_MS = 60_000;
const TLS = { minVersion: 'TLSv1.3' } as const; // LM-04 §TLS Certificates
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'] as const;

export const FEDERATION_CONTROLLERS = Symbol('FEDERATION_CONTROLLERS');

/**
 * The listener for other servers: its own HTTP server, because nothing of the admin API may be reachable here, and because a
 * body must be authenticated and hashed as it was received (docs/adr/0002).
 */
@Injectable()
export class FederationServer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('FederationServer');
  /** Requests are finished also when their connection is gone (LM-04 §send). Their failures are answered by Fastify. */
  private readonly answering = new Tasks(() => undefined);
  private readonly http: FastifyInstance;
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly onHangup = (): void => {
    this.reloadCertificates();
  };

  constructor(
    private readonly configuration: Configuration,
    private readonly authenticator: RequestAuthenticator,
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly metrics: Metrics,
    @Inject(FEDERATION_CONTROLLERS) controllers: readonly FederationController[],
  ) {
    this.http = this.build(controllers.flatMap((controller) => controller.routes()));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { host, port } = this.configuration.federationListen;
    process.on('SIGHUP', this.onHangup);
    await this.http.listen({ host, port });
    this.logger.log(`federation listens at ${host}:${String(this.port)}`);
  }

  async beforeApplicationShutdown(): Promise<void> {
    process.off('SIGHUP', this.onHangup);
    for (const session of this.sessions) session.destroy();
    await this.http.close();
    await this.client.abort(); // an answer may wait for another server
    await this.answering.settled();
  }

  /** The port that is listened on, also when the configuration says 0. */
  get port(): number {
    const address = this.http.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get listening(): boolean {
    return this.http.server.listening;
  }

  /**
   * Takes certificate and key from their files again, for connections from now on; those that are open stay. What is wrong with
   * the files is logged, and the certificate in force stays.
   */
  reloadCertificates(): void {
    const { federationTls } = this.configuration;
    if (federationTls === undefined || !(this.http.server instanceof TlsServer)) return;
    try {
      this.http.server.setSecureContext({ ...federationTls.reread(), ...TLS });
      this.logger.log('certificates were reloaded');
    } catch (error) {
      this.logger.error({ err: error }, 'the certificates could not be reloaded; those before stay in force');
    }
  }

  private build(routes: readonly FederationRoute[]): FastifyInstance {
    const http = fastify({
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      exposeHeadRoutes: false,
      forceCloseConnections: true,
      routerOptions: { maxParamLength: MAX_PATH_PARAMETER, ignoreTrailingSlash: false },
      serverFactory: (handler) => this.listener(handler),
      frameworkErrors: (error, _request, reply) => {
        this.fail(error, reply);
      },
    });
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
      done(null, body);
    });
    http.setErrorHandler((error: FastifyError, _request, reply) => this.fail(error, reply));
    http.setNotFoundHandler((_request, reply) => this.fail(UNRECOGNIZED, reply));
    http.addHook('onResponse', (request, reply, done) => {
      const { endpoint } = request.routeOptions.config as { endpoint?: string };
      const labels = { endpoint: endpoint ?? 'unknown', status: String(reply.statusCode) };
      this.metrics.federationRequests.observe(labels, reply.elapsedTime / 1_000);
      done();
    });
    const methods = new Map<string, string[]>();
    for (const route of routes) {
      for (const url of route.paths) {
        http.route({
          method: route.method,
          url,
          config: { endpoint: route.endpoint },
          handler: (request, reply) => {
            const answering = this.answer(route, request, reply);
            this.answering.add(answering);
            return answering;
          },
        });
        methods.set(url, [...(methods.get(url) ?? []), route.method]);
      }
    }
    for (const [url, known] of methods) {
      const others = METHODS.filter((method) => !known.includes(method));
      http.route({ method: others, url, handler: (_request, reply) => this.fail(WRONG_METHOD, reply) });
    }
    return http;
  }

  /** HTTP/1.1 and HTTP/2 over TLS 1.3, or plain HTTP/1.1 behind a proxy (profile §3). */
  private listener(handler: RequestListener): Server {
    const { federationTls } = this.configuration;
    const server =
      federationTls === undefined
        ? createServer(handler)
        : // Node's compatibility API: its requests and responses are those of HTTP/1.1 in all that Fastify uses.
          (createSecureServer(
            { cert: federationTls.cert, key: federationTls.key, allowHTTP1: true, ...TLS },
            handler as never,
          ) as unknown as Server);
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.on('session', (session: ServerHttp2Session) => {
      this.sessions.add(session);
      session.once('close', () => this.sessions.delete(session));
    });
    server.on('clientError', (_error, socket: Socket) => {
      if (socket.writable)
        socket.end(
          `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n${MALFORMED}`,
        );
    });
    return server;
  }

  private async answer(route: FederationRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const parsed = raw.length === 0 ? undefined : readBody(raw);
    const uri = request.raw.url ?? '';
    let origin = '' as ServerName;
    if (!route.public) {
      origin = await this.authenticator.authenticate(
        { method: route.method, uri },
        authorizations(request),
        parsed?.value,
      );
      this.destinations.heardFrom(origin);
    }
    const answer = await route.handle({
      origin,
      params: request.params as Record<string, string | undefined>,
      query: new URLSearchParams(uri.includes('?') ? uri.slice(uri.indexOf('?')) : ''),
      body: parsed?.value,
      defects: parsed?.defects,
      raw,
    });
    return reply.code(200).type('application/json').send(JSON.stringify(answer));
  }

  private fail(error: unknown, reply: FastifyReply): FastifyReply {
    const matrix = this.toMatrix(error);
    return reply.code(matrix.status).type('application/json').send(JSON.stringify(matrix.body()));
  }

  private toMatrix(error: unknown): MatrixError {
    if (error instanceof MatrixError) return error;
    if (error instanceof UnknownRoom) return new MatrixError('M_NOT_FOUND', 404, 'the room is not known here');
    const { code, statusCode } = error as Partial<FastifyError>;
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new MatrixError('M_TOO_LARGE', 413, 'the body is too large');
    if (code === 'FST_ERR_MAX_PARAM_LENGTH') return UNRECOGNIZED;
    if (statusCode !== undefined && statusCode < 500)
      return new MatrixError('M_NOT_JSON', 400, 'the request is malformed');
    this.logger.error({ err: error }, 'a federation request failed');
    return new MatrixError('M_UNKNOWN', 500, 'an error of this server');
  }
}

const MALFORMED = JSON.stringify({ errcode: 'M_UNKNOWN', error: 'the request is not HTTP' });
const UNRECOGNIZED = new MatrixError('M_UNRECOGNIZED', 404, 'there is no such endpoint');
const WRONG_METHOD = new MatrixError('M_UNRECOGNIZED', 405, 'the endpoint does not have this method');

function readBody(raw: Uint8Array): ParsedJson {
  const parsed = parseJson(raw);
  if (!parsed.ok) throw new MatrixError('M_NOT_JSON', 400, parsed.error.reason);
  if (parsed.value.defects.fatal !== undefined) throw new MatrixError('M_BAD_JSON', 400, parsed.value.defects.fatal);
  return parsed.value;
}

/** Node keeps only the first of several Authorization headers in `headers`. */
function authorizations({ raw: { rawHeaders } }: FastifyRequest): string[] {
  return rawHeaders.filter(
    (_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization',
  );
}
