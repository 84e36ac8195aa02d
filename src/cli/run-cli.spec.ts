import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Logger } from 'nestjs-pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AdminModule } from '../admin/admin.module.js';
import { setUpAdmin } from '../admin/set-up-admin.js';
import { ConfigModule, loadConfiguration } from '../config/index.js';
import { FederationClientModule } from '../federation/client/federation-client.module.js';
import { loggingModule } from '../observability/logging.js';
import { MediaModule } from '../media/media.module.js';
import { ObservabilityModule } from '../observability/observability.module.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { ServerName } from '../protocol/index.js';
import { IdentityModule } from '../rooms/identity.module.js';
import { Incidents } from '../rooms/incidents.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { ServerIdentity } from '../rooms/server-identity.js';
import { runCli } from './run-cli.js';

const TOKEN = 'a-token-for-the-tests';
const directory = mkdtempSync(join(tmpdir(), 'causeway-cli-'));
const env: NodeJS.ProcessEnv = {
  CAUSEWAY_SERVER_NAME: 'acme.example',
  CAUSEWAY_ADMIN_TOKEN: TOKEN,
  CAUSEWAY_DATABASE_URL: 'sqlite:gateway.sqlite',
  CAUSEWAY_FEDERATION_LISTEN: '127.0.0.1:0',
  CAUSEWAY_ADMIN_LISTEN: '127.0.0.1:0',
  CAUSEWAY_LOG_LEVEL: 'silent',
};
let app: NestFastifyApplication;

/** Runs a command line as the shell would. */
async function causeway(args: string[], changes: NodeJS.ProcessEnv = {}) {
  let out = '';
  let err = '';
  const code = await runCli(args, {
    env: { ...env, ...changes },
    directory,
    out: (text) => (out += text),
    err: (text) => (err += text),
  });
  return { code, out, err };
}

beforeAll(async () => {
  const configuration = loadConfiguration(env, directory);
  const gateway = await Test.createTestingModule({
    imports: [
      ConfigModule.forRoot(configuration),
      loggingModule(configuration.logLevel),
      PersistenceModule.forRoot(configuration.database),
      IdentityModule,
      RoomsModule.register(FederationClientModule),
      MediaModule.register(FederationClientModule),
      ObservabilityModule,
      AdminModule,
    ],
  }).compile();
  app = gateway.createNestApplication<NestFastifyApplication>(
    new FastifyAdapter({ routerOptions: { maxParamLength: 1_024 }, forceCloseConnections: true }),
  );
  app.useLogger(app.get(Logger));
  setUpAdmin(app);
  await app.listen(0, '127.0.0.1');
  env.CAUSEWAY_ADMIN_LISTEN = new URL(await app.getUrl()).host;
});

