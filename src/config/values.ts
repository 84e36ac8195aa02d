import { parseServerName } from '../protocol/index.js';

export interface Listen {
  host: string;
  port: number;
}

export type DatabaseLocation = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string };

export interface PlatformSettings {
  kind: 'http';
  workspace: string;
  url: URL;
  token?: string;
  tokenFile?: string;
}

/** Tables of which old rows are deleted, and after how many days when nothing else is configured. */
const RETENTION_DAYS = { inbox: 30, delivery: 30, transaction_in: 7, lpdu_out: 30, audit_log: 365 } as const;
export type RetainedTable = keyof typeof RETENTION_DAYS;
export const DEFAULT_RETENTION = JSON.stringify(RETENTION_DAYS);

/** Readers of single values; undefined for what is none. Environment variables give text, the file may give structure. */

export function parseListen(value: unknown): Listen | undefined {
  const [, host, digits] = typeof value === 'string' ? (/^\[?([^\s\]]+?)\]?:([0-9]{1,5})$/.exec(value) ?? []) : [];
  const port = Number(digits);
  return host !== undefined && port <= 65_535 ? { host, port } : undefined;
}

export function parseDatabaseUrl(value: unknown): DatabaseLocation | undefined {
  if (typeof value !== 'string') return undefined;
  const path = /^sqlite:(.+)$/.exec(value)?.[1];
  if (path !== undefined) return { kind: 'sqlite', path };
  return /^postgres(ql)?:\/\//.test(value) && URL.canParse(value) ? { kind: 'postgres', url: value } : undefined;
}

export function asBoolean(value: unknown): boolean | undefined {
  if (value === true || value === 'true') return true;
  return value === false || value === 'false' ? false : undefined;
}

export function asCount(value: unknown, least: number, most: number): number | undefined {
  const count = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isInteger(count) && count >= least && count <= most ? count : undefined;
}

export function asList(value: unknown): string[] | undefined {
  const list = typeof value === 'string' ? value.split(',').map((each) => each.trim()) : value;
  if (!Array.isArray(list)) return undefined;
  return list.every((each): each is string => typeof each === 'string')
    ? list.filter((each) => each !== '')
    : undefined;
}

export function asPeers(value: unknown): ReadonlyMap<string, URL> | undefined {
  const peers = fromJson(value);
  if (typeof peers !== 'object' || peers === null || Array.isArray(peers)) return undefined;
  const out = new Map<string, URL>();
  for (const [server, base] of Object.entries(peers)) {
    const url = httpUrl(base);
    if (parseServerName(server) === undefined || url?.pathname !== '/') return undefined;
    out.set(server, url);
  }
  return out;
}

export function asPlatforms(value: unknown): PlatformSettings[] | undefined {
  const platforms = fromJson(value);
  if (!Array.isArray(platforms)) return undefined;
  const out: PlatformSettings[] = [];
  for (const each of platforms as unknown[]) {
    if (typeof each !== 'object' || each === null) return undefined;
    const { kind, workspace, url, token, token_file: tokenFile, ...unknown } = each as Record<string, unknown>;
    const base = httpUrl(url);
    if (kind !== 'http' || typeof workspace !== 'string' || workspace === '' || base === undefined) return undefined;
    if (Object.keys(unknown).length > 0 || (token === undefined) === (tokenFile === undefined)) return undefined;
    const secret = token ?? tokenFile;
    if (typeof secret !== 'string' || secret === '') return undefined;
    if (out.some((other) => other.workspace === workspace)) return undefined;
    out.push({ kind, workspace, url: base, ...(token === undefined ? { tokenFile: secret } : { token: secret }) });
  }
  return out;
}

/** Days by table; what is not named keeps its default. */
export function asRetention(value: unknown): ReadonlyMap<RetainedTable, number> | undefined {
  const days = fromJson(value);
  if (typeof days !== 'object' || days === null || Array.isArray(days)) return undefined;
  const out = new Map<RetainedTable, number>(Object.entries(RETENTION_DAYS) as [RetainedTable, number][]);
  for (const [table, each] of Object.entries(days as Record<string, unknown>)) {
    if (!out.has(table as RetainedTable) || typeof each !== 'number' || !(each >= 1)) return undefined;
    out.set(table as RetainedTable, each);
  }
  return out;
}

function httpUrl(value: unknown): URL | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
}

function fromJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
