import { createHash } from 'node:crypto';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RemoteKeys } from '../../src/federation/client/remote-keys.js';
import { Clock } from '../../src/persistence/clock.js';
import { ServerKeyEntity } from '../../src/persistence/entities/index.js';
import {
  type JsonObject,
  type KeyId,
  type ServerName,
  type SigningKey,
  buildLpdu,
  buildServerKeys,
  createSigningKey,
  createVerifyKey,
  parseServerName,
  signRequest,
  verifyObject,
} from '../../src/protocol/index.js';
import { Incidents } from '../../src/rooms/incidents.js';
import { ServerIdentity } from '../../src/rooms/server-identity.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway, startNeighbours, until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

const ACME = 'acme.example' as ServerName;
const ODD = 'odd.example' as ServerName;
const HOUR_MS = 3_600_000;
const STRANGERS = Array.from({ length: 100 }, (_, n) => `s${String(n)}.example` as ServerName);

/** A server that publishes whatever keys it likes. */
class OddServer {
  readonly server: Server;
  answer: unknown = {};
  asked = 0;

  private constructor() {
    this.server = createServer((_request, response) => {
      this.asked++;
      if (this.answer === 'hang') return;
      response.end(typeof this.answer === 'string' ? this.answer : JSON.stringify(this.answer));
    });
  }

