import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { type Receiver, route } from './receiver.js';
import type { Payload } from './events.js';
import { InstallPages } from './install-pages.js';
import { type Json, isJson, text } from './json.js';
import { isSigned } from './signature.js';

export interface Listen {
  host: string;
  port: number;
}

const PATHS = new Set(['/slack/events', '/slack/commands', '/slack/interactivity']);
const MAX_BODY = 1024 * 1024;
/** Slack waits 3 s. */
const ANSWER_MS = 2_700;
const REQUEST_MS = 10_000;
const MAX_CONNECTIONS = 500;

/**
 * Slack's requests over HTTP: events, commands and buttons, signed over the raw body. An event is answered 200 once it is durable; when
 * that takes longer than Slack waits, 503, and it comes again.
 */
export class SlackListener {
  private readonly logger = new Logger('SlackListener');
  private readonly installPages: InstallPages;
  private server: Server | undefined;

  constructor(
    private readonly listen: Listen,
    private readonly receivers: () => readonly Receiver[],
    private readonly now: () => number = () => Date.now(),
  ) {
    this.installPages = new InstallPages(receivers);
  }

  get port(): number | undefined {
    const address = this.server?.address();
    return address === null || typeof address !== 'object' ? undefined : (address satisfies AddressInfo).port;
  }

  start(): void {
    if (this.server !== undefined) return;
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        this.logger.error({ err: error }, 'a request of Slack failed');
        end(response, 503);
      });
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', (error) => {
      const problem = `Slack cannot reach us: SLACK_LISTEN ${this.listen.host}:${String(this.listen.port)} gives ${error.message}`;
      this.logger.error({ err: error }, problem);
      for (const receiver of this.receivers()) receiver.trouble(problem);
    });
    server.listen(this.listen.port, this.listen.host);
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (await this.installPages.answer(request, response)) return;
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (!PATHS.has(path)) {
      end(response, 404);
      return;
    }
    if (request.method !== 'POST') {
      end(response, 405);
      return;
    }
    const body = await bodyOf(request);
    if (body === undefined) {
      end(response, 413);
      return;
    }
    const signed = {
      body,
      timestamp: header(request, 'x-slack-request-timestamp'),
      signature: header(request, 'x-slack-signature'),
    };
    const receivers = this.receivers().filter(
      ({ signingSecret }) => signingSecret !== undefined && isSigned(signed, signingSecret, this.now()),
    );
    if (receivers.length === 0) {
      end(response, 401);
      return;
    }
    await this.handle(receivers, body, header(request, 'content-type') ?? '', response);
  }

  private async handle(
    receivers: readonly Receiver[],
    body: Buffer,
    contentType: string,
    response: ServerResponse,
  ): Promise<void> {
    const sent = contentType.startsWith('application/json') ? parsed(body) : undefined;
    if (sent?.type === 'url_verification') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ challenge: text(sent.challenge).slice(0, 1_000) }));
      return;
    }
    if (sent?.type === 'app_rate_limited') {
      this.logger.error({ sent }, 'Slack keeps events back: more than 30,000 in an hour');
      end(response, 200);
      return;
    }
    const payload = sent === undefined ? payloadOfForm(body) : { kind: 'event' as const, body: sent };
    end(response, payload === undefined || (await this.taken(receivers, payload)) ? 200 : 503);
  }

  /** False: not in time, or not at all. */
  private async taken(receivers: readonly Receiver[], payload: Payload): Promise<boolean> {
    const timer = new AbortController();
    const late = sleep(ANSWER_MS, false, { signal: timer.signal }).catch(() => false);
    const taken = route(receivers, payload).then(
      () => true,
      (error: unknown) => {
        this.logger.warn({ reason: String(error) }, 'what Slack sent is not taken; Slack sends it again');
        return false;
      },
    );
    try {
      return await Promise.race([taken, late]);
    } finally {
      timer.abort();
    }
  }
}

function end(response: ServerResponse, status: number): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-length': 0 });
  response.end();
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** Undefined: too large. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function parsed(body: Buffer): Json {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isJson(value) ? value : {};
  } catch {
    return {};
  }
}

/** Commands are fields; of buttons and the like one field holds the payload. */
function payloadOfForm(body: Buffer): Payload | undefined {
  const form = new URLSearchParams(body.toString('utf8'));
  const payload = form.get('payload');
  if (payload !== null) return { kind: 'action', body: parsed(Buffer.from(payload)) };
  return form.has('command') ? { kind: 'command', body: Object.fromEntries(form) } : undefined;
}
