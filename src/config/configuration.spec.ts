import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationError, loadConfiguration } from './index.js';
import { configurationManual } from './manual.js';

const ENOUGH = { CAUSEWAY_SERVER_NAME: 'acme.example', CAUSEWAY_ADMIN_TOKEN: 'sixteen-characters' };
const SOCKET = { bot_token: 'xoxb-1', app_token: 'xapp-1' };
const slack = (settings: object): string => JSON.stringify([{ kind: 'slack', workspace: 'acme', ...settings }]);
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-config-'));
});

const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

const complaint = (env: NodeJS.ProcessEnv): string => {
  try {
    loadConfiguration(env, directory);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'it was accepted';
};

describe('the configuration', () => {
  it('needs a server name and an admin token, and has a default for everything else', () => {
    const configuration = loadConfiguration(ENOUGH, directory);
    expect(configuration).toMatchObject({
      serverName: 'acme.example',
      database: { kind: 'sqlite', path: join(directory, 'data/causeway.sqlite') },
      federationListen: { host: '0.0.0.0', port: 8448 },
      adminListen: { host: '127.0.0.1', port: 8449 },
      announceLinearized: true,
      privateAddresses: false,
    });
  });

  it('comes from the file, in either case, and from the environment, which wins', () => {
    file(
      'causeway.yaml',
      'server_name: file.example\nADMIN_TOKEN: sixteen-characters\nfederation_allow: ["*.example"]\n',
    );
    expect(loadConfiguration({}, directory)).toMatchObject({ serverName: 'file.example', allow: ['*.example'] });
    expect(loadConfiguration({ CAUSEWAY_SERVER_NAME: 'env.example' }, directory).serverName).toBe('env.example');
  });

  it('reads a value from a file when the key ends in _FILE', () => {
    const CAUSEWAY_ADMIN_TOKEN_FILE = file('token', 'a-token-from-a-file\n');
    const env = { CAUSEWAY_SERVER_NAME: 'acme.example', CAUSEWAY_ADMIN_TOKEN_FILE };
    expect(loadConfiguration(env, directory).adminToken).toBe('a-token-from-a-file');
  });

  it('takes peers and platforms as JSON text or as YAML', () => {
    file(
      'causeway.yaml',
      `platforms:\n  - { kind: http, workspace: acme, url: 'http://127.0.0.1:1/causeway', token_file: ${file('t', 'secret')} }\n`,
    );
    const env = { ...ENOUGH, CAUSEWAY_FEDERATION_PEERS: '{"globex.example":"https://127.0.0.1:8448"}' };
    const { platforms, peers } = loadConfiguration(env, directory);
    expect(platforms).toMatchObject([{ workspace: 'acme', token: 'secret' }]);
    expect(peers.get('globex.example')?.href).toBe('https://127.0.0.1:8448/');
  });

  it('takes workspaces of Slack, whose secrets may stand in files', () => {
    const bot_token_file = file('bot', 'xoxb-1\n');
    const env = {
      ...ENOUGH,
      CAUSEWAY_PLATFORMS: slack({ bot_token_file, signing_secret: 's' }),
      CAUSEWAY_SLACK_LISTEN: '127.0.0.1:8450',
    };
    expect(loadConfiguration(env, directory)).toMatchObject({
      platforms: [{ kind: 'slack', workspace: 'acme', botToken: 'xoxb-1', signingSecret: 's', mentionEveryone: false }],
      slackListen: { host: '127.0.0.1', port: 8450 },
    });
  });

  // proves LM-04/server-names/3
  it.each([
    [{ CAUSEWAY_SERVER_NAME: undefined }, /^SERVER_NAME must be a host name.*, and it is not set\.$/],
    [{ CAUSEWAY_SERVER_NAME: '10.0.0.1' }, /^SERVER_NAME must be a host name/],
    [{ CAUSEWAY_ADMIN_TOKEN: 'short' }, /^ADMIN_TOKEN must be a secret of at least 16 characters/],
    [{ CAUSEWAY_DATABASE_URL: 'mysql://x' }, /^DATABASE_URL must be sqlite:PATH or postgres:/],
    [{ CAUSEWAY_FEDERATION_LISTEN: '8448' }, /^FEDERATION_LISTEN must be HOST:PORT/],
    [{ CAUSEWAY_FEDERATION_PEERS: 'globex=1' }, /^FEDERATION_PEERS must be a JSON object/],
    [{ CAUSEWAY_FEDERATION_PRIVATE_ADDRESSES: 'yes' }, /^FEDERATION_PRIVATE_ADDRESSES must be true or false/],
    [{ CAUSEWAY_PLATFORMS: '[{"kind":"irc"}]' }, /^PLATFORMS must be a list of/],
    [{ CAUSEWAY_PLATFORMS: slack({ bot_token: 'xoxb-1' }) }, /^PLATFORMS must be a list of/],
    [{ CAUSEWAY_PLATFORMS: slack({ app_token: 'xapp-1' }) }, /^PLATFORMS must be a list of/],
    [{ CAUSEWAY_PLATFORMS: slack({ ...SOCKET, client_id: '1' }) }, /^PLATFORMS must be a list of/],
    [{ CAUSEWAY_PLATFORMS: slack({ ...SOCKET, token: 'x' }) }, /^PLATFORMS must be a list of/],
    [
      { CAUSEWAY_PLATFORMS: slack({ bot_token: 'xoxb-1', signing_secret: 's' }) },
      /^SLACK_LISTEN must be set, because slack\/acme of PLATFORMS takes events over HTTP/,
    ],
    [
      { CAUSEWAY_PLATFORMS: slack({ bot_token: 'xoxb-1', app_token_file: '/nowhere' }) },
      /^PLATFORMS app_token_file must name a readable file/,
    ],
    [{ CAUSEWAY_SLACK_LISTEN: '8450' }, /^SLACK_LISTEN must be HOST:PORT/],
    [
      { CAUSEWAY_FEDERATION_TLS_CERT: '/nowhere.pem', CAUSEWAY_FEDERATION_TLS_KEY: '/nowhere.key' },
      /^FEDERATION_TLS_CERT must name a readable file: .*nowhere/,
    ],
    [{ CAUSEWAY_FEDERATION_TLS_CERT: '-----BEGIN CERTIFICATE' }, /^FEDERATION_TLS_KEY must be set, because/],
    [{ CAUSEWAY_FEDERATON_LISTEN: 'x:1' }, /^FEDERATON_LISTEN is no setting of Causeway/],
    [{ CAUSEWAY_CONFIG: '/nowhere.yaml' }, /^CAUSEWAY_CONFIG must name a readable file/],
    [{ CAUSEWAY_LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of/],
    [{ CAUSEWAY_ROOM_VERSION: '11' }, /^ROOM_VERSION must be one of/],
  ])('refuses %j in one sentence that names the key', (env, sentence) => {
    const message = complaint({ ...ENOUGH, ...env });
    expect(message).toMatch(sentence);
    expect(message).not.toContain('\n');
  });

  it('never repeats a secret in its complaint', () => {
    expect(complaint({ ...ENOUGH, CAUSEWAY_ADMIN_TOKEN: 'hunter2' })).not.toContain('hunter2');
  });

  it('is documented key by key', async () => {
    await expect(configurationManual()).toMatchFileSnapshot('../../docs/configuration.md');
  });
});
