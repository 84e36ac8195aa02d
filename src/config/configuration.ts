import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { parse as parseYaml } from 'yaml';
import { DEFAULT_ROOM_VERSION, type ServerName, parseServerName } from '../protocol/index.js';
import { SETTINGS, Settings } from './settings.js';
import {
  ACTIVITIES,
  type Activity,
  type DatabaseLocation,
  type Listen,
  type NativePerson,
  type PlatformSettings,
  type RetainedTable,
  type Secret,
  asActivities,
  asBoolean,
  asCount,
  asList,
  asPeers,
  asPeople,
  asPlatforms,
  asRetention,
  parseDatabaseUrl,
  parseListen,
} from './values.js';

const MANY = Number.MAX_SAFE_INTEGER;
const PREFIX = 'CAUSEWAY_';
const DEFAULT_FILE = 'causeway.yaml';
/** Variables with our prefix that are no settings: where the file is, and what the tests may rely on. */
const RESERVED = new Set(['CONFIG', 'REQUIRE', 'SHARED']);

/** What is wrong with the configuration: one sentence that names the key. */
export class ConfigurationError extends Error {}

/** A certificate (chain) and its key. */
export interface TlsFiles {
  /** PEM texts, as they were at the start. */
  readonly cert: string;
  readonly key: string;
  /** Reads both again. Throws ConfigurationError. */
  reread(): { cert: string; key: string };
}

/** The configuration of one gateway, complete and checked. The keys are documented in docs/configuration.md. */
export class Configuration {
  readonly serverName!: ServerName;
  readonly database!: DatabaseLocation;
  readonly federationListen!: Listen;
  /** undefined: plain HTTP. */
  readonly federationTls: TlsFiles | undefined;
  /** PEM text. */
  readonly federationCa: string | undefined;
  readonly peers!: ReadonlyMap<string, URL>;
  readonly allow!: readonly string[];
  readonly deny!: readonly string[];
  readonly privateAddresses!: boolean;
  readonly announceLinearized!: boolean;
  readonly wellKnownServer: ServerName | undefined;
  readonly maxConnections!: number;
  readonly maxConnectionsPerAddress!: number;
  readonly requestTimeoutMs!: number;
  /** Requests a second; 0: no limit. */
  readonly rateLimit!: number;
  readonly adminListen!: Listen;
  readonly adminToken!: string;
  readonly platforms!: readonly PlatformSettings[];
  /** Where Slack's requests come in; undefined: none are expected. */
  readonly slackListen: Listen | undefined;
  readonly botLocalpart!: string;
  /** Who may share channels from the chat. */
  readonly bridgeAdmins!: readonly NativePerson[];
  /** Which ephemeral things of people here are told to other servers. */
  readonly shareActivity!: ReadonlySet<Activity>;
  readonly media!: { directory: string; maxBytes: number; cacheBytes: number };
  readonly roomVersion!: string;
  readonly signingKeySecret: string | undefined;
  readonly retentionDays!: ReadonlyMap<RetainedTable, number>;
  readonly logLevel!: string;

  constructor(values: Configuration) {
    Object.assign(this, values);
  }
}

/**
 * Reads `causeway.yaml` (or the file that CAUSEWAY_CONFIG names) in `directory`, and CAUSEWAY_… of the environment over it.
 * Throws ConfigurationError.
 */
export function loadConfiguration(env: NodeJS.ProcessEnv, directory: string): Configuration {
  const raw = new Map([...fromFile(env, directory), ...fromEnvironment(env)]);
  for (const key of raw.keys()) {
    if (!SETTINGS.some((setting) => setting.key === key)) throw new ConfigurationError(unknownKey(key));
  }
  const settings = plainToInstance(Settings, Object.fromEntries(raw));
  const [fault] = validateSync(settings);
  if (fault !== undefined) {
    const [sentence] = Object.values(fault.constraints ?? {});
    const missing = raw.has(fault.property) ? '' : ', and it is not set';
    throw new ConfigurationError(`${sentence ?? `${fault.property} is wrong`}${missing}.`);
  }
  return complete(settings, directory);
}

