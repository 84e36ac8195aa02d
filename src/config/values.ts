import { parseServerName } from '../protocol/index.js';

export interface Listen {
  host: string;
  port: number;
}

export type DatabaseLocation = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string };

/** A secret as it is written: itself, or the path of a file that holds it. */
export type Secret = { value: string } | { file: string };

export interface HttpPlatformSettings<S> {
  kind: 'http';
  workspace: string;
  url: URL;
  token: S;
}

export interface SlackPlatformSettings<S> {
  kind: 'slack';
  workspace: string;
  /** Absent: the app is installed by OAuth. */
  botToken: S | undefined;
  /** For Socket Mode. */
  appToken: S | undefined;
  /** For events over HTTP. */
  signingSecret: S | undefined;
  clientId: string | undefined;
  clientSecret: S | undefined;
  mentionEveryone: boolean;
  /** Slack itself, when absent. */
  apiUrl: URL | undefined;
}

/** A person of this company, by the id that the chat gives them. */
export interface NativePerson {
  platform: string;
  workspace: string;
  userId: string;
}

export type PlatformSettings<S = string> = HttpPlatformSettings<S> | SlackPlatformSettings<S>;

/** Tables of which old rows are deleted, and after how many days when nothing else is configured. */
const RETENTION_DAYS = {
  inbox: 30,
  delivery: 30,
  personal_notice: 30,
  transaction_in: 7,
  lpdu_out: 30,
  audit_log: 365,
} as const;
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

/** What people do without a word, and may be told to others. */
export const ACTIVITIES = ['typing', 'read'] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** Some of {@link ACTIVITIES}, or none. */
export function asActivities(value: unknown): ReadonlySet<Activity> | undefined {
  const activities = asList(value)?.map((text) => ACTIVITIES.find((each) => each === text));
  return activities?.every((each) => each !== undefined) ? new Set(activities) : undefined;
}

/** Of `PLATFORM/WORKSPACE/USER` each. */
export function asPeople(value: unknown): NativePerson[] | undefined {
  const people = asList(value)?.map((text): NativePerson | undefined => {
    const [, platform, workspace, userId] = /^([^/]+)\/([^/]+)\/(.+)$/.exec(text) ?? [];
    return platform && workspace && userId ? { platform, workspace, userId } : undefined;
  });
  return people?.every((person) => person !== undefined) ? people : undefined;
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

export function asPlatforms(value: unknown): PlatformSettings<Secret>[] | undefined {
  const platforms = fromJson(value);
  if (!Array.isArray(platforms)) return undefined;
  const out: PlatformSettings<Secret>[] = [];
  for (const each of platforms as unknown[]) {
    if (typeof each !== 'object' || each === null) return undefined;
    const platform = asPlatform(each as Record<string, unknown>);
    if (platform === undefined) return undefined;
    if (out.some(({ kind, workspace }) => kind === platform.kind && workspace === platform.workspace)) return undefined;
    out.push(platform);
  }
  return out;
}

function asPlatform({ kind, workspace, ...rest }: Record<string, unknown>): PlatformSettings<Secret> | undefined {
  if (typeof workspace !== 'string' || workspace === '') return undefined;
  if (kind === 'http') return asHttpPlatform(workspace, rest);
  return kind === 'slack' ? asSlackPlatform(workspace, rest) : undefined;
}

function asHttpPlatform(workspace: string, rest: Record<string, unknown>): HttpPlatformSettings<Secret> | undefined {
  const { url, token, token_file: tokenFile, ...unknown } = rest;
  const [base, secret] = [httpUrl(url), asSecret(token, tokenFile)];
  if (base === undefined || secret === undefined || secret === 'wrong' || hasKeys(unknown)) return undefined;
  return { kind: 'http', workspace, url: base, token: secret };
}

/** With a bot token or an app to install, and a way in which events come. */
function asSlackPlatform(workspace: string, rest: Record<string, unknown>): SlackPlatformSettings<Secret> | undefined {
  const { bot_token, bot_token_file, app_token, app_token_file, signing_secret, signing_secret_file, ...more } = rest;
  const { client_id: clientId, client_secret, client_secret_file, mention_everyone, api_url, ...unknown } = more;
  const botToken = asSecret(bot_token, bot_token_file);
  const appToken = asSecret(app_token, app_token_file);
  const signingSecret = asSecret(signing_secret, signing_secret_file);
  const clientSecret = asSecret(client_secret, client_secret_file);
  const mentionEveryone = asBoolean(mention_everyone ?? false);
  const apiUrl = api_url === undefined ? undefined : httpUrl(api_url);
  if (botToken === 'wrong' || appToken === 'wrong' || signingSecret === 'wrong' || clientSecret === 'wrong')
    return undefined;
  if (mentionEveryone === undefined || hasKeys(unknown) || (apiUrl === undefined) !== (api_url === undefined))
    return undefined;
  if (clientId !== undefined && (typeof clientId !== 'string' || clientId === '')) return undefined;
  if ((clientId === undefined) !== (clientSecret === undefined)) return undefined;
  if (botToken === undefined && clientId === undefined) return undefined;
  if (appToken === undefined && signingSecret === undefined) return undefined;
  return {
    kind: 'slack',
    workspace,
    botToken,
    appToken,
    signingSecret,
    clientId,
    clientSecret,
    mentionEveryone,
    apiUrl,
  };
}

const hasKeys = (object: Record<string, unknown>): boolean => Object.keys(object).length > 0;

/** Undefined when neither is given. */
function asSecret(value: unknown, file: unknown): Secret | 'wrong' | undefined {
  if (value === undefined && file === undefined) return undefined;
  if (value !== undefined && file !== undefined) return 'wrong';
  const given = value ?? file;
  if (typeof given !== 'string' || given === '') return 'wrong';
  return value === undefined ? { file: given } : { value: given };
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
