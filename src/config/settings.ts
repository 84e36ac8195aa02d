import 'reflect-metadata';
import { IsOptional, ValidateBy } from 'class-validator';
import { ROOM_VERSIONS, parseServerName, parseUserId } from '../protocol/index.js';
import {
  ACTIVITIES,
  DEFAULT_RETENTION,
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

export interface SettingDocument {
  key: string;
  about: string;
  defaultText: string;
}

const documents: SettingDocument[] = [];

interface SettingOptions {
  /** What the default is, in words or as a value; absent: the key must be set. */
  default?: string;
  /** The value is right. */
  accepts: (value: unknown) => boolean;
  /** What a right value is: ends the sentence “KEY must be …”. */
  must: string;
}

/** One key of the configuration: what it means, what it may be. The manual is made from these. */
function Setting(about: string, { accepts, must, ...rest }: SettingOptions): PropertyDecorator {
  return (target, key) => {
    const name = String(key);
    documents.push({ key: name, about, defaultText: rest.default ?? 'required' });
    if (rest.default !== undefined) IsOptional()(target, key);
    ValidateBy({
      name: 'setting',
      validator: { validate: accepts, defaultMessage: () => `${name} must be ${must}` },
    })(target, key);
  };
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const atLeast =
  (length: number) =>
  (value: unknown): boolean =>
    isText(value) && value.length >= length;
const MAX_FILE_BYTES = 10 * 1024 ** 3;
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** The configuration as it is written: key by key, before it is made into a Configuration. */
export class Settings {
  @Setting('The domain of this server: users are `@name:SERVER_NAME`. It can never change.', {
    accepts: (value) => parseServerName(value) !== undefined,
    must: 'a host name, with a port if need be, such as chat.company.example',
  })
  SERVER_NAME!: string;

  @Setting('`sqlite:PATH`, or `postgres://USER:PASSWORD@HOST/DATABASE` for several gateways.', {
    default: 'sqlite:data/causeway.sqlite',
    accepts: (value) => parseDatabaseUrl(value) !== undefined,
    must: 'sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE',
  })
  DATABASE_URL?: string;

  @Setting('Where other servers reach us: `HOST:PORT`.', {
    default: '0.0.0.0:8448',
    accepts: (value) => parseListen(value) !== undefined,
    must: 'HOST:PORT, such as 0.0.0.0:8448',
  })
  FEDERATION_LISTEN?: string;

  @Setting('TLS certificate (chain) for `FEDERATION_LISTEN`: the path of a PEM file, or PEM text.', {
    default: 'plain HTTP, for a reverse proxy that ends TLS 1.3',
    accepts: isText,
    must: 'the path of a PEM file',
  })
  FEDERATION_TLS_CERT?: string;

  @Setting('Private key of that certificate: the path of a PEM file, or PEM text.', {
    default: 'as above',
    accepts: isText,
    must: 'the path of a PEM file',
  })
  FEDERATION_TLS_KEY?: string;

  @Setting('A further certificate authority that we trust in other servers: the path of a PEM file, or PEM text.', {
    default: 'none',
    accepts: isText,
    must: 'the path of a PEM file',
  })
  FEDERATION_CA?: string;

  @Setting('Where servers are, instead of discovery: `{"other.example": "https://10.0.0.7:8448"}`.', {
    default: 'none',
    accepts: (value) => asPeers(value) !== undefined,
    must: 'a JSON object of server names and base URLs, such as {"other.example": "https://10.0.0.7:8448"}',
  })
  FEDERATION_PEERS?: unknown;

  @Setting('Servers that may federate with us: a list of globs, such as `*.partner.example`.', {
    default: 'everybody',
    accepts: (value) => asList(value) !== undefined,
    must: 'a list of server names, separated by commas, in which * and ? may stand',
  })
  FEDERATION_ALLOW?: unknown;

  @Setting('Servers that may not, whatever `FEDERATION_ALLOW` says.', {
    default: 'nobody',
    accepts: (value) => asList(value) !== undefined,
    must: 'a list of server names, separated by commas, in which * and ? may stand',
  })
  FEDERATION_DENY?: unknown;

  @Setting('`true`: other servers may be at private, loopback and link-local addresses.', {
    default: 'false',
    accepts: (value) => asBoolean(value) !== undefined,
    must: 'true or false',
  })
  FEDERATION_PRIVATE_ADDRESSES?: unknown;

  @Setting(
    '`false`: do not say `m.linearized` in our keys, so that a dual-stack Matrix server can be our participant.',
    {
      default: 'true',
      accepts: (value) => asBoolean(value) !== undefined,
      must: 'true or false',
    },
  )
  FEDERATION_ANNOUNCE_LINEARIZED?: unknown;

  @Setting('What `/.well-known/matrix/server` answers: where the servers of the world find us.', {
    default: 'no such page',
    accepts: (value) => parseServerName(value) !== undefined,
    must: 'a host name with a port, such as matrix.company.example:443',
  })
  FEDERATION_WELL_KNOWN?: string;

  @Setting('Connections of other servers that may be open at once; more are turned away.', {
    default: '2000',
    accepts: (value) => asCount(value, 10, 1_000_000) !== undefined,
    must: 'a whole number from 10 to 1000000',
  })
  FEDERATION_MAX_CONNECTIONS?: unknown;

  @Setting('The same for one address (of IPv6 one /64 network). Only where we end TLS: a proxy has but one address.', {
    default: '200',
    accepts: (value) => asCount(value, 1, 1_000_000) !== undefined,
    must: 'a whole number from 1 to 1000000',
  })
  FEDERATION_MAX_CONNECTIONS_PER_ADDRESS?: unknown;

  @Setting('Seconds in which a request must have come whole.', {
    default: '60',
    accepts: (value) => asCount(value, 1, 3_600) !== undefined,
    must: 'a whole number of seconds from 1 to 3600',
  })
  FEDERATION_REQUEST_TIMEOUT?: unknown;

  @Setting(
    'Requests a second of one server to one endpoint that LM-04 lets us limit (all but `send`, keys and discovery); ten seconds’ worth may come at once. `0`: no limit.',
    {
      default: '50',
      accepts: (value) => asCount(value, 0, 100_000) !== undefined,
      must: 'a whole number from 0 to 100000',
    },
  )
  FEDERATION_RATE_LIMIT?: unknown;

  @Setting('Where the admin API listens: `HOST:PORT`. Keep it away from the internet.', {
    default: '127.0.0.1:8449',
    accepts: (value) => parseListen(value) !== undefined,
    must: 'HOST:PORT, such as 127.0.0.1:8449',
  })
  ADMIN_LISTEN?: string;

  @Setting('Bearer token of the admin API, at least 16 characters.', {
    accepts: atLeast(16),
    must: 'a secret of at least 16 characters',
  })
  ADMIN_TOKEN!: string;

  @Setting(
    'The chats that are bridged: `[{"kind": "http", "workspace": "acme", "url": "https://chat.company.example/causeway", "token": "…"}]`, or `{"kind": "slack", "workspace": "acme", "bot_token": "xoxb-…", "app_token": "xapp-…"}` with `signing_secret` for events over HTTP, `client_id` and `client_secret` for installation by OAuth, `mention_everyone` (docs/platforms/slack.md). Secrets may be given as `token_file`, `bot_token_file` and so on: the path of a file.',
    {
      default: 'none',
      accepts: (value) => asPlatforms(value) !== undefined,
      must: 'a list of {kind: http, workspace, url, token or token_file} and {kind: slack, workspace, bot_token or client_id and client_secret, app_token or signing_secret}, each workspace once',
    },
  )
  PLATFORMS?: unknown;

  @Setting(
    'Where Slack’s requests come in (`/slack/…`, behind a proxy that ends TLS): `HOST:PORT`. Not needed with Socket Mode alone.',
    {
      default: 'nowhere',
      accepts: (value) => parseListen(value) !== undefined,
      must: 'HOST:PORT, such as 127.0.0.1:8450',
    },
  )
  SLACK_LISTEN?: string;

  @Setting('Our own user who invites the people of this company into bridged rooms.', {
    default: 'causeway',
    accepts: (value) => parseUserId(`@${String(value)}:a`) !== undefined,
    must: 'a name of lower-case letters, digits and . _ = / + -',
  })
  BOT_LOCALPART?: string;

  @Setting(
    'People who may share channels from the chat (`/causeway map`, `unmap`, `pause`, `resume`): a list of `PLATFORM/WORKSPACE/USER`, with the id that the chat gives the person.',
    {
      default: 'nobody',
      accepts: (value) => asPeople(value) !== undefined,
      must: 'a list of PLATFORM/WORKSPACE/USER, such as slack/acme/U024BE7LH',
    },
  )
  BRIDGE_ADMINS?: unknown;

  @Setting(
    'What other companies are told of people here while they say nothing, in the rooms where they take part: `typing`, `read` (how far they have read), both, or neither (an empty value).',
    {
      default: `\`${ACTIVITIES.join(',')}\``,
      accepts: (value) => asActivities(value) !== undefined,
      must: `a list of ${ACTIVITIES.join(' and ')}, or empty`,
    },
  )
  SHARE_ACTIVITY?: unknown;

  @Setting('Folder of the files that people share. Several gateways need one that they share too.', {
    default: 'data/media',
    accepts: isText,
    must: 'the path of a folder',
  })
  MEDIA_DIRECTORY?: string;

  @Setting('The largest file that is carried, in bytes, in either direction.', {
    default: '52428800',
    accepts: (value) => asCount(value, 1, MAX_FILE_BYTES) !== undefined,
    must: `a whole number of bytes from 1 to ${String(MAX_FILE_BYTES)}`,
  })
  MEDIA_MAX_BYTES?: unknown;

  @Setting('How many bytes of other servers’ files are kept; what was not wanted for longest goes first.', {
    default: '1073741824',
    accepts: (value) => asCount(value, 0, Number.MAX_SAFE_INTEGER) !== undefined,
    must: 'a whole number of bytes',
  })
  MEDIA_CACHE_BYTES?: unknown;

  @Setting('Room version of new rooms.', {
    default: ROOM_VERSIONS[0] ?? '',
    accepts: (value) => ROOM_VERSIONS.includes(String(value)),
    must: `one of ${ROOM_VERSIONS.join(', ')}`,
  })
  ROOM_VERSION?: string;

  @Setting('Seals our signing keys in the database, at least 16 characters.', {
    default: 'not sealed',
    accepts: atLeast(16),
    must: 'a secret of at least 16 characters',
  })
  SIGNING_KEY_SECRET?: string;

  @Setting(
    'After how many days rows of what is settled are deleted, by table: `{"inbox": 14}`. What waits, and dead deliveries, stay.',
    {
      default: `\`${DEFAULT_RETENTION}\``,
      accepts: (value) => asRetention(value) !== undefined,
      must: `an object of days (at least 1) for some of ${Object.keys(JSON.parse(DEFAULT_RETENTION) as object).join(', ')}`,
    },
  )
  RETENTION?: unknown;

  @Setting(`One of ${LOG_LEVELS.join(', ')}.`, {
    default: 'info',
    accepts: (value) => LOG_LEVELS.includes(String(value)),
    must: `one of ${LOG_LEVELS.join(', ')}`,
  })
  LOG_LEVEL?: string;
}

export const SETTINGS: readonly SettingDocument[] = documents;
