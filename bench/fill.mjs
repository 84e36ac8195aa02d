// Fills a database with rooms as they are after years: through the room log itself, in groups, every event hashed and signed. The
// servers of the members are made up and their keys forgotten; nothing listens where they should be.
import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../dist/src/app.module.js';
import { loadConfiguration } from '../dist/src/config/index.js';
import * as lm from '../dist/src/protocol/index.js';
import { RoomLog } from '../dist/src/rooms/room-log.js';
import { Rooms } from '../dist/src/rooms/rooms.js';

const AT_ONCE = 500;

/**
 * `messages`: into one room, by our bot. `members` on `servers`: join another room. `idle`: further rooms. Answers the ids of the
 * two rooms.
 */
export async function fill({ directory, name, databaseUrl, messages = 0, members = 0, servers = 1, idle = 0 }) {
  const environment = {
    CAUSEWAY_SERVER_NAME: name,
    CAUSEWAY_ADMIN_TOKEN: 'a-token-for-the-bench',
    CAUSEWAY_FEDERATION_LISTEN: '127.0.0.1:0',
    CAUSEWAY_ADMIN_LISTEN: '127.0.0.1:0',
    CAUSEWAY_LOG_LEVEL: 'silent',
    CAUSEWAY_DATABASE_URL: databaseUrl ?? 'sqlite:bench.sqlite',
  };
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(loadConfiguration(environment, directory)), {
    logger: false,
  });
  const rooms = app.get(Rooms);
  const long = messages > 0 ? await rooms.create({ name: 'long', joinRule: 'public' }) : undefined;
  for (let at = 0; at < messages; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, messages - at) }, (_, n) => ({
      roomId: long,
      sender: rooms.bot,
      type: 'm.room.message',
      content: { msgtype: 'm.text', body: `message ${at + n} ${'x'.repeat(80)}` },
    }));
    await Promise.all(some.map((event) => rooms.send(event)));
  }
  const wide = members > 0 ? await rooms.create({ name: 'wide', joinRule: 'public' }) : undefined;
  const keys = Array.from({ length: servers }, () => lm.createSigningKey('ed25519:1', randomBytes(32)));
  const hubKey = lm.createSigningKey('ed25519:1', randomBytes(32));
  for (let at = 0; at < members; at += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, members - at) }, (_, n) => at + n);
    await Promise.all(some.map((n) => app.get(RoomLog).append(wide, joinJob(wide, n, servers, keys, name, hubKey))));
  }
  for (let n = 0; n < idle; n++) await rooms.create({ name: `idle ${n}` });
  await app.close();
  return { long, wide };
}

function joinJob(roomId, n, servers, keys, hub, hubKey) {
  const server = `server${n % servers}.bench.invalid`;
  const user = `@user${n}:${server}`;
  const template = {
    room_id: roomId,
    type: 'm.room.member',
    sender: user,
    state_key: user,
    origin_server_ts: Date.now(),
    content: { membership: 'join' },
  };
  const lpdu = lm.buildLpdu(template, hub, server, keys[n % servers]);
  const needs = [...lm.authEventKeys(lpdu), ['m.room.join_rules', ''], ['m.room.create', '']];
  return {
    identity: { lpduHash: lpdu.hashes.lpdu.sha256 },
    needs,
    decide({ room, state, headEventId }) {
      const algorithms = lm.roomVersion(room.version);
      const verdict = algorithms.checkAuthRules({ ...lpdu, prev_events: [headEventId] }, { state });
      if (!verdict.allowed) throw new Error(`a made-up join is refused: ${verdict.reason}`);
      const fields = { auth_events: algorithms.selectAuthEvents(lpdu, state), prev_events: [headEventId] };
      const pdu = lm.completeLpdu(lpdu, fields, hub, hubKey);
      return { kind: 'append', pdu, eventId: lm.eventIdOf(pdu) };
    },
  };
}