function complete(settings: Settings, directory: string): Configuration {
  const serverName = parseServerName(settings.SERVER_NAME);
  const database = parseDatabaseUrl(settings.DATABASE_URL ?? 'sqlite:data/causeway.sqlite');
  const federationListen = parseListen(settings.FEDERATION_LISTEN ?? '0.0.0.0:8448');
  const adminListen = parseListen(settings.ADMIN_LISTEN ?? '127.0.0.1:8449');
  if (!serverName || !database || !federationListen || !adminListen) throw new Error('settings were not validated');
  return new Configuration({
    serverName,
    database: database.kind === 'sqlite' ? { ...database, path: resolve(directory, database.path) } : database,
    federationListen,
    federationTls: tlsFiles(settings, directory),
    federationCa:
      settings.FEDERATION_CA === undefined ? undefined : pem('FEDERATION_CA', settings.FEDERATION_CA, directory),
    peers: asPeers(settings.FEDERATION_PEERS) ?? new Map(),
    allow: asList(settings.FEDERATION_ALLOW) ?? [],
    deny: asList(settings.FEDERATION_DENY) ?? [],
    privateAddresses: asBoolean(settings.FEDERATION_PRIVATE_ADDRESSES) ?? false,
    announceLinearized: asBoolean(settings.FEDERATION_ANNOUNCE_LINEARIZED) ?? true,
    wellKnownServer: parseServerName(settings.FEDERATION_WELL_KNOWN),
    maxConnections: asCount(settings.FEDERATION_MAX_CONNECTIONS, 1, MANY) ?? 2_000,
    maxConnectionsPerAddress: asCount(settings.FEDERATION_MAX_CONNECTIONS_PER_ADDRESS, 1, MANY) ?? 200,
    requestTimeoutMs: (asCount(settings.FEDERATION_REQUEST_TIMEOUT, 1, MANY) ?? 60) * 1_000,
    rateLimit: asCount(settings.FEDERATION_RATE_LIMIT, 0, MANY) ?? 50,
    adminListen,
    adminToken: settings.ADMIN_TOKEN,
    ...platformsOf(settings, directory),
    botLocalpart: settings.BOT_LOCALPART ?? 'causeway',
    bridgeAdmins: asPeople(settings.BRIDGE_ADMINS) ?? [],
    shareActivity: asActivities(settings.SHARE_ACTIVITY ?? ACTIVITIES) ?? new Set(),
    media: {
      directory: resolve(directory, settings.MEDIA_DIRECTORY ?? 'data/media'),
      maxBytes: asCount(settings.MEDIA_MAX_BYTES, 1, MANY) ?? 50 * 1024 ** 2,
      cacheBytes: asCount(settings.MEDIA_CACHE_BYTES, 0, MANY) ?? 1024 ** 3,
    },
    roomVersion: settings.ROOM_VERSION ?? DEFAULT_ROOM_VERSION,
    signingKeySecret: settings.SIGNING_KEY_SECRET,
    retentionDays: asRetention(settings.RETENTION ?? {}) ?? new Map(),
    logLevel: settings.LOG_LEVEL ?? 'info',
  });
}

function platformsOf(settings: Settings, directory: string): Pick<Configuration, 'platforms' | 'slackListen'> {
  const slackListen = settings.SLACK_LISTEN === undefined ? undefined : parseListen(settings.SLACK_LISTEN);
  const platforms = (asPlatforms(settings.PLATFORMS) ?? []).map((platform) => withSecrets(platform, directory));
  for (const platform of platforms) {
    if (platform.kind !== 'slack' || slackListen !== undefined) continue;
    const { workspace, appToken, botToken } = platform;
    if (appToken !== undefined && botToken !== undefined) continue;
    const reason = appToken === undefined ? 'takes events over HTTP (it has no app_token)' : 'is installed by OAuth';
    throw new ConfigurationError(`SLACK_LISTEN must be set, because slack/${workspace} of PLATFORMS ${reason}.`);
  }
  return { platforms, slackListen };
}

