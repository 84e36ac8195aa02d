import type { FuzzRequest } from './compose.js';
import type { WireAnswer } from './wire.js';
import { ACME, type World } from './world.js';

const JSON_TYPE = /^content-type: *application\/json(?:;|\r|$)/im;

/** What is wrong with an answer, whatever the request was; undefined when nothing is. */
export function faultOf(request: FuzzRequest, answer: WireAnswer, world: World): string | undefined {
  if (answer.kind !== 'answer') return request.framed ? `no answer: ${answer.kind}` : undefined;
  const { status, head, body } = answer;
  if (status < 200 || status >= 500) return `status ${String(status)}`;
  const text = body.toString();
  if (text.includes(world.secret)) return 'it tells what only the members of another room may know';
  if (request.method === 'HEAD') return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return `status ${String(status)} without JSON: ${text.slice(0, 200)}`;
  }
  if (!JSON_TYPE.test(head)) return 'the answer does not say that it is JSON';
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return 'the answer is no object';
  if (status !== 200) {
    const { errcode, error } = json as { errcode?: unknown; error?: unknown };
    return typeof errcode === 'string' && /^M_[A-Z_]+$/.test(errcode) && typeof error === 'string'
      ? undefined
      : `status ${String(status)} without errcode and error: ${text.slice(0, 200)}`;
  }
  return signedForUs(json);
}

/** The gateway puts its signature under invites of its users; one in a user's name would be a forgery of that user. */
function signedForUs(json: object): string | undefined {
  const { pdu } = json as { pdu?: { sender?: unknown; signatures?: Record<string, unknown> } };
  if (typeof pdu?.sender !== 'string' || !pdu.sender.endsWith(`:${ACME}`)) return undefined;
  return 'it signed an event of one of its own users for somebody else';
}
