import { randomUUID } from 'node:crypto';

const MAX_ANSWER_BYTES = 16 * 1024 * 1024; // as the gateway's own adapter
const ANSWER_TIMEOUT_MS = 30_000;

/** What an implementation does against the contract, in words. */
export class Defect extends Error {}

/** A call of a check: {method, path behind /v1/, body (JSON), bytes, raw (text as it is), key, token, timeoutMs}. */
export class Wire {
  constructor(url, token) {
    this.base = `${url.replace(/\/+$/, '')}/v1`;
    this.token = token;
  }

  /** {status, json, bytes, headers, ms}. Throws Defect when no answer comes that the gateway would read, and for every 5xx. */
  async call(method, path, { body, bytes, raw, key, token = this.token, timeoutMs = ANSWER_TIMEOUT_MS } = {}) {
    const what = `${method} /v1/${path.slice(0, 120)}`;
    const content = raw ?? bytes ?? (body === undefined ? undefined : JSON.stringify(body));
    const began = performance.now();
    let response;
    let read;
    try {
      response = await fetch(`${this.base}/${path}`, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(content === undefined
            ? {}
            : { 'content-type': bytes ? 'application/octet-stream' : 'application/json; charset=utf-8' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        ...(content === undefined ? {} : { body: content }),
      });
      read = await bounded(response, what);
    } catch (error) {
      if (error instanceof Defect) throw error;
      const reason = error.cause?.message ?? error.message;
      throw new Defect(`${what} gave no answer within ${String(timeoutMs / 1000)} s: ${reason}`);
    }
    if (response.status >= 500) {
      throw new Defect(`${what} answered ${String(response.status)}: the gateway would repeat the call for ever`);
    }
    return { what, status: response.status, bytes: read, headers: response.headers, ms: performance.now() - began };
  }

  newKey() {
    return `conformance-${randomUUID()}`;
  }
}

async function bounded(response, what) {
  const parts = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) throw new Defect(`${what} answers more than 16 MiB`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The JSON of an answer that must have one of these status codes. */
export function answered(answer, ...expected) {
  if (!expected.includes(answer.status)) {
    const said = answer.bytes.toString().slice(0, 200);
    throw new Defect(`${answer.what} answered ${String(answer.status)}, not ${expected.join(' or ')}: ${said}`);
  }
  return answer.status === 204 ? undefined : object(answer);
}

/** An error of the catalogue. */
export function refused(answer, status, code) {
  const { error } = answered(answer, status);
  if (error?.code !== code) throw new Defect(`${answer.what} has the code ${String(error?.code)}, not ${code}`);
  if (typeof error.message !== 'string') throw new Defect(`${answer.what}: error.message is no text`);
}

/** Refused, by whichever 4xx. */
export function refusedSomehow(answer, why) {
  if (answer.status < 400) throw new Defect(`${answer.what} answered ${String(answer.status)} to ${why}`);
}

function object(answer) {
  let value;
  try {
    value = JSON.parse(answer.bytes.toString());
  } catch {
    throw new Defect(`${answer.what} does not answer JSON`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new Defect(`${answer.what} does not answer an object`);
}

export function expectThat(condition, otherwise) {
  if (!condition) throw new Defect(otherwise);
}

export const isId = (value) => typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= 255;