  static async start(): Promise<OddServer> {
    const odd = new OddServer();
    await new Promise<void>((resolve) => odd.server.listen(0, '127.0.0.1', resolve));
    return odd;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  publish(keys: readonly SigningKey[], more: Partial<Parameters<typeof buildServerKeys>[0]> = {}): JsonObject {
    const about = { serverName: ODD, keys, oldKeys: [], validUntilTs: Date.now() + 12 * HOUR_MS, linearized: true };
    const answer = buildServerKeys({ ...about, ...more });
    this.answer = answer;
    return answer;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const aKey = (id: string, seed: string): SigningKey =>
  createSigningKey(`ed25519:${id}` as KeyId, createHash('sha256').update(seed).digest());

let odd: OddServer;
let peer: Peer;
let acme: TestGateway;
let env: Record<string, string>;

/** The status of a request that `key` signed: 404 when it was authenticated, because there is no such event. */
async function statusBy(key: SigningKey, origin = ODD): Promise<number> {
  const uri = '/_matrix/federation/v2/event/$none';
  const authorization = signRequest({ method: 'GET', uri, origin, destination: ACME }, undefined, key);
  return (await fetch(acme.url + uri, { headers: { authorization } })).status;
}

const incidents = async (): Promise<string[]> =>
  (await acme.app.get(Incidents).newest(10)).map(({ kind, server }) => `${kind} ${server}`);

function later(ms: number): void {
  const now = Date.now() + ms;
  vi.spyOn(acme.app.get(Clock), 'now').mockReturnValue(now);
}

forEachDatabase(({ createUrl }) => {
  beforeEach(async () => {
    odd = await OddServer.start();
    peer = await startPeer('peer.example', { autoJoin: true });
    env = { CAUSEWAY_DATABASE_URL: await createUrl(), CAUSEWAY_FEDERATION_DENY: 'denied.example' };
    const strangers = Object.fromEntries(STRANGERS.map((name) => [name, odd.url]));
    const peers = { 'peer.example': peerUrl(peer), [ODD]: odd.url, 'denied.example': odd.url, ...strangers };
    acme = await startGateway(ACME, peers, { env });
    peer.peers[ACME] = acme.url;
  });

  afterEach(async () => {
    await acme.close();
    await peer.close();
    await odd.close();
  });

  describe('a request of a server', () => {
    // proves LM-04/transport-get-server-keys/1
    it('counts when a current key signed it', async () => {
      odd.publish([aKey('a', '1'), aKey('b', '2')]);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      expect(await statusBy(aKey('b', '2'))).toBe(404);
      expect(odd.asked).toBe(1);
    });

    // proves LM-04/api-self-key/2, 9; LM-04/transport-auth/3
    it.each<[string, () => void]>([
      ['is only in old_verify_keys', () => odd.publish([aKey('new', '2')], { oldKeys: [old(Date.now() + HOUR_MS)] })],
      ['is no longer valid', () => odd.publish([aKey('a', '1')], { validUntilTs: Date.now() - 1 })],
      ['was published for another name', () => odd.publish([aKey('a', '1')], { serverName: parse('other.example') })],
      ['is listed, but did not sign the list', () => (odd.answer = { ...odd.publish([aKey('a', '1')]), x: 1 })],
      ['stands in a list of a megabyte', () => (odd.answer = { ...odd.publish([aKey('a', '1')]), x: 'x'.repeat(1e6) })],
      ['stands in garbage', () => (odd.answer = '<html>')],
      ['stands among 10,000 others', () => (odd.answer = { ...odd.publish([aKey('a', '1')]), verify_keys: many() })],
    ])('is refused when the key %s', async (_what, publish) => {
      publish();
      expect(await statusBy(aKey('a', '1'))).toBe(401);
    });

    // proves LM-04/api-self-key/6; profile/requests/5
    it('with an unknown key makes us ask once, and again only after a minute', async () => {
      odd.publish([aKey('a', '1')]);
      expect(await statusBy(aKey('b', '2'))).toBe(401);
      for (let n = 0; n < 5; n++) expect(await statusBy(aKey('b', '2'))).toBe(401);
      expect(odd.asked).toBe(1);
      odd.publish([aKey('a', '1'), aKey('b', '2')]);
      later(61_000);
      expect(await statusBy(aKey('b', '2'))).toBe(404);
      expect(odd.asked).toBe(2);
    });

    it('is refused when the key behind its id was swapped, and the admin learns of it', async () => {
      odd.publish([aKey('a', '1')]);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      odd.publish([aKey('a', 'swapped'), aKey('b', '2')]);
      later(61_000);
      expect(await statusBy(aKey('b', '2'))).toBe(404); // makes us ask again
      expect(await statusBy(aKey('a', 'swapped'))).toBe(401);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      expect(await incidents()).toEqual([`key_swap ${ODD}`]);
    });

    // proves LM-04/transport-keys-validity/1
    it('is still refused after a week, whatever validity the server claims', async () => {
      odd.publish([aKey('a', '1')], { validUntilTs: Date.now() + 1_000 * 24 * HOUR_MS });
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      odd.answer = '<html>';
      later(8 * 24 * HOUR_MS);
      expect(await statusBy(aKey('a', '1'))).toBe(401);
    });
  });

  describe('a server that forges keys', () => {
    it('and publishes one for another name is believed for neither', async () => {
      expect((await peer.request('GET', ACME, peer.path('event', '$none'))).status).toBe(404);
      odd.publish([aKey('1', 'forged')], { serverName: parse('peer.example') });
      expect(await statusBy(aKey('1', 'forged'))).toBe(401);
      expect(await statusBy(aKey('1', 'forged'), parse('peer.example'))).toBe(401);
      expect((await peer.request('GET', ACME, peer.path('event', '$none'))).status).toBe(404);
      const response = await fetch(`${acme.url}/_matrix/key/v2/query/${ODD}`);
      expect(await response.json()).toEqual({ server_keys: [] });
    });

    it('and signs a request with an expired one is refused; an event so signed is taken: it may be an old one', async () => {
      const [expired, current] = [aKey('old', '1'), aKey('new', '2')];
      odd.publish([current], { oldKeys: [{ ...expired, expiredAt: Date.now() - HOUR_MS }] });
      const roomId = await acme.rooms.create({ joinRule: 'public' });
      const join = { room_id: roomId, type: 'm.room.member', sender: `@bob:${ODD}`, state_key: `@bob:${ODD}` };
      const event = { ...join, origin_server_ts: Date.now(), content: { membership: 'join' } } as never;
      const body = buildLpdu(event, ACME, ODD, expired);
      const uri = '/_matrix/federation/v3/send_join/1';
      const send = async (key: SigningKey): Promise<number> => {
        const request = { method: 'POST', uri, origin: ODD, destination: ACME };
        const headers = { authorization: signRequest(request, body, key) };
        return (await fetch(acme.url + uri, { method: 'POST', headers, body: JSON.stringify(body) })).status;
      };
      expect(await send(expired)).toBe(401);
      expect(await send(current)).toBe(200);
    });

    it('and swaps one is not believed after a restart either', async () => {
      odd.publish([aKey('a', '1')]);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      await acme.close({ keepData: true });
      acme = await startGateway(ACME, { [ODD]: odd.url }, { directory: acme.directory, env });
      odd.publish([aKey('a', 'swapped'), aKey('b', '2')]);
      expect(await statusBy(aKey('b', '2'))).toBe(404);
      expect(await statusBy(aKey('a', 'swapped'))).toBe(401);
      expect(await incidents()).toEqual([`key_swap ${ODD}`]);
    });

    it('and serves two sets of them in turn may sign requests with the newest alone, and events with both', async () => {
      odd.publish([aKey('a', '1')]);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      odd.publish([aKey('b', '2')]);
      later(61_000);
      expect(await statusBy(aKey('b', '2'))).toBe(404);
      expect(await statusBy(aKey('a', '1'))).toBe(401);
      const known = await acme.app.get(RemoteKeys, { strict: false }).eventKeys(ODD, ['ed25519:a', 'ed25519:b']);
      expect([...known.keys()].sort()).toEqual(['ed25519:a', 'ed25519:b']);
      odd.publish([aKey('a', '1')]);
      later(122_000);
      expect(await statusBy(aKey('a', '1'))).toBe(404);
      expect(await statusBy(aKey('b', '2'))).toBe(401);
    });

    it('and lists one as current and as expired has an expired one', async () => {
      odd.publish([aKey('a', '1'), aKey('b', '2')], { oldKeys: [old(Date.now() - HOUR_MS)] });
      expect(await statusBy(aKey('a', '1'))).toBe(401);
      expect(await statusBy(aKey('b', '2'))).toBe(404);
    });

    it('and makes up new ones for ever locks itself out, and fills nothing', async () => {
      for (let round = 0; round < 7; round++) {
        odd.publish(Array.from({ length: 90 }, (_, n) => aKey(`k${String(round)}_${String(n)}`, String(n))));
        later(61_000 * (round + 1));
        expect(await statusBy(aKey('nokey', 'x'))).toBe(401);
      }
      expect(await acme.database.read.countBy(ServerKeyEntity, { server: ODD })).toBe(500);
      expect(await statusBy(aKey('k6_0', '0'))).toBe(401);
    });
  });

  it('requests in invented names make us ask for some of them alone, and hold up nobody who is known', async () => {
    expect((await peer.request('GET', ACME, peer.path('event', '$none'))).status).toBe(404);
    odd.answer = 'hang';
    const statuses: number[] = [];
    const strangers = STRANGERS.map(async (name) => statuses.push(await statusBy(aKey('a', '1'), name)));
    await until('no more are asked', () => statuses.length === STRANGERS.length - 32);
    expect(new Set(statuses)).toEqual(new Set([429]));
    expect((await peer.request('GET', ACME, peer.path('event', '$none'))).status).toBe(404);
    odd.answer = '<html>';
    odd.server.closeAllConnections();
    await Promise.all(strangers);
    expect(statuses.filter((status) => status === 401)).toHaveLength(32);
  });

  describe('a rotation of our key', () => {
    // proves LM-04/api-self-key/1
    it('keeps old events good: who joins after it verifies what was signed before it, and takes what comes', async () => {
      const [hub, participant] = await startNeighbours('hub.example', 'participant.example');
      const roomId = await hub.rooms.create({ joinRule: 'public' });
      const say = (who: TestGateway, body: string) =>
        who.rooms.send({ roomId, sender: who.rooms.bot, type: 'm.room.message', content: { body } });
      const bodies = async (who: TestGateway): Promise<unknown[]> =>
        (await who.reader.eventsAfter(roomId, -1, 100))
          .filter(({ pdu }) => pdu.type === 'm.room.message')
          .map(({ pdu }) => pdu.content.body);
      const before = hub.app.get(ServerIdentity).signingKey.keyId;
      const after = await hub.app.get(ServerIdentity).rotate();
      const published = (await (await fetch(`${hub.url}/_matrix/key/v2/server`)).json()) as Record<string, JsonObject>;
      expect(Object.keys(published.verify_keys ?? {})).toEqual([after]);
      expect(Object.keys(published.old_verify_keys ?? {})).toEqual([before]);
      await participant.rooms.join(roomId, undefined, undefined, 'hub.example' as ServerName);
      const said = [say(hub, '1'), say(participant, '2')];
      await Promise.all(said);
      await hub.app.get(ServerIdentity).rotate();
      await participant.app.get(ServerIdentity).rotate();
      await Promise.all([say(hub, '3'), say(participant, '4')]);
      // Both asked for each other's keys less than a minute ago, and may ask again only then.
      for (const each of [hub, participant]) vi.spyOn(each.app.get(Clock), 'now').mockReturnValue(Date.now() + 61_000);
      for (const each of [hub, participant]) {
        await until('all four have come', async () => (await bodies(each)).length === 4, 15_000);
        expect((await bodies(each)).sort()).toEqual(['1', '2', '3', '4']);
        expect(await each.app.get(Incidents).newest(10)).toEqual([]);
      }
      expect(await bodies(hub)).toEqual(await bodies(participant));
      await hub.close();
      await participant.close();
    });

    it('is still in force after a restart', async () => {
      const keyId = await acme.app.get(ServerIdentity).rotate();
      await acme.close({ keepData: true });
      acme = await startGateway(ACME, {}, { directory: acme.directory, env });
      expect(acme.app.get(ServerIdentity).signingKey.keyId).toBe(keyId);
      expect(acme.app.get(ServerIdentity).expiredKeys).toHaveLength(1);
    });
  });

  describe('as a notary', () => {
    const query = async (path: string, body?: unknown): Promise<{ status: number; keys: JsonObject[] }> => {
      const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
      const response = await fetch(`${acme.url}/_matrix/key/v2/query${path}`, post);
      const json = (await response.json()) as { server_keys?: JsonObject[] };
      return { status: response.status, keys: json.server_keys ?? [] };
    };
    const signedBy = (
      object: JsonObject,
      server: ServerName,
      key: Pick<SigningKey, 'keyId' | 'publicKey'>,
    ): boolean => {
      const verifyKey = createVerifyKey(key.publicKey);
      return verifyKey !== undefined && verifyObject(object, server, new Map([[key.keyId, verifyKey]]));
    };

    // proves LM-04/api-notary-query/1; LM-04/api-self-key/7
    it('gives another server’s keys as they were published, signed by it and by us, also when it is gone', async () => {
      odd.publish([aKey('a', '1')]);
      for (let n = 0; n < 2; n++) {
        const { status, keys } = await query(`/${ODD}`);
        expect(status).toBe(200);
        expect(keys).toHaveLength(1);
        expect(keys.every((object) => signedBy(object, ODD, aKey('a', '1')))).toBe(true);
        const { signingKey } = acme.app.get(ServerIdentity);
        expect(keys.every((object) => signedBy(object, ACME, signingKey))).toBe(true);
        odd.answer = '<html>';
      }
      later(2 * 24 * HOUR_MS); // they are not valid any more, and still good for old events
      expect((await query(`/${ODD}`)).keys).toHaveLength(1);
      expect((await query(`/${ODD}?minimum_valid_until_ts=${String(Date.now() + 3 * 24 * HOUR_MS)}`)).keys).toEqual([]);
    });

    // proves LM-04/api-self-key/8
    it('keeps the keys that a server had before', async () => {
      odd.publish([aKey('a', '1')]);
      await query(`/${ODD}`);
      odd.publish([aKey('b', '2')]);
      later(13 * HOUR_MS);
      const { keys } = await query(`/${ODD}`);
      expect(
        keys
          .map(({ verify_keys: each }) => Object.keys(each as object))
          .flat()
          .sort(),
      ).toEqual(['ed25519:a', 'ed25519:b']);
    });

    // proves LM-04/api-notary-query-bulk/1, 2
    it('answers for several at once: ourselves, others, and nothing for who is unknown, denied or no server', async () => {
      odd.publish([aKey('a', '1')]);
      const wanted = { [ACME]: {}, [ODD]: {}, 'gone.invalid': {}, 'denied.example': {}, '10.0.0.1': {} };
      const { status, keys } = await query('', { server_keys: wanted });
      expect(status).toBe(200);
      expect(keys.map(({ server_name: name }) => name).sort()).toEqual([ACME, ODD]);
      expect((await query('', { server_keys: {} })).keys).toEqual([]);
      const far = { 'ed25519:a': { minimum_valid_until_ts: Date.now() + 9 * 24 * HOUR_MS } };
      expect((await query('', { server_keys: { [ODD]: far } })).keys).toEqual([]);
    });

    it.each([[{}], [{ server_keys: [] }], [{ server_keys: Object.fromEntries(manyNames()) }], [[]]])(
      'refuses %j',
      async (body) => {
        expect((await query('', body)).status).toBe(400);
      },
    );

    // proves LM-04/api-self-key/4
    it('asks a server again when half of the life of its keys is over, and not before', async () => {
      odd.publish([aKey('a', '1')]); // valid for 12 hours
      await query(`/${ODD}`);
      later(5.9 * HOUR_MS);
      expect((await query(`/${ODD}`)).keys).toHaveLength(1);
      expect(odd.asked).toBe(1);
      later(6.1 * HOUR_MS);
      expect((await query(`/${ODD}`)).keys).toHaveLength(1);
      expect(odd.asked).toBe(2);
    });

    it('does not ask a server again and again', async () => {
      odd.answer = '<html>';
      for (let n = 0; n < 5; n++) expect((await query(`/${ODD}`)).keys).toEqual([]);
      expect(odd.asked).toBe(1);
    });

    it('refuses a name that is none', async () => {
      expect((await query('/10.0.0.1')).status).toBe(400);
      expect((await query(`/${ODD}?minimum_valid_until_ts=soon`)).status).toBe(400);
    });
  });
});

function old(expiredAt: number) {
  const { keyId, publicKey } = aKey('a', '1');
  return { keyId, publicKey, expiredAt };
}

function parse(name: string): ServerName {
  const parsed = parseServerName(name);
  if (parsed === undefined) throw new Error(`${name} is no server name`);
  return parsed;
}

function many(): JsonObject {
  const { publicKey } = aKey('a', '1');
  return Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`ed25519:k${String(n)}`, { key: publicKey }]));
}

function manyNames(): [string, object][] {
  return Array.from({ length: 51 }, (_, n) => [`s${String(n)}.example`, {}]);
}
