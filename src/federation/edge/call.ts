import type { Readable } from 'node:stream';
import { type JsonDefects, type JsonValue, MatrixError, type ServerName } from '../../protocol/index.js';

/** A request of another server, authenticated unless the endpoint is public. */
export interface FederationCall {
  origin: ServerName;
  /** Who connected to us, by address (of IPv6 the network); undefined behind a proxy. */
  source: string | undefined;
  /** Decoded path parameters. */
  params: Readonly<Record<string, string | undefined>>;
  query: URLSearchParams;
  /** undefined when there is none. */
  body: JsonValue | undefined;
  defects: JsonDefects | undefined;
  /** The body as received. */
  raw: Uint8Array;
}

/** A 200 that is not JSON. */
export class StreamAnswer {
  constructor(
    readonly contentType: string,
    readonly body: Readable,
  ) {}
}

export interface FederationRoute {
  method: 'GET' | 'PUT' | 'POST';
  paths: readonly string[];
  /** Name in metrics and logs. */
  endpoint: string;
  /** Answered without X-Matrix. */
  public?: boolean;
  /** LM-04 lets us limit how often a server asks. */
  rateLimited?: boolean;
  /** The largest body that is read; 1 MiB when absent. */
  bodyLimit?: number;
  /** The JSON of a 200, or what else it answers. Throws MatrixError. */
  handle(call: FederationCall): Promise<JsonValue | StreamAnswer> | JsonValue;
}

/** A part of the federation API. */
export interface FederationController {
  routes(): FederationRoute[];
}

/** A path or query parameter, through its parser. Throws M_INVALID_PARAM or M_MISSING_PARAM. */
export function parameter<T>(
  name: string,
  value: string | null | undefined,
  parse: (text: string) => T | undefined,
): T {
  if (value === undefined || value === null || value === '') {
    throw new MatrixError('M_MISSING_PARAM', 400, `${name} is missing`);
  }
  const parsed = parse(value);
  if (parsed === undefined) throw new MatrixError('M_INVALID_PARAM', 400, `${name} is not right`);
  return parsed;
}