function withSecrets(platform: PlatformSettings<Secret>, directory: string): PlatformSettings {
  const read = (secret: Secret, name: string): string =>
    'value' in secret ? secret.value : readText(`PLATFORMS ${name}_file`, resolve(directory, secret.file));
  const maybe = (secret: Secret | undefined, name: string): string | undefined =>
    secret === undefined ? undefined : read(secret, name);
  if (platform.kind === 'http') return { ...platform, token: read(platform.token, 'token') };
  return {
    ...platform,
    botToken: maybe(platform.botToken, 'bot_token'),
    appToken: maybe(platform.appToken, 'app_token'),
    signingSecret: maybe(platform.signingSecret, 'signing_secret'),
    clientSecret: maybe(platform.clientSecret, 'client_secret'),
  };
}

function tlsFiles(settings: Settings, directory: string): TlsFiles | undefined {
  const { FEDERATION_TLS_CERT: cert, FEDERATION_TLS_KEY: key } = settings;
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    const [present, absent] = key === undefined ? ['CERT', 'KEY'] : ['KEY', 'CERT'];
    throw new ConfigurationError(`FEDERATION_TLS_${absent} must be set, because FEDERATION_TLS_${present} is.`);
  }
  const reread = () => ({
    cert: pem('FEDERATION_TLS_CERT', cert, directory),
    key: pem('FEDERATION_TLS_KEY', key, directory),
  });
  return { ...reread(), reread };
}

function fromFile(env: NodeJS.ProcessEnv, directory: string): Map<string, unknown> {
  const named = env[`${PREFIX}CONFIG`];
  const path = resolve(directory, named ?? DEFAULT_FILE);
  if (named === undefined && !existsSync(path)) return new Map();
  const text = readText('CAUSEWAY_CONFIG', path);
  let content: unknown;
  try {
    content = parseYaml(text);
  } catch (error) {
    throw new ConfigurationError(`CAUSEWAY_CONFIG: ${path} is no YAML: ${firstLine(error)}.`);
  }
  if (content === null) return new Map();
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new ConfigurationError(`CAUSEWAY_CONFIG: ${path} must be a list of "key: value" lines.`);
  }
  return resolveFiles(new Map(Object.entries(content).map(([key, value]) => [key.toUpperCase(), value])), directory);
}

function fromEnvironment(env: NodeJS.ProcessEnv): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [name, value] of Object.entries(env)) {
    const key = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
    if (key !== undefined && value !== undefined && !RESERVED.has(key)) values.set(key, value);
  }
  return resolveFiles(values, process.cwd());
}

/** `KEY_FILE: path` is `KEY: what stands in the file`. */
function resolveFiles(values: Map<string, unknown>, directory: string): Map<string, unknown> {
  const out = new Map<string, unknown>();
  for (const [name, value] of values) {
    const key = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : name;
    if (key !== name && values.has(key))
      throw new ConfigurationError(`${key} must be set once: it is, and ${name} too.`);
    out.set(key, key === name ? value : readText(name, resolve(directory, String(value))));
  }
  return out;
}

function pem(key: string, value: string, directory: string): string {
  const text = value.startsWith('-----BEGIN') ? value : readText(key, resolve(directory, value));
  if (!text.includes('-----BEGIN')) throw new ConfigurationError(`${key} must be a PEM file, and ${value} is none.`);
  return text;
}

function readText(key: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError(`${key} must name a readable file: ${firstLine(error)}.`);
  }
}

function unknownKey(key: string): string {
  return `${key} is no setting of Causeway: remove it, or see docs/configuration.md for the right name.`;
}

const firstLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
