import type { Readable } from 'node:stream';
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
import { unavailabilityOf } from '../../persistence/unavailability.js';
import { MatrixError, type ParsedJson, type ServerName, parseJson } from '../../protocol/index.js';
import { UnknownRoom } from '../../rooms/room-log.js';
import { FederationClient } from '../client/federation-client.js';
import { Destinations } from '../delivery/destinations.js';
import { type FederationController, type FederationRoute, StreamAnswer } from './call.js';
import { sourceOf } from './connection-limits.js';
import { REQUEST_METHODS, TLS, answerBrokenConnection, createListener } from './listener.js';
import { RateLimits } from './rate-limits.js';
import { type Claim, RequestAuthenticator } from './request-authenticator.js';
import { type ReceivedBody, RequestBodies } from './request-bodies.js';

const BODY_LIMIT = 1024 * 1024;
const MAX_PATH_PARAMETER = 1_024;
const MAX_HEADERS = 100;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route has one of the two. */
    route?: FederationRoute;
    refusal?: MatrixError;
  }
  interface FastifyRequest {
    /** undefined on what is public. */
    claim: Claim | undefined;
  }
}

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
  private endConnections: () => void = () => undefined;
  private readonly bodies: RequestBodies;
  private readonly onHangup = (): void => {
    this.reloadCertificates();
  };

  constructor(
    private readonly configuration: Configuration,
    private readonly authenticator: RequestAuthenticator,
    private readonly limits: RateLimits,
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly metrics: Metrics,
    @Inject(FEDERATION_CONTROLLERS) controllers: readonly FederationController[],
  ) {
    this.bodies = new RequestBodies(configuration.requestTimeoutMs);
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
    const closed = this.http.close();
    this.endConnections();
    await closed;
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
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: MAX_PATH_PARAMETER, ignoreTrailingSlash: false },
      serverFactory: (handler) => {
        const { server, endConnections } = createListener(handler, this.configuration);
        this.endConnections = endConnections;
        return server;
      },
      clientErrorHandler: answerBrokenConnection,
      frameworkErrors: (error, _request, reply) => {
        this.fail(error, reply);
      },
    });
    http.removeAllContentTypeParsers();
    http.addContentTypeParser('*', (request: FastifyRequest) => {
      const limit = request.routeOptions.config.route?.bodyLimit ?? BODY_LIMIT;
      return this.bodies.read(request.raw, limit, this.sourceOf(request));
    });
    http.setErrorHandler((error: FastifyError, _request, reply) => this.fail(error, reply));
    http.decorateRequest('claim', undefined);
    http.addHook('onRequest', (request) => {
      const admitting = this.admit(request);
      this.answering.add(admitting);
      return admitting;
    });
    http.setNotFoundHandler((_request, reply) => this.fail(UNRECOGNIZED, reply));
    http.addHook('onResponse', (request, reply, done) => {
      const { route } = request.routeOptions.config;
      const labels = { endpoint: route?.endpoint ?? 'unknown', status: String(reply.statusCode) };
      this.metrics.federationRequests.observe(labels, reply.elapsedTime / 1_000);
      done();
    });
    for (const method of REQUEST_METHODS) if (!http.supportedMethods.includes(method)) http.addHttpMethod(method);
    const methods = new Map<string, string[]>();
    for (const route of routes) {
      for (const url of route.paths) {
        http.route({
          method: route.method,
          url,
          config: { route },
          handler: (request, reply) => {
            reply.type('application/json');
            const answering = this.answer(route, request, reply);
            this.answering.add(answering);
            return answering;
          },
        });
        methods.set(url, [...(methods.get(url) ?? []), route.method]);
      }
    }
    for (const [url, known] of methods) {
      const others = REQUEST_METHODS.filter((method) => !known.includes(method));
      const config = { refusal: WRONG_METHOD };
      http.route({ method: others, url, config, handler: (_request, reply) => this.fail(WRONG_METHOD, reply) });
    }
    return http;
  }

  /** What can be said of a request before its body is read. Throws MatrixError. */
  private async admit(request: FastifyRequest): Promise<void> {
    const { route, refusal = UNRECOGNIZED } = request.routeOptions.config;
    // An empty parameter: a trailing slash makes another endpoint (LM-04 §Requests and Responses).
    if (/^[^?]*\/(?:\?|$)/.test(request.raw.url ?? '')) throw UNRECOGNIZED;
    if (route === undefined) throw refusal;
    if (request.raw.rawHeaders.length / 2 > MAX_HEADERS) throw TOO_MANY_HEADERS;
    if (request.raw.httpVersion === '1.1' && request.raw.headers.host === undefined) throw NO_HOST;
    // Whatever it says that it is, a body is read as JSON (LM-04 §Requests and Responses).
    request.raw.headers['content-type'] = 'application/json';
    if (!route.public) {
      request.claim = await this.authenticator.identify(authorizations(request), this.sourceOf(request));
    }
  }

  private async answer(
    route: FederationRoute,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<Buffer | Readable> {
    const received = request.body as ReceivedBody | undefined;
    try {
      const raw = received?.bytes ?? Buffer.alloc(0);
      const parsed = route.method === 'GET' ? undefined : readBody(raw);
      const uri = pathOf(request.raw.url ?? '');
      const origin = this.originOf(route, request, uri, parsed);
      const answer = await route.handle({
        origin,
        source: this.sourceOf(request),
        params: request.params as Record<string, string | undefined>,
        query: new URLSearchParams(uri.includes('?') ? uri.slice(uri.indexOf('?')) : ''),
        body: parsed?.value,
        defects: parsed?.defects,
        raw,
      });
      if (answer instanceof StreamAnswer) {
        reply.type(answer.contentType);
        return answer.body;
      }
      return Buffer.from(JSON.stringify(answer)); // as text it would be told a charset, which JSON has not
    } finally {
      received?.release();
    }
  }

  private originOf(
    { public: isPublic, method, rateLimited, endpoint }: FederationRoute,
    { claim }: FastifyRequest,
    uri: string,
    body: ParsedJson | undefined,
  ): ServerName {
    if (isPublic) return '' as ServerName;
    if (claim === undefined) throw new Error(`${endpoint} is not authenticated`);
    const origin = this.authenticator.verify(claim, { method, uri }, body?.value);
    this.destinations.heardFrom(origin);
    if (rateLimited) this.limits.take(origin, endpoint);
    return origin;
  }

  /** Behind a proxy all connections come from one address, which says nothing. */
  private sourceOf({ raw }: FastifyRequest): string | undefined {
    return this.configuration.federationTls === undefined ? undefined : sourceOf(raw.socket.remoteAddress);
  }

  private fail(error: unknown, reply: FastifyReply): FastifyReply {
    const matrix = this.toMatrix(error);
    const wait = matrix.extra.retry_after_ms;
    if (wait !== undefined) reply.header('retry-after', String(Math.ceil(wait / 1_000)));
    return reply
      .code(matrix.status)
      .type('application/json')
      .send(Buffer.from(JSON.stringify(matrix.body())));
  }

  private toMatrix(error: unknown): MatrixError {
    if (error instanceof MatrixError) return error;
    if (error instanceof UnknownRoom) return new MatrixError('M_NOT_FOUND', 404, 'the room is not known here');
    const { code, statusCode } = error as Partial<FastifyError>;
    if (code === 'FST_ERR_MAX_PARAM_LENGTH') return UNRECOGNIZED;
    if (code === 'FST_ERR_BAD_URL') return new MatrixError('M_INVALID_PARAM', 400, 'the path is not encoded properly');
    if (statusCode !== undefined && statusCode < 500)
      return new MatrixError('M_UNKNOWN', statusCode, 'the request is malformed');
    // Not a 500: that says that the request is at fault, and for some it is final (docs/adr/0003).
    if (unavailabilityOf(error) !== undefined) return UNAVAILABLE;
    this.logger.error({ err: error }, 'a federation request failed');
    return new MatrixError('M_UNKNOWN', 500, 'an error of this server');
  }
}

const UNRECOGNIZED = new MatrixError('M_UNRECOGNIZED', 404, 'there is no such endpoint');
const WRONG_METHOD = new MatrixError('M_UNRECOGNIZED', 405, 'the endpoint does not have this method');

const RETRY_AFTER_MS = 5_000;
const UNAVAILABLE = new MatrixError('M_UNKNOWN', 503, 'the server cannot be used now; try again later', {
  retry_after_ms: RETRY_AFTER_MS,
});

const TOO_MANY_HEADERS = new MatrixError('M_TOO_LARGE', 431, `there are more than ${String(MAX_HEADERS)} headers`);

const NO_HOST = new MatrixError('M_UNKNOWN', 400, 'there is no Host header');

/** As it is signed: also of a request that names scheme and host in its first line (RFC 9112 §3.2.2). */
const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, '');

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
