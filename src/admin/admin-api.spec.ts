import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Logger } from 'nestjs-pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Bridge } from '../bridge/bridge.js';
import { ConfigModule, loadConfiguration } from '../config/index.js';
import { FederationClientModule } from '../federation/client/federation-client.module.js';
import { FederationServer } from '../federation/edge/federation-server.js';
import { RoomMappings } from '../mapping/room-mappings.js';
import { loggingModule } from '../observability/logging.js';
import { MediaModule } from '../media/media.module.js';
import type { CapabilityDocument } from '../platform/port.js';
import { ObservabilityModule } from '../observability/observability.module.js';
import { Database } from '../persistence/database.js';
import {
  DeliveryEntity,
  DestinationEntity,
  InboxEntity,
  InviteEntity,
  LpduOutEntity,
  RoomGapEntity,
  UserMappingEntity,
} from '../persistence/entities/index.js';
import { PersistenceModule } from '../persistence/persistence.module.js';
import type { EventId, RoomId, ServerName, UserId } from '../protocol/index.js';
import { IdentityModule } from '../rooms/identity.module.js';
import { Incidents } from '../rooms/incidents.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { AdminModule } from './admin.module.js';
import { ADMIN_HTTP, adminDocument, setUpAdmin } from './set-up-admin.js';

