import type { IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { type Json, SlackError, isJson } from './model.js';

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Response {
  status: number;
  headers?: Record<string, string>;
  body: Buffer | string;
}

export const jsonResponse = (body: Json, headers: Record<string, string> = {}, status = 200): Response => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(body),
});

export const textResponse = (body: string, status = 200): Response => ({
  status,
  headers: { 'content-type': 'text/plain' },
  body,
});

export async function requestOf(message: IncomingMessage, origin: string): Promise<Request> {
  const body = await buffer(message);
  const { method = 'GET', url = '/', headers } = message;
  return { method, url: new URL(url, origin), headers, body };
}

export const bearer = (request: Request): string | undefined =>
  /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];

/** The arguments of a call: query, form, multipart or JSON; `warning` as Slack gives it. */
export function argumentsOf(request: Request): { args: Json; json: boolean; warning?: string } {
  const query = Object.fromEntries(request.url.searchParams);
  const type = request.headers['content-type'] ?? '';
  if (request.method === 'GET' || request.body.length === 0) return { args: query, json: false };
  if (type.startsWith('application/json')) {
    const charset = /charset/i.test(type) ? {} : { warning: 'missing_charset' };
    return { args: { ...query, ...parsedJson(request.body) }, json: true, ...charset };
  }
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return {
      args: { ...query, ...Object.fromEntries(new URLSearchParams(request.body.toString('utf8'))) },
      json: false,
    };
  }
  if (type.startsWith('multipart/form-data')) return { args: { ...query, ...fieldsOf(request) }, json: false };
  throw new SlackError('invalid_post_type');
}

function parsedJson(body: Buffer): Json {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new SlackError('invalid_json');
  }
  if (!isJson(value)) throw new SlackError('json_not_object');
  return value;
}

/** The bytes of an upload: the body as it is, or the file of a form. */
export function uploadedBytes(request: Request): Buffer {
  if (!(request.headers['content-type'] ?? '').startsWith('multipart/form-data')) return request.body;
  return parts(request).find((part) => part.file)?.content ?? Buffer.alloc(0);
}

interface Part {
  name: string;
  file: boolean;
  content: Buffer;
}

const fieldsOf = (request: Request): Json =>
  Object.fromEntries(
    parts(request)
      .filter((part) => !part.file)
      .map((part) => [part.name, part.content.toString('utf8')]),
  );

/** The parts of a multipart body (RFC 7578). */
function parts(request: Request): Part[] {
  const boundary = /boundary="?([^";]+)"?/.exec(request.headers['content-type'] ?? '')?.[1];
  if (boundary === undefined) throw new SlackError('invalid_form_data');
  const { body } = request;
  const delimiter = `--${boundary}`;
  const found: Part[] = [];
  let start = body.indexOf(delimiter);
  for (let end = body.indexOf(delimiter, start + 1); end >= 0; end = body.indexOf(delimiter, start + 1)) {
    const part = body.subarray(start + delimiter.length + 2, end - 2);
    const gap = part.indexOf('\r\n\r\n');
    const head = part.subarray(0, gap).toString('utf8');
    const name = /[; ]name="([^"]*)"/.exec(head)?.[1] ?? '';
    found.push({ name, file: head.includes('filename="'), content: part.subarray(gap + 4) });
    start = end;
  }
  return found;
}
