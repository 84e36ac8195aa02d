import { readFileSync } from 'node:fs';
import { type Listen, loadConfiguration } from '../config/index.js';
import { CommandFailure } from './failure.js';

/** A join waits for another server, which may take its time. */
const TIMEOUT_MS = 90_000;

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Answer = Record<string, unknown>;

export interface ConnectionOptions {
  url?: string;
  tokenFile?: string;
}

/** Speaks to the admin API of a running gateway. */
export class AdminClient {
  constructor(
    private readonly base: URL,
    private readonly token: string,
  ) {
    // Checked here, because `fetch` refuses a header by quoting it.
    if (!/^[\x20-\x7e]+$/.test(token)) throw new CommandFailure('The admin token is none: a line of ASCII is needed.');
  }

  /** What the options do not say stands in the configuration. Throws ConfigurationError or CommandFailure. */
  static connect({ url, tokenFile }: ConnectionOptions, env: NodeJS.ProcessEnv, directory: string): AdminClient {
    const token = tokenFile === undefined ? undefined : readToken(tokenFile);
    if (url !== undefined && token !== undefined) return new AdminClient(baseUrl(url), token);
    const { adminListen, adminToken } = loadConfiguration(env, directory);
    return new AdminClient(url === undefined ? urlOf(adminListen) : baseUrl(url), token ?? adminToken);
  }

  /** `path` begins behind `/_causeway/v1/`. Throws CommandFailure with what the gateway said. */
  async request(method: Method, path: string, body?: Answer): Promise<Answer> {
    const url = new URL(`_causeway/v1/${path}`, this.base);
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await response.text();
    } catch (error) {
      throw new CommandFailure(`The gateway at ${this.base.origin} does not answer: ${causeOf(error)}.`);
    }
    const answer = asObject(text);
    if (answer === undefined) throw new CommandFailure(`What answers at ${this.base.origin} is no Causeway gateway.`);
    if (response.ok) return answer;
    throw new CommandFailure(typeof answer.error === 'string' ? answer.error : `status ${response.status}`);
  }
}

function baseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new CommandFailure(`--url must be an address such as http://127.0.0.1:8449, and ${text} is none.`);
  }
  return url.pathname.endsWith('/') ? url : new URL(`${url.pathname}/`, url);
}

/** An address that listens on every interface is reached on this machine. */
function urlOf({ host, port }: Listen): URL {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new URL(`http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}/`);
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new CommandFailure(`--token-file must name a readable file: ${causeOf(error)}.`);
  }
}

function asObject(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** `fetch` hides the reason in a cause, and Node an attempt at several addresses in an aggregate without a message. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message === '' ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : cause.message;
}
