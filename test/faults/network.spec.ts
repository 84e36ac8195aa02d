import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificates } from '../../demo/authority.js';
import { forEachDatabase } from '../postgres/databases.js';
import { FaultyProxy, type NetworkFault } from './faulty-proxy.js';
import { LONG } from './long.js';
import { Pair, SERVERS, SIDES, type Side } from './pair.js';
import { Weather } from './weather.js';

const FAULT_MS = LONG ? 20_000 : 3_000;
const CASE_MS = LONG ? 300_000 : 180_000;
const OTHER = 'other.example';
const FAULTS: readonly NetworkFault[] = [
  'connections refused',
  'a reset in mid-body',
  'no answer ever',
  'a second of latency',
  'the answer lost after processing',
  'every second request failing with 500',
  'a storm of 429',
  'a certificate for another name',
  'a certificate that nobody signed',
];

forEachDatabase(({ name, createUrl }) => {
  // What goes wrong in the network is the same to both engines.
  describe.skipIf(name === 'postgres' && !LONG)('between two companies', () => {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-network-'));
    const weather = new Weather(directory);
    const proxies = new Map<Side, FaultyProxy>();
    let pair: Pair;

    beforeAll(async () => {
      const known = await certificates(join(directory, 'known'), [...Object.values(SERVERS), OTHER]);
      const unknown = await certificates(join(directory, 'unknown'), Object.values(SERVERS));
      pair = await Pair.start({
        databaseUrls: { hub: await createUrl(), participant: await createUrl() },
        env: { CAUSEWAY_FEDERATION_CA: known.ca, ...weather.env },
        nodeOptions: weather.nodeOptions,
        address: async (side, port) => {
          const server = SERVERS[side];
          const sound = known.of(server);
          const proxy = await FaultyProxy.start(port, {
            sound,
            other: known.of(OTHER),
            unsigned: unknown.of(server),
          });
          proxies.set(side, proxy);
          return proxy.urlAt(`${side}.test`);
        },
      });
    }, CASE_MS);

    afterAll(async () => {
      await pair.stop();
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
      rmSync(directory, { recursive: true, force: true });
    });

    const everywhere = async (fault: NetworkFault | undefined): Promise<void> => {
      await Promise.all([...proxies.values()].map((proxy) => proxy.set(fault)));
    };

    const duringFault = async (fault: string): Promise<void> => {
      const end = Date.now() + FAULT_MS;
      await pair.burst(fault, () => Date.now() < end);
    };

    it.each(FAULTS)(
      '%s: nothing is lost, nothing comes twice, and the order is kept',
      async (fault) => {
        await everywhere(fault);
        await duringFault(fault);
        const felt = [...proxies.values()].map(({ hits }) => hits);
        await everywhere(undefined);
        if (fault !== 'connections refused') expect(Math.min(...felt)).toBeGreaterThan(0);
        await pair.settle();
      },
      CASE_MS,
    );

    it(
      'a DNS that does not answer: nothing is lost, nothing comes twice, and the order is kept',
      async () => {
        await weather.set({ dns: 'down' });
        await everywhere(undefined); // ends the connections
        const before = SIDES.map((side) => pair.companies[side].gateway.log.length);
        await duringFault('dns');
        await weather.set({});
        for (const [n, side] of SIDES.entries()) {
          expect(pair.companies[side].gateway.log.slice(before[n])).toContain('EAI_AGAIN');
        }
        await pair.settle();
      },
      CASE_MS,
    );

    it('leaves both gateways as they were: alive, ready, and without an error of their own', async () => {
      await sleep(1_000);
      for (const side of SIDES) {
        const { gateway } = pair.companies[side];
        expect((await gateway.readiness())?.ok).toBe(true);
        expect(gateway.errors()).toEqual([]);
      }
    });
  });
});
