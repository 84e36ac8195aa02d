import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RoomMappings } from '../../src/mapping/room-mappings.js';
import { Incidents } from '../../src/rooms/incidents.js';
import { TestCompany } from '../support/company.js';
import { until } from '../support/gateway.js';
import { type Peer, peerUrl, startPeer } from '../support/peer.js';

let directory: string;
let hub: Peer;
let guest: Peer;
let globex: TestCompany;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-guests-'));
  hub = await startPeer('hub.example');
  guest = await startPeer('guest.example');
  const peers = { 'hub.example': peerUrl(hub), 'guest.example': peerUrl(guest) };
  globex = await new TestCompany('globex.example', 'globex', directory, peers).start();
  for (const each of [hub, guest]) each.peers = { ...peers, 'globex.example': globex.gateway.url };
});

afterEach(async () => {
  await globex.close();
  await hub.close();
  await guest.close();
  rmSync(directory, { recursive: true, force: true });
});

it('what a denied server’s people say in another company’s room is not carried into our channel, and the log stays whole', async () => {
  const { roomId } = await hub.createRoom({ joinRule: 'public' });
  await globex.gateway.rooms.join(roomId);
  await guest.join('hub.example', roomId);
  const mapping = await globex.map(roomId);
  await globex.gateway.app.get(RoomMappings).setAdmission(mapping, { allow: [], deny: ['guest.example'] });
  await hub.say(roomId, 'one');
  await guest.say(roomId, 'unheard');
  await until('the log has it', async () =>
    (await globex.gateway.reader.eventsAfter(roomId, -1, 100)).some(({ pdu }) => pdu.content.body === 'unheard'),
  );
  await hub.say(roomId, 'two');
  await globex.write('three');
  await until('all the others are there', async () => (await globex.texts()).includes('two'));
  expect((await globex.texts()).filter((text) => !text.endsWith('joined.'))).toEqual(
    expect.arrayContaining(['one', 'two', 'three']),
  );
  expect(await globex.texts()).not.toContain('unheard');
  await guest.until(() => guest.received.some(({ pdu }) => pdu.content.body === 'three'));
  expect(await globex.gateway.app.get(Incidents).newest(10)).toEqual([]);
  await expect(globex.gateway.rooms.invite(roomId, guest.user('carol') as never)).rejects.toThrow(/may not take part/);
});
