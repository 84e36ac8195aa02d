import { join } from 'node:path';
import { certificates } from './authority.js';
import { ACME, GLOBEX } from './companies.js';
import { type Ports, Site } from './site.js';

/** Two companies side by side on this machine, whose gateways know each other by Linearized Matrix alone. */
export interface TwoCompanies {
  acme: Site;
  globex: Site;
  stop(): Promise<void>;
}

/** `firstPort` and the five after it are listened on, on loopback. Data of an earlier start is found again. */
export async function startTwoCompanies(data: string, firstPort: number): Promise<TwoCompanies> {
  const at = (offset: number): Ports => ({
    chat: firstPort + offset,
    federation: firstPort + 2 + offset,
    admin: firstPort + 4 + offset,
  });
  const trust = await certificates(join(data, 'tls'), [ACME.server, GLOBEX.server]);
  const acme = new Site(ACME, at(0), { server: GLOBEX.server, federation: at(1).federation }, trust, data);
  const globex = new Site(GLOBEX, at(1), { server: ACME.server, federation: at(0).federation }, trust, data);
  const stop = async (): Promise<void> => {
    await Promise.all([acme.stop('gateway'), globex.stop('gateway')]);
    await Promise.all([acme.stop('chat'), globex.stop('chat')]);
  };
  try {
    await Promise.all([acme.startChat(), globex.startChat()]);
    await Promise.all([acme.startGateway(), globex.startGateway()]);
    await share(acme, globex);
  } catch (error) {
    await stop();
    throw error;
  }
  return { acme, globex, stop };
}

interface Mapping {
  room_id: string;
}

/** Maps a channel of each company to one room: Acme is its hub, Globex is invited and joins. */
async function share(acme: Site, globex: Site): Promise<void> {
  const [ours] = (await acme.admin<{ mappings: Mapping[] }>('GET', 'mappings')).mappings;
  const roomId = ours?.room_id ?? (await makeRoom(acme));
  const [theirs] = (await globex.admin<{ mappings: Mapping[] }>('GET', 'mappings')).mappings;
  if (theirs !== undefined) return;
  const { rooms } = await globex.admin<{ rooms: { room_id: string }[] }>('GET', 'rooms');
  if (!rooms.some((room) => room.room_id === roomId)) {
    await acme.admin('POST', `rooms/${encodeURIComponent(roomId)}/invite`, { user_id: `@causeway:${GLOBEX.server}` });
    await globex.admin('POST', `rooms/${encodeURIComponent(roomId)}/join`, {});
  }
  await map(globex, roomId);
}

async function makeRoom(site: Site): Promise<string> {
  const { room_id: roomId } = await site.admin<{ room_id: string }>('POST', 'rooms', { name: 'Acme & Globex' });
  await map(site, roomId);
  return roomId;
}

async function map(site: Site, roomId: string): Promise<void> {
  const { workspace, sharedId } = site.company;
  await site.admin('POST', 'mappings', { platform: 'http', workspace, channel: sharedId, room_id: roomId });
}