afterAll(async () => {
  await app.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('causeway against a running gateway', () => {
  test('incidents are listed without what was said, and shown with it', async () => {
    expect((await causeway(['incidents', 'list'])).out).toBe('There are no incidents.\n');
    const server = 'hub.example' as ServerName;
    const evidence = { received: [{ content: { body: 'words' } }] };
    const incident = { kind: 'altered' as const, server, roomId: null, eventId: null, detail: 'changed', evidence };
    await app.get(Incidents).record(incident);
    const { out } = await causeway(['incidents', 'list', '--server', server, '--limit', '1']);
    expect(out).toMatch(/^ID .*TIMES/);
    expect(out).toMatch(/ 1 +altered +hub\.example +- +changed$/m);
    expect(out).not.toContain('words');
    const id = /^(\d+) /m.exec(out)?.[1] ?? '';
    const shown = (await causeway(['incidents', 'show', id])).out;
    expect(shown).toMatch(/^kind +altered$/m);
    expect(shown).toContain('"body": "words"');
    expect((await causeway(['incidents', 'show', '1'])).code).toBe(1);
  });

  test('status says who the gateway is and what waits', async () => {
    const { code, out, err } = await causeway(['status']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^server_name +acme\.example$/m);
    expect(out).toMatch(/^lpdus_waiting +0$/m);
  });

  test('a room is made, spoken in, shown, listed and left', async () => {
    const made = await causeway(['rooms', 'create', '--name', 'Shared', '--join-rule', 'public']);
    const room = made.out.trim();
    expect(room).toMatch(/^![\w-]+:acme\.example$/);
    expect((await causeway(['rooms', 'join', room, '--user', '@ada:acme.example'])).code).toBe(0);
    expect((await causeway(['rooms', 'send', room, 'good morning'])).out).toMatch(/^\$[\w-]+\n$/);
    expect((await causeway(['rooms', 'show', room])).out).toMatch(/@ada:acme\.example +join/);
    expect((await causeway(['rooms', 'list'])).out).toContain(room);
    expect((await causeway(['rooms', 'leave', room, '--user', '@ada:acme.example'])).out).toBe(`Left ${room}.\n`);
    expect((await causeway(['rooms', 'show', room])).out).toMatch(/@ada:acme\.example +leave/);
  });

  test('--json prints what the gateway answered', async () => {
    const { out } = await causeway(['mappings', 'list', '--json']);
    expect(JSON.parse(out)).toEqual({ mappings: [] });
  });

  test('empty lists say so', async () => {
    expect((await causeway(['mappings', 'list'])).out).toBe('There are no mappings.\n');
    expect((await causeway(['invites'])).out).toBe('There are no invites and no knocks.\n');
    expect((await causeway(['platforms'])).out).toBe('No chat is configured.\n');
    expect((await causeway(['destinations', 'list'])).out).toBe('We send to no server yet.\n');
  });

  test('what the gateway refuses is one sentence on stderr, and exit code 1', async () => {
    const unknown = await causeway(['rooms', 'show', '!nowhere:acme.example']);
    expect(unknown).toEqual({ code: 1, out: '', err: 'unknown room !nowhere:acme.example\n' });
    expect((await causeway(['rooms', 'show', 'no room id'])).err).toMatch(/^room_id must be .+\n$/);
    expect((await causeway(['mappings', 'pause', 'none'])).code).toBe(1);
    expect((await causeway(['mappings', 'pause-on', 'none', 'any'])).code).toBe(1);
    expect((await causeway(['mappings', 'members', 'none', 'mirror'])).code).toBe(1);
    expect((await causeway(['mappings', 'add', 'http', 'acme', 'C1', '!a:b.c', '--history', 'all'])).err).toContain(
      'history',
    );
  });

  test('--url and --token-file need no configuration', async () => {
    const file = join(directory, 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const blank = { CAUSEWAY_SERVER_NAME: undefined, CAUSEWAY_ADMIN_TOKEN: undefined };
    const args = ['--url', `http://${String(env.CAUSEWAY_ADMIN_LISTEN)}`, '--token-file', file, 'status'];
    expect((await causeway(args, blank)).code).toBe(0);
  });

  test('a token that cannot be one is refused without being shown', async () => {
    const file = join(directory, 'two-lines');
    writeFileSync(file, 'secret-one\nsecret-two');
    const { code, err } = await causeway(['--token-file', file, 'status']);
    expect(code).toBe(1);
    expect(err).toBe('The admin token is none: a line of ASCII is needed.\n');
  });

  test('a wrong token is told, and not repeated', async () => {
    const { code, err } = await causeway(['status'], { CAUSEWAY_ADMIN_TOKEN: 'another-token-of-the-tests' });
    expect(code).toBe(1);
    expect(err).toMatch(/bearer token/);
    expect(err).not.toContain('another-token');
  });

  test('a gateway that is down is told with its address', async () => {
    const { code, err } = await causeway(['status'], { CAUSEWAY_ADMIN_LISTEN: '127.0.0.1:1' });
    expect(code).toBe(1);
    expect(err).toMatch(/^The gateway at http:\/\/127\.0\.0\.1:1 does not answer: .+\.\n$/);
  });

  test('keys show prints the public half and never the private one', async () => {
    const { signingKey } = app.get(ServerIdentity);
    const { code, out } = await causeway(['keys', 'show']);
    expect(code).toBe(0);
    expect(out).toContain('acme.example');
    expect(out).toContain(signingKey.keyId);
    expect(out).toContain(signingKey.publicKey);
    const { out: asJson } = await causeway(['keys', 'show', '--json']);
    expect(asJson).not.toContain('private');
  });
});

describe('causeway without a gateway', () => {
  test('keys show makes no database and no key', async () => {
    const { code, err } = await causeway(['keys', 'show'], { CAUSEWAY_DATABASE_URL: 'sqlite:absent.sqlite' });
    expect(code).toBe(1);
    expect(err).toMatch(/^There is no database at .+absent\.sqlite yet/);
  });

  test('config check shows what the configuration comes to, without secrets', async () => {
    const { code, out } = await causeway(['config', 'check'], {
      CAUSEWAY_DATABASE_URL: 'postgres://causeway:hunter2-password@db.example/causeway',
    });
    expect(code).toBe(0);
    expect(out).toMatch(/^database +postgres:\/\/db\.example\/causeway$/m);
    expect(out).not.toContain('hunter2');
    expect(out).not.toContain(TOKEN);
  });

  test('a wrong configuration exits with 78 and names the key', async () => {
    const { code, err } = await causeway(['config', 'check'], { CAUSEWAY_SERVER_NAME: '10.0.0.1' });
    expect(code).toBe(78);
    expect(err).toMatch(/^SERVER_NAME must be .+\n$/);
  });

  test('an unknown command exits with 1', async () => {
    expect((await causeway(['dance'])).code).toBe(1);
  });
});
