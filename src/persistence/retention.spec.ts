import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forEachDatabase } from '../../test/postgres/databases.js';
import { startGateway, type TestGateway, until } from '../../test/support/gateway.js';
import {
  type DeliveryState,
  DeliveryEntity,
  InboxEntity,
  type InboxState,
  TransactionInEntity,
} from './entities/index.js';

const DAY_MS = 24 * 3_600_000;
const OLD = Date.now() - 10 * DAY_MS;

const inbox = (n: number, state: InboxState, receivedAt: number, nativeEventId = `old-${String(n)}`): InboxEntity => ({
  platform: 'http',
  workspace: 'acme',
  nativeEventId,
  channelId: 'C1',
  sequence: n,
  payload: '{}',
  state,
  reason: null,
  attempts: 0,
  failingSince: null,
  lpduHash: null,
  receivedAt,
});

const delivery = (n: number, state: DeliveryState): DeliveryEntity => ({
  id: `${state}-${String(n)}`,
  mappingId: 'm',
  kind: 'message',
  subject: `$${state}-${String(n)}`,
  part: 0,
  position: n,
  payload: '{}',
  state,
  attempts: 0,
  nextAttemptAt: 0,
  reason: null,
  nativeId: null,
  createdAt: OLD,
});

forEachDatabase(({ createUrl }) => {
  let url: string;
  let gateway: TestGateway;
  const start = (): Promise<TestGateway> =>
    startGateway(
      'acme.example',
      {},
      {
        env: { CAUSEWAY_DATABASE_URL: url, CAUSEWAY_RETENTION: '{"inbox": 5, "delivery": 5}' },
      },
    );

  beforeEach(async () => {
    url = await createUrl();
    gateway = await start();
  });

  afterEach(() => gateway.close());

  describe('retention', () => {
    it('deletes what is settled and old, in more than one batch, and keeps what waits, is dead, or is young', async () => {
      await gateway.database.transaction(async (manager) => {
        const settled = Array.from({ length: 1_100 }, (_, n) => inbox(n, 'carried', OLD));
        for (let at = 0; at < settled.length; at += 100) await manager.insert(InboxEntity, settled.slice(at, at + 100));
        await manager.insert(InboxEntity, [
          inbox(1, 'waiting', OLD, 'kept-0'),
          inbox(2, 'submitted', OLD, 'kept-1'),
          inbox(3, 'carried', Date.now(), 'kept-2'),
        ]);
        await manager.insert(DeliveryEntity, [
          delivery(1, 'done'),
          delivery(2, 'dead'),
          delivery(3, 'intent'),
          delivery(4, 'discarded'),
        ]);
        const answer = { origin: 'globex.example' as never, endpoint: 'send', bodyHash: 'x', answer: '{}' };
        await manager.insert(TransactionInEntity, [
          { ...answer, txnId: 'old', receivedAt: OLD },
          { ...answer, txnId: 'young', receivedAt: Date.now() },
        ]);
      });
      await gateway.close({ keepData: true });
      gateway = await start(); // it sweeps at its start
      const { read } = gateway.database;
      const left = async () => [await read.count(InboxEntity), await read.count(DeliveryEntity)];
      await until('the sweep', async () => String(await left()) === '3,2', 15_000); // each table is a transaction of its own
      const kept = await read.find(InboxEntity, { order: { nativeEventId: 'ASC' } });
      expect(kept.map(({ nativeEventId }) => nativeEventId)).toEqual(['kept-0', 'kept-1', 'kept-2']);
      const deliveries = await read.find(DeliveryEntity, { order: { id: 'ASC' } });
      expect(deliveries.map(({ state }) => state)).toEqual(['dead', 'intent']);
      expect(await read.count(TransactionInEntity)).toBe(1);
    });
  });
});
