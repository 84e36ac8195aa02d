import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import { PlatformError, type PlatformErrorCode } from '../port.js';
import { MalformedAnswer } from './http-answers.js';

const ANSWER_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const CODES: Readonly<Record<string, PlatformErrorCode>> = {
  unknown_channel: 'channel_gone',
  channel_archived: 'channel_gone',
  unknown_user: 'user_gone',
  unknown_message: 'message_gone',
  unknown_file: 'message_gone',
  too_large: 'invalid',
  invalid: 'invalid',
  unauthorized: 'denied',
};

export interface HttpCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Behind `/v1/`. */
  path: string;
  /** JSON, or the bytes of a file. */
  body?: unknown;
  file?: Readable;
  key?: string;
}

/** The calls of docs/platforms/http.openapi.yaml. All reject with PlatformError. */
export class HttpClient {
  private readonly agent: Agent;
  /** Files are larger than answers. */
  private readonly files = new Agent({ headersTimeout: ANSWER_TIMEOUT_MS, bodyTimeout: ANSWER_TIMEOUT_MS });
  private readonly base: string;

  constructor(
    url: URL,
    private readonly token: string,
    private readonly signal: AbortSignal,
    longPollMs: number,
  ) {
    this.base = `${url.href.replace(/\/$/, '')}/v1`;
    this.agent = new Agent({
      maxResponseSize: MAX_ANSWER_BYTES,
      headersTimeout: ANSWER_TIMEOUT_MS + longPollMs,
      bodyTimeout: ANSWER_TIMEOUT_MS,
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.agent.destroy(), this.files.destroy()]);
  }

  /** The answer, read by `parse`; an answer that breaks the contract is one that did not come. */
  async ask<T>(call: HttpCall, parse: (value: unknown) => T): Promise<T> {
    const response = await this.request(call, this.agent);
    const answer = await json(response);
    if (response.statusCode !== 200 && response.statusCode !== 201) throw refusal(response.statusCode, answer);
    try {
      return parse(answer);
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error;
      throw unavailable(`the chat breaks the contract: ${error.message}`);
    }
  }

  /** A call without an answer. */
  async tell(call: HttpCall): Promise<void> {
    const response = await this.request(call, this.agent);
    if (response.statusCode >= 200 && response.statusCode < 300) {
      await response.body.dump();
      return;
    }
    throw refusal(response.statusCode, await json(response));
  }

  /** The bytes of a file: whoever reads them bounds them, or destroys the stream. */
  async download(path: string): Promise<{ stream: Readable; headers: Dispatcher.ResponseData['headers'] }> {
    const response = await this.request({ method: 'GET', path }, this.files);
    if (response.statusCode === 200) return { stream: response.body, headers: response.headers };
    throw refusal(response.statusCode, await json(response));
  }

  private async request(
    { method, path, body, file, key }: HttpCall,
    dispatcher: Agent,
  ): Promise<Dispatcher.ResponseData> {
    const content = file === undefined ? 'application/json' : 'application/octet-stream';
    try {
      return await request(`${this.base}/${path}`, {
        method,
        dispatcher,
        signal: this.signal,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(body === undefined && file === undefined ? {} : { 'content-type': content }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        body: file ?? (body === undefined ? null : JSON.stringify(body)),
      });
    } catch (error) {
      throw unavailable(`the chat does not answer: ${reasonOf(error)}`);
    }
  }
}

async function json({ body }: Dispatcher.ResponseData): Promise<unknown> {
  try {
    return await body.json();
  } catch (error) {
    throw unavailable(`the chat does not answer: ${reasonOf(error)}`);
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const unavailable = (message: string): PlatformError =>
  new PlatformError('unavailable', message, { certainlyNotDone: false });

function refusal(status: number, answer: unknown): PlatformError {
  const { error } = typeof answer === 'object' && answer !== null ? (answer as { error?: unknown }) : {};
  const { code, message, retry_after_ms: wait } = (error ?? {}) as Record<string, unknown>;
  const known =
    status >= 400 && status < 500 && typeof code === 'string' && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  const reason = typeof message === 'string' ? message.slice(0, 300) : '';
  return new PlatformError(known ?? 'unavailable', `the chat answered ${String(status)} ${String(code)}: ${reason}`, {
    certainlyNotDone: status < 500,
    ...(typeof wait === 'number' && wait >= 0 ? { retryAfterMs: wait } : {}),
  });
}