const TOKEN = 'a-token-for-the-tests';
const GLOBEX = 'globex.example' as ServerName;
const directory = mkdtempSync(join(tmpdir(), 'causeway-admin-'));
const log: string[] = [];
let app: NestFastifyApplication;
let base: string;

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function ask(method: string, path: string, body?: unknown, token = `Bearer ${TOKEN}`): Promise<Answer> {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: { authorization: token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const api = (method: string, path: string, body?: unknown): Promise<Answer> =>
  ask(method, `/_causeway/v1/${path}`, body);

/** A public room of ours, as it stands in a path. */
async function aRoom(): Promise<string> {
  const { body } = await api('POST', 'rooms', { join_rule: 'public' });
  return encodeURIComponent(String(body.room_id));
}

async function auditedActions(): Promise<unknown[]> {
  const { body } = await api('GET', 'audit?limit=500');
  return (body.entries as { action: string }[]).map(({ action }) => action);
}

beforeAll(async () => {
  const env = {
    CAUSEWAY_SERVER_NAME: 'acme.example',
    CAUSEWAY_ADMIN_TOKEN: TOKEN,
    CAUSEWAY_FEDERATION_LISTEN: '127.0.0.1:0',
    CAUSEWAY_FEDERATION_PEERS: JSON.stringify({ [GLOBEX]: 'http://127.0.0.1:1' }),
  };
  const configuration = loadConfiguration(env, directory);
  const gateway = await Test.createTestingModule({
    imports: [
      ConfigModule.forRoot(configuration),
      loggingModule('trace', { write: (line: string) => log.push(line) }),
      PersistenceModule.forRoot(configuration.database),
      IdentityModule,
      RoomsModule.register(FederationClientModule),
      MediaModule.register(FederationClientModule),
      ObservabilityModule,
      AdminModule,
    ],
  }).compile();
  app = gateway.createNestApplication<NestFastifyApplication>(new FastifyAdapter(ADMIN_HTTP));
  app.useLogger(app.get(Logger));
  setUpAdmin(app);
  await app.listen(0, '127.0.0.1');
  base = await app.getUrl();
});

afterAll(async () => {
  await app.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('the token', () => {
  test.each(['', 'Bearer ', 'Bearer wrong', `Basic ${TOKEN}`, TOKEN, `Bearer ${TOKEN}x`])(
    '%j is refused',
    async (token) => {
      const { status, body } = await ask('GET', '/_causeway/v1/status', undefined, token);
      expect(status).toBe(401);
      expect(Object.keys(body).sort()).toEqual(['errcode', 'error']);
      expect(JSON.stringify(body)).not.toContain(TOKEN);
    },
  );

  test('every path of the API needs it', async () => {
    const { paths } = adminDocument(app);
    const open = ['/healthz', '/readyz', '/metrics'];
    for (const [path, operations] of Object.entries(paths)) {
      if (open.includes(path)) continue;
      for (const method of Object.keys(operations)) {
        const { status } = await ask(method.toUpperCase(), path, undefined, '');
        expect({ path, method, status }).toEqual({ path, method, status: 401 });
      }
    }
  });
});

describe('keys', () => {
  test('are listed without their private halves, and rotated', async () => {
    const keysOf = async () => (await api('GET', 'keys')).body.keys as Record<string, unknown>[];
    const [before] = await keysOf();
    const { status, body } = await api('POST', 'keys/rotate');
    expect(status).toBe(200);
    expect(await keysOf()).toEqual([
      { key_id: body.key_id, public_key: expect.any(String) as string, expired_at: null },
      { ...before, expired_at: expect.any(Number) as number },
    ]);
    expect(await auditedActions()).toContain('keys.rotate');
  });
});

describe('aliases', () => {
  test('name a room, move and go', async () => {
    const alias = encodeURIComponent('#fair:acme.example');
    const [first, second] = [decodeURIComponent(await aRoom()), decodeURIComponent(await aRoom())];
    expect((await api('PUT', `aliases/${alias}`, { room_id: first })).status).toBe(200);
    expect((await api('PUT', `aliases/${alias}`, { room_id: second })).status).toBe(200);
    expect((await api('GET', 'aliases')).body).toEqual({ aliases: [{ alias: '#fair:acme.example', room_id: second }] });
    expect((await api('GET', `aliases/${alias}`)).body).toEqual({ room_id: second, servers: ['acme.example'] });
    expect((await api('DELETE', `aliases/${alias}`)).status).toBe(200);
    expect((await api('DELETE', `aliases/${alias}`)).status).toBe(404);
    expect((await api('GET', `aliases/${alias}`)).status).toBe(404);
    expect(await auditedActions()).toEqual(expect.arrayContaining(['alias.set', 'alias.remove']));
  });

  test.each([
    ['#fair:globex.example', '!abc:acme.example', 400],
    ['fair', '!abc:acme.example', 400],
    ['#fair:acme.example', '!none:acme.example', 404],
  ])('%s of %s: %i', async (alias, room, status) => {
    expect((await api('PUT', `aliases/${encodeURIComponent(alias)}`, { room_id: room })).status).toBe(status);
  });
});

describe('rooms', () => {
  test('users are knocked in, kicked and banned', async () => {
    const { body } = await api('POST', 'rooms', { join_rule: 'knock' });
    const room = encodeURIComponent(String(body.room_id));
    const membership = async (): Promise<unknown> =>
      ((await api('GET', `rooms/${room}/members`)).body.members as Record<string, unknown>[]).find(
        ({ user_id: user }) => user === '@ada:acme.example',
      )?.membership;
    const ada = { user_id: '@ada:acme.example', reason: 'because' };
    expect((await api('POST', `rooms/${room}/knock`, ada)).status).toBe(200);
    expect(await membership()).toBe('knock');
    expect((await api('POST', `rooms/${room}/kick`, ada)).status).toBe(200);
    expect(await membership()).toBe('leave');
    expect((await api('POST', `rooms/${room}/ban`, ada)).status).toBe(200);
    expect(await membership()).toBe('ban');
    expect((await api('POST', `rooms/${room}/knock`, ada)).status).toBe(403);
    expect((await api('POST', `rooms/${room}/kick`, { user_id: 'ada' })).status).toBe(400);
    expect(await auditedActions()).toEqual(expect.arrayContaining(['room.knock', 'room.kick', 'room.ban']));
  });

  test('a room is made, joined, spoken in, read and left', async () => {
    const made = await api('POST', 'rooms', { name: 'Shared', join_rule: 'public' });
    expect(made.status).toBe(201);
    const room = encodeURIComponent(String(made.body.room_id));
    expect((await api('POST', `rooms/${room}/join`, { user_id: '@ada:acme.example' })).status).toBe(200);
    const sent = await api('POST', `rooms/${room}/send`, { text: 'good morning', sender: '@ada:acme.example' });
    const events = (await api('GET', `rooms/${room}/events?limit=500`)).body.events as Record<string, unknown>[];
    expect(events.at(-1)).toMatchObject({
      event_id: sent.body.event_id,
      type: 'm.room.message',
      sender: '@ada:acme.example',
      rejected: false,
      content: { body: 'good morning' },
    });
    expect((await api('POST', `rooms/${room}/leave`, { user_id: '@ada:acme.example' })).status).toBe(200);
    const { members } = (await api('GET', `rooms/${room}/members`)).body;
    expect(members).toContainEqual({ user_id: '@ada:acme.example', membership: 'leave' });
    const state = (await api('GET', `rooms/${room}/state`)).body.state as { type: string; content: unknown }[];
    expect(state.find(({ type }) => type === 'm.room.name')?.content).toEqual({ name: 'Shared' });
    expect((await api('GET', `rooms/${room}`)).body).toMatchObject({ role: 'hub', standing: 'joined' });
    expect(await auditedActions()).toEqual(
      expect.arrayContaining(['room.create', 'room.join', 'room.send', 'room.leave']),
    );
  });

  test('the log is read page by page', async () => {
    const room = await aRoom();
    const page = async (query: string): Promise<unknown[]> =>
      ((await api('GET', `rooms/${room}/events?${query}`)).body.events as { position: number }[]).map(
        (e) => e.position,
      );
    expect(await page('limit=2')).toEqual([0, 1]);
    expect(await page('from=2&limit=2')).toEqual([2, 3]);
  });

  test('a room stays, with its id told, when somebody invited cannot be reached', async () => {
    const { status, body } = await api('POST', 'rooms', { invites: ['@eve:globex.example'] });
    expect(status).toBe(201);
    expect(body.failed_invites).toEqual([
      { user_id: '@eve:globex.example', error: expect.stringContaining('globex.example is not reachable') },
    ]);
    const room = encodeURIComponent(String(body.room_id));
    expect((await api('GET', `rooms/${room}`)).status).toBe(200);
  });

  test('nobody of another server is made to create, join, speak or leave by us', async () => {
    const room = await aRoom();
    const eve = '@eve:globex.example';
    const before = await api('GET', `rooms/${room}`);
    for (const [path, body] of [
      ['rooms', { creator: eve }],
      [`rooms/${room}/join`, { user_id: eve }],
      [`rooms/${room}/send`, { text: 'forged', sender: eve }],
      [`rooms/${room}/leave`, { user_id: eve }],
    ] as const) {
      const { status, body: answer } = await api('POST', path, body);
      expect({ path, status }).toEqual({ path, status: 400 });
      expect(answer.error).toMatch(/must be a user of acme\.example/);
    }
    expect(await api('GET', `rooms/${room}`)).toEqual(before);
  });

  test('what the room does not allow is a 403 with the reason, and not in the audit log', async () => {
    const room = await aRoom();
    const before = await auditedActions();
    const { status, body } = await api('POST', `rooms/${room}/send`, { text: 'hi', sender: '@bob:acme.example' });
    expect({ status, ...body }).toEqual({
      status: 403,
      errcode: 'M_FORBIDDEN',
      error: '@bob:acme.example is not in the room',
    });
    expect(await auditedActions()).toEqual(before);
  });

  test('another server that does not answer is a 502 that names it', async () => {
    const room = await aRoom();
    const { status, body } = await api('POST', `rooms/${room}/invite`, { user_id: '@eve:globex.example' });
    expect(status).toBe(502);
    expect(body.error).toMatch(/^globex\.example is not reachable/);
  });

  test('invites of our users are listed', async () => {
    const roomId = '!far:globex.example' as RoomId;
    await app.get(Database).transaction((manager) =>
      manager.insert(InviteEntity, {
        roomId,
        userId: '@causeway:acme.example' as UserId,
        hubServer: GLOBEX,
        sender: '@eve:globex.example' as UserId,
        strippedState: '[]',
        receivedAt: 1,
      }),
    );
    expect((await api('GET', 'invites')).body.invites).toMatchObject([{ room_id: roomId, hub_server: GLOBEX }]);
  });
});

describe('wrong input', () => {
  test.each([
    ['POST', 'rooms', { foo: 1 }, /foo/],
    ['POST', 'rooms', { join_rule: 'secret' }, /join_rule/],
    ['POST', 'rooms', { name: 7 }, /name/],
    ['POST', 'rooms', { invites: ['eve'] }, /invites/],
    ['POST', 'rooms', { invites: Array.from({ length: 51 }, () => '@a:b') }, /invites/],
    ['POST', 'rooms', '{"name":', /JSON/],
    ['POST', 'rooms', [], /object/],
    ['POST', 'rooms/nonsense/join', {}, /room_id/],
    ['POST', 'rooms/!a:acme.example/invite', {}, /user_id/],
    ['POST', 'rooms/!a:acme.example/send', { text: '' }, /text/],
    ['POST', 'rooms/!a:acme.example/join', { via: '10.0.0.1' }, /via/],
    ['PATCH', 'mappings/x', { state: 'broken' }, /state/],
    ['PATCH', 'mappings/x', { pause_on: 'rain' }, /pause_on/],
    ['PATCH', 'mappings/x', {}, /pause_on/],
    ['GET', 'incidents?kind=nonsense', undefined, /kind/],
    ['GET', 'incidents?before=yesterday', undefined, /before/],
    ['GET', 'incidents/yesterday', undefined, /id/],
    ['POST', 'mappings', { platform: 'http', workspace: 'w', channel: 'C1', room_id: 'x' }, /room_id/],
    ['POST', 'destinations/10.0.0.1/retry', undefined, /server/],
    ['GET', 'deliveries?state=lost', undefined, /state/],
    ['GET', 'audit?limit=many', undefined, /limit/],
    ['GET', 'rooms/%zz', undefined, /path/],
  ])('%s %s %j is a 400 that names it', async (method, path, body, named) => {
    const answer = await api(method, path, body);
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.body).sort()).toEqual(['errcode', 'error']);
    expect(answer.body.error).toMatch(named);
  });

  test.each([
    ['GET', 'rooms/!nowhere:acme.example'],
    ['GET', 'rooms/!nowhere:acme.example/events'],
    ['DELETE', 'mappings/nothing'],
    ['GET', 'incidents/1'],
    ['POST', 'destinations/never-seen.example/retry'],
    ['GET', 'nothing'],
  ])('%s %s is a 404', async (method, path) => {
    const { status, body } = await api(method, path);
    expect({ status, errcode: body.errcode }).toEqual({ status: 404, errcode: 'M_NOT_FOUND' });
  });

  test('a body that is too large, for us or for a room, is told as such', async () => {
    const room = await aRoom();
    expect((await api('POST', `rooms/${room}/send`, { text: 'x'.repeat(2_000_000) })).status).toBe(413);
    const { status, body } = await api('POST', `rooms/${room}/send`, { text: 'x'.repeat(100_000) });
    expect({ status, errcode: body.errcode }).toEqual({ status: 403, errcode: 'M_FORBIDDEN' });
  });
});

describe('mappings', () => {
  test('are listed, paused, resumed and removed', async () => {
    const roomId = decodeURIComponent(await aRoom()) as RoomId;
    const channel = { platform: 'http', workspace: 'acme', channelId: 'C1', channelName: 'shared' };
    const { id } = await app.get(RoomMappings).create(channel, roomId);
    expect((await api('GET', 'mappings')).body.mappings).toMatchObject([{ id, channel: 'C1', room_id: roomId }]);
    expect((await api('PATCH', `mappings/${id}`, { state: 'paused' })).body.state).toBe('paused');
    expect((await api('PATCH', `mappings/${id}`, { state: 'active' })).body.state).toBe('active');
    expect((await api('PATCH', `mappings/${id}`, { pause_on: 'any' })).body.pause_on).toBe('any');
    expect((await api('DELETE', `mappings/${id}`)).status).toBe(200);
    expect((await api('GET', 'mappings')).body.mappings).toEqual([]);
    expect((await auditedActions()).slice(0, 3)).toEqual(['mapping.remove', 'mapping.change', 'mapping.change']);
  });

  test('of a chat that is not configured are a 404', async () => {
    const room_id = decodeURIComponent(await aRoom());
    const body = { platform: 'http', workspace: 'acme', channel: 'C1', room_id };
    expect((await api('POST', 'mappings', body)).status).toBe(404);
  });
});

describe('operations', () => {
  test('each chat is shown with what it can, and with what is wrong with it', async () => {
    expect((await api('GET', 'platforms')).body).toEqual({ platforms: [] });
    const capabilities: CapabilityDocument = {
      platform: 'slack',
      workspace: 'acme',
      abilities: ['edit', 'react'],
      privateNotices: true,
      richText: true,
      threads: true,
      replies: false,
      attachments: true,
      actions: true,
      personalReactions: false,
      customEmoji: false,
      maxTextBytes: 4_000,
      maxFileBytes: 1_000,
    };
    const state = { kind: 'slack', workspace: 'acme', ready: false, trouble: 'the token was revoked', capabilities };
    const chats = vi.spyOn(app.get(Bridge), 'chats').mockReturnValue([state]);
    expect((await api('GET', 'platforms')).body.platforms).toEqual([
      {
        kind: 'slack',
        workspace: 'acme',
        ready: false,
        trouble: 'the token was revoked',
        abilities: ['edit', 'react'],
        capabilities: {
          private_notices: true,
          rich_text: true,
          threads: true,
          replies: false,
          attachments: true,
          actions: true,
          personal_reactions: false,
          custom_emoji: false,
        },
        max_text_bytes: 4_000,
        max_file_bytes: 1_000,
      },
    ]);
    chats.mockRestore();
  });

  test('a failing destination is shown, and tried at once when asked', async () => {
    const row = { server: GLOBEX, failingSince: 5, attempts: 7, nextAttemptAt: 9e12, lastError: 'x', lastSuccessAt: 1 };
    await app.get(Database).transaction((manager) => manager.insert(DestinationEntity, row));
    const shown = (await api('GET', 'destinations')).body.destinations;
    expect(shown).toMatchObject([{ server: GLOBEX, attempts: 7, last_error: 'x', waiting_lpdus: 0, rooms: [] }]);
    expect((await api('GET', 'status')).body.backlog).toMatchObject({ destinations_failing: 1 });
    expect((await api('POST', `destinations/${GLOBEX}/retry`)).status).toBe(200);
    const after = await app.get(Database).read.findOneByOrFail(DestinationEntity, { server: GLOBEX });
    expect(after.nextAttemptAt).toBe(0);
  });

  test('dead deliveries are listed without what they say', async () => {
    const row = {
      id: 'd1',
      mappingId: 'm1',
      kind: 'message' as const,
      subject: '$e',
      part: 0,
      payload: '{"text":"private words"}',
      state: 'dead' as const,
      attempts: 3,
      nextAttemptAt: 0,
      reason: 'too long',
      nativeId: null,
      createdAt: 1,
    };
    await app.get(Database).transaction((manager) => manager.insert(DeliveryEntity, row));
    const { body } = await api('GET', 'deliveries?state=dead');
    expect(body.deliveries).toMatchObject([{ id: 'd1', reason: 'too long' }]);
    expect(JSON.stringify(body)).not.toContain('private words');
  });

  test('dead deliveries are retried, discarded, and retried after all', async () => {
    const state = async (): Promise<unknown> =>
      (await app.get(Database).read.findOneBy(DeliveryEntity, { id: 'd1' }))?.state;
    expect((await api('POST', 'deliveries/d1/discard')).status).toBe(200);
    expect(await state()).toBe('discarded');
    const again = await api('POST', 'deliveries/d1/discard');
    expect([again.status, again.body.error]).toEqual([409, expect.stringContaining('is discarded')]);
    expect((await api('POST', 'deliveries/d1/retry')).status).toBe(200);
    expect(await state()).toBe('intent');
    expect((await api('POST', 'deliveries/none/retry')).status).toBe(404);
    expect(await auditedActions()).toEqual(expect.arrayContaining(['delivery.retry', 'delivery.discard']));
  });

  test('a native message that waits is listed without what it says, and taken out', async () => {
    const row = {
      platform: 'http',
      workspace: 'w',
      nativeEventId: 'e/1',
      channelId: 'C',
      sequence: 1,
      payload: '"private words"',
    };
    const failing = {
      state: 'waiting',
      reason: 'no name',
      attempts: 3,
      failingSince: 5,
      lpduHash: null,
      receivedAt: 4,
    } as const;
    await app.get(Database).transaction((manager) => manager.insert(InboxEntity, { ...row, ...failing }));
    const { body } = await api('GET', 'inbox');
    expect(body.inbox).toMatchObject([{ native_event_id: 'e/1', attempts: 3, failing_since: 5, reason: 'no name' }]);
    expect(JSON.stringify(body)).not.toContain('private words');
    const path = `inbox/http/w/${encodeURIComponent('e/1')}/discard`;
    expect((await api('POST', path)).status).toBe(200);
    expect((await api('POST', path)).status).toBe(404);
    expect((await api('GET', 'inbox?state=discarded')).body.inbox).toMatchObject([{ native_event_id: 'e/1' }]);
  });

  test('LPDUs are listed by what became of them, without what they say', async () => {
    const row = {
      lpduHash: 'h1',
      roomId: '!r:globex.example' as RoomId,
      hubServer: GLOBEX,
      referenceId: '$x' as EventId,
      type: 'm.room.message',
      stateKey: null,
      sequence: 1,
      state: 'refused' as const,
      json: '"private words"',
      refusal: 'you may not',
      createdAt: 1,
    };
    await app.get(Database).transaction((manager) => manager.insert(LpduOutEntity, row));
    const { body } = await api('GET', 'lpdus');
    expect(body.lpdus).toMatchObject([{ lpdu_hash: 'h1', hub_server: GLOBEX, reason: 'you may not' }]);
    expect(JSON.stringify(body)).not.toContain('private words');
    expect((await api('GET', 'lpdus?state=pending')).body.lpdus).toEqual([]);
    expect((await api('GET', 'lpdus?state=lost')).status).toBe(400);
  });

  test('users and incidents are listed, and the newest incidents stand in the status', async () => {
    const userId = '@ada:acme.example' as UserId;
    const user = { userId, platform: 'http', workspace: 'acme', nativeUserId: 'U1', displayName: 'Ada', createdAt: 1 };
    await app.get(Database).transaction((manager) => manager.insert(UserMappingEntity, user));
    const incident = { kind: 'fork' as const, server: GLOBEX, roomId: null, eventId: null, detail: 'two heads' };
    await app.get(Incidents).record(incident);
    expect((await api('GET', 'users')).body.users).toMatchObject([{ user_id: userId, native_id: 'U1' }]);
    expect((await api('GET', 'incidents')).body.incidents).toMatchObject([{ kind: 'fork', detail: 'two heads' }]);
    const { body } = await api('GET', 'status');
    expect(body).toMatchObject({ server_name: 'acme.example', engine: 'sqlite' });
    expect(body.newest_incidents).toMatchObject([{ kind: 'fork' }]);
  });
});

describe('incidents', () => {
  test('a room says what its hub does not give', async () => {
    const room = await aRoom();
    expect((await api('GET', `rooms/${room}`)).body.gap).toBeNull();
    const roomId = decodeURIComponent(room) as RoomId;
    const row = { roomId, since: 5, attempts: 2, refusals: 1, nextAttemptAt: 9e12, reason: 'no', newestEventId: null };
    await app.get(Database).transaction((manager) => manager.insert(RoomGapEntity, row));
    const gap = { since: 5, attempts: 2, next_attempt_at: 9e12, reason: 'no' };
    expect((await api('GET', `rooms/${room}`)).body.gap).toEqual(gap);
    expect((await api('GET', 'status')).body.backlog).toMatchObject({ rooms_behind_gap: 1 });
  });

  test('are filtered and paged; only the one shows its evidence, and no log does', async () => {
    const server = 'liar.example' as ServerName;
    const evidence = { received: [{ type: 'm.room.message', content: { body: 'private words' } }] };
    for (const eventId of ['$1', '$2', '$3'] as EventId[]) {
      await app.get(Incidents).record({ kind: 'altered', server, roomId: null, eventId, detail: 'changed', evidence });
    }
    const first = (await api('GET', `incidents?server=${server}&kind=altered&limit=2`)).body;
    const incidents = first.incidents as { id: number; event_id: string }[];
    expect(incidents.map(({ event_id: eventId }) => eventId)).toEqual(['$3', '$2']);
    const second = (await api('GET', `incidents?server=${server}&limit=2&before=${String(first.next)}`)).body;
    expect(second).toMatchObject({ incidents: [{ event_id: '$1', count: 1 }], next: null });
    expect(JSON.stringify([first, second])).not.toContain('private words');
    const shown = (await api('GET', `incidents/${String(incidents[0]?.id)}`)).body;
    expect(shown).toMatchObject({ event_id: '$3', kind: 'altered', evidence });
    expect(log.join('')).toContain('liar.example');
    expect(log.join('')).not.toContain('private words');
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics).toContain('causeway_incidents_total{kind="altered"} 3');
  });
});

describe('health and metrics, without a token', () => {
  test('alive and ready', async () => {
    expect((await ask('GET', '/healthz', undefined, '')).status).toBe(200);
    expect(await ask('GET', '/readyz', undefined, '')).toMatchObject({
      status: 200,
      body: { checks: { database: true, federation: true } },
    });
  });

  test('not ready while federation does not listen', async () => {
    const federation = app.get(FederationServer, { strict: false });
    const original = Object.getOwnPropertyDescriptor(FederationServer.prototype, 'listening');
    Object.defineProperty(federation, 'listening', { configurable: true, value: false });
    try {
      const { status, body } = await ask('GET', '/readyz', undefined, '');
      expect({ status, keys: Object.keys(body).sort() }).toEqual({ status: 503, keys: ['errcode', 'error'] });
    } finally {
      expect(original).toBeDefined();
      Reflect.deleteProperty(federation, 'listening');
    }
  });

  test('metrics count what is appended and what waits', async () => {
    const scrape = async (): Promise<string> => (await fetch(`${base}/metrics`)).text();
    const appended = (text: string): number => Number(/^causeway_events_appended_total (\d+)$/m.exec(text)?.[1]);
    const before = appended(await scrape());
    await aRoom();
    const text = await scrape();
    expect(appended(text)).toBeGreaterThan(before);
    expect(text).toMatch(/^causeway_backlog\{kind="deliveries_dead"\} \d+$/m);
    expect(text).toMatch(/^process_cpu_seconds_total /m);
  });
});

describe('what is told to others', () => {
  test('the OpenAPI document needs no token, and is the one in docs', async () => {
    const { status, body } = await ask('GET', '/_causeway/openapi.json', undefined, '');
    expect(status).toBe(200);
    await expect(`${JSON.stringify(body, null, 2)}\n`).toMatchFileSnapshot('../../docs/openapi.json');
  });

  test('no log line holds a message, a token or the query of a request', async () => {
    const room = await aRoom();
    await api('POST', `rooms/${room}/send`, { text: 'words-for-the-room' });
    await ask('GET', '/_causeway/v1/status?secret=in-the-query', undefined, 'Bearer a-wrong-secret');
    new (await import('@nestjs/common')).Logger('Spec').error({ err: new Error('seen') }, 'a line, so that some exist');
    const written = log.join('');
    expect(written).toContain('a line, so that some exist');
    expect(written).toContain('"message":"seen"');
    for (const secret of ['words-for-the-room', TOKEN, 'in-the-query', 'a-wrong-secret']) {
      expect(written).not.toContain(secret);
    }
  });
});
