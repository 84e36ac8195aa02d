import type { IncomingMessage, ServerResponse } from 'node:http';

/** The largest request body in bytes. */
export const MAX_BODY_BYTES = 65_536;
// A body that is too large is read to its end before the answer, else the sender sees a reset connection and
// repeats the call; beyond this size the connection is closed all the same.
const MAX_DISCARDED_BYTES = 4 * 1_048_576;

export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** The path's decoded segments behind the prefix of the API. */
  path: readonly string[];
}

/** An answer that is not a success; it becomes `{ error: { code, message } }`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const invalid = (message: string): Problem => new Problem(422, 'invalid', message);
export const notFound = (): Problem => new Problem(404, 'not_found', 'There is nothing at this address.');

/** @throws Problem 413 beyond {@link MAX_BODY_BYTES}, 422 when it is not JSON in UTF-8. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    if (size > MAX_DISCARDED_BYTES) break;
  }
  if (size > MAX_BODY_BYTES) {
    throw new Problem(413, 'too_large', `The body is larger than ${MAX_BODY_BYTES} bytes.`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw invalid('The body is not JSON.');
  }
}

export function sendNothing(response: ServerResponse): void {
  response.writeHead(204, { 'cache-control': 'no-store' }).end();
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendJsonText(response, status, JSON.stringify(body));
}

export function sendJsonText(response: ServerResponse, status: number, json: string): void {
  response
    .writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(json),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    .end(json);
}

/** Answers an error of any kind; what is not a {@link Problem} is ours, and worth repeating: 503. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.destroyed || !response.socket || response.socket.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof Problem) {
    sendJson(response, error.status, { error: { code: error.code, message: error.message } });
    return;
  }
  console.error(error);
  sendJson(response, 503, { error: { code: 'unavailable', message: 'The chat cannot do this at the moment.' } });
}

/** The decoded segments of a path, or undefined when its percent encoding is broken. */
export function segments(pathname: string): string[] | undefined {
  try {
    return pathname.slice(1).split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** A whole number from the query. @throws Problem 422 when it is something else or out of range. */
export function integerParameter(url: URL, name: string, range: { min: number; max: number; or: number }): number {
  const text = url.searchParams.get(name);
  if (text === null) return range.or;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= range.min && value <= range.max)) {
    throw invalid(`${name} must be a whole number from ${range.min} to ${range.max}.`);
  }
  return value;
}

export function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('The body must be an object.');
  return Object.fromEntries(Object.entries(value));
}
