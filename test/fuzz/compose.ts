import type { JsonValue } from '../../src/protocol/index.js';
import type { Attacker } from './attacker.js';
import {
  type HttpRequest,
  framed,
  mutateAuthorization,
  mutateHeaders,
  mutateUri,
  oddMethod,
  unframed,
} from './mutate-http.js';
import { eventsIn, mutateBytes, mutateValue, oddSpelling, plainText } from './mutate-json.js';
import type { Random } from './random.js';
import type { Draft } from './seeds.js';
import type { WireRequest } from './wire.js';
import { ACME } from './world.js';

/** Where a request is mutated; `event` is done when its events are made. */
export const LAYERS = [
  'event',
  'value',
  'spelling',
  'bytes',
  'uri',
  'method',
  'authorization',
  'headers',
  'framing',
] as const;
export type Layer = (typeof LAYERS)[number];

/** A request, ready to be sent, and what is known of it. */
export interface FuzzRequest extends WireRequest {
  endpoint: string;
  /** Who signed it, if it is signed at all: whatever it claims, it is of this server. */
  signer: Attacker | undefined;
  /** What was done to it; empty: it is right. */
  mutations: string[];
  /** LPDU hashes of the events in it. */
  carries: string[];
  answered: Draft['answered'];
}

export const chooseLayers = (random: Random): Set<Layer> => {
  const one = (): Layer =>
    random.weighted([
      [40, 'event'],
      [12, 'value'],
      [9, 'spelling'],
      [7, 'bytes'],
      [11, 'uri'],
      [4, 'method'],
      [8, 'authorization'],
      [5, 'headers'],
      [4, 'framing'],
    ]);
  if (random.chance(0.2)) return new Set();
  return new Set(random.chance(0.75) ? [one()] : [one(), one()]);
};

/** Writes a draft down, mutated in the given layers, and signed so that what is mutated is reached wherever that can be. */
export function compose(draft: Draft, layers: ReadonlySet<Layer>, random: Random): FuzzRequest {
  const { origin, mutations } = draft;
  const apply = (layer: Layer): boolean => {
    if (layers.has(layer)) mutations.push(layer);
    return layers.has(layer);
  };
  let { method, uri, body: value } = draft;
  if (value !== undefined && apply('value')) value = mutateValue(value, random);
  if (apply('method')) method = oddMethod(random);
  if (value === undefined && (method === 'PUT' || method === 'POST') && random.chance(0.5)) value = {};
  const spelling = value !== undefined && apply('spelling');
  let body: Buffer | undefined =
    value === undefined ? undefined : Buffer.from(spelling ? oddSpelling(value, random) : plainText(value));
  if (body !== undefined && apply('bytes')) body = mutateBytes(body, random);
  const late = random.chance(0.2);
  if (!late && apply('uri')) uri = mutateUri(uri, random);
  const signature = signed(origin, { method, uri }, body);
  if (late && apply('uri')) uri = mutateUri(uri, random);
  let authorizations = signature === undefined ? [] : [signature];
  if (signature !== undefined && apply('authorization')) {
    const other = signed(origin, { method: 'GET', uri: '/' }, undefined) ?? '';
    authorizations = mutateAuthorization(signature, other, random);
  }
  let headers: HttpRequest['headers'] = [
    ['Host', ACME],
    ...authorizations.map((each): [string, string] => ['Authorization', each]),
    ...(body === undefined ? [] : [['Content-Type', 'application/json'] satisfies [string, string]]),
  ];
  if (apply('headers')) headers = mutateHeaders(headers, random);
  const request = { method, uri: withoutBreaks(uri), headers, body };
  const whole = !apply('framing');
  return {
    endpoint: draft.endpoint,
    bytes: whole ? framed(request) : unframed(request, random),
    method,
    // A request line that holds such bytes, and headers that bring a body or an end of their own, may not be one whole request.
    framed: whole && !layers.has('headers') && /^[\x21-\x7e]+$/.test(uri) && method !== 'CONNECT',
    signer: signature === undefined ? undefined : origin,
    mutations,
    carries: body === undefined ? [] : hashesIn(body),
    answered: mutations.length === 0 ? draft.answered : undefined,
  };
}

const withoutBreaks = (uri: string): string => uri.replaceAll(/[\r\n]/g, '');

/** Over what a lenient parser reads of the body; undefined when nothing can be read. */
function signed(origin: Attacker, line: { method: string; uri: string }, body: Buffer | undefined): string | undefined {
  try {
    const content = body === undefined ? undefined : (JSON.parse(body.toString()) as JsonValue);
    return origin.authorization(ACME, { ...line, ...(content === undefined ? {} : { content }) });
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
    return origin.authorization(ACME, line);
  }
}

function hashesIn(body: Buffer): string[] {
  try {
    return eventsIn(JSON.parse(body.toString()) as JsonValue).flatMap(({ hashes }) => {
      const lpdu = (hashes as { lpdu?: { sha256?: unknown } | null }).lpdu;
      return typeof lpdu?.sha256 === 'string' ? [lpdu.sha256] : [];
    });
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
