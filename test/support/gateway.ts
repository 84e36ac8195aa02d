import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../src/app.module.js';
import { loadConfiguration } from '../../src/config/index.js';
import { Database } from '../../src/persistence/database.js';
import { FederationServer } from '../../src/federation/edge/federation-server.js';
import { RoomReader } from '../../src/rooms/room-reader.js';
import { Rooms } from '../../src/rooms/rooms.js';
import { freePort } from './ports.js';

export { freePort } from './ports.js';
export { until } from './until.js';

export interface TestGateway {
  app: INestApplicationContext;
  rooms: Rooms;
  reader: RoomReader;
  database: Database;
  /** Base URL of the federation listener. */
  url: string;
  directory: string;
  close(options?: { keepData?: boolean }): Promise<void>;
}

/** A gateway in this process, without its admin API. `directory`: the data of an earlier one. */
export async function startGateway(
  name: string,
  peers: Record<string, string>,
  {
    directory = mkdtempSync(join(tmpdir(), 'causeway-')),
    env = {},
  }: { directory?: string; env?: Record<string, string> } = {},
): Promise<TestGateway> {
  const configuration = loadConfiguration(
    {
      CAUSEWAY_SERVER_NAME: name,
      CAUSEWAY_ADMIN_TOKEN: 'a-token-for-the-tests',
      CAUSEWAY_FEDERATION_LISTEN: '127.0.0.1:0',
      CAUSEWAY_ADMIN_LISTEN: '127.0.0.1:0',
      CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers),
      ...env,
    },
    directory,
  );
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(configuration), { logger: ['error'] });
  return {
    app,
    rooms: app.get(Rooms),
    reader: app.get(RoomReader),
    database: app.get(Database),
    url: `http://127.0.0.1:${String(app.get(FederationServer).port)}`,
    directory,
    close: async ({ keepData = false } = {}) => {
      await app.close();
      if (!keepData) rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Two gateways that know where each other is, also after a restart. `env`: of each. */
export async function startNeighbours(
  first: string,
  second: string,
  env: Record<string, string>[] = [],
): Promise<[TestGateway, TestGateway]> {
  const ports = [await freePort(), await freePort()];
  const peers = Object.fromEntries([first, second].map((name, n) => [name, `http://127.0.0.1:${String(ports[n])}`]));
  const start = (name: string, n: number): Promise<TestGateway> =>
    startGateway(name, peers, { env: { CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(ports[n])}`, ...env[n] } });
  return [await start(first, 0), await start(second, 1)];
}
