import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type EntityManager, LessThanOrEqual } from 'typeorm';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { TransactionInEntity } from '../../persistence/entities/index.js';
import { failpoint } from '../../persistence/failpoint.js';
import { execute, selectRows } from '../../persistence/statements.js';
import { type JsonValue, MAX_IDENTIFIER_BYTES, MatrixError, isJsonObject, toErrorCode } from '../../protocol/index.js';
import { type FederationCall, parameter } from './call.js';

const LOOK_UP = `SELECT status, answer FROM transaction_in
  WHERE origin = ? AND endpoint = ? AND txn_id = ? AND body_hash = ?`;
const KEEP = `INSERT INTO transaction_in (origin, endpoint, txn_id, body_hash, status, answer, received_at)
  VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;

/**
 * Answers that are kept for repetitions, of one origin and endpoint: origins repeat until they are answered, and only then go on
 * (LM-04 §send); a busy hub sends millions a day. By age the sweep deletes them (persistence/retention.ts).
 */
const MAX_KEPT = 1_000;
const CLEAN_EVERY = 200;
/** What waits for its turn, of one origin at one endpoint. An origin that keeps to the draft has one, or that again. */
const MAX_WAITING = 50;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const RETRY_AFTER_MS = 1_000;
// eslint-disable-next-line no-control-regex -- what PostgreSQL cannot keep, and nobody needs
const TXN_ID = /^[^\u0000-\u001f\u007f]+$/;

type Key = Pick<TransactionInEntity, 'origin' | 'endpoint' | 'txnId' | 'bodyHash'>;
type Kept = Pick<TransactionInEntity, 'status' | 'answer'>;

interface Queue {
  waiting: number;
  bytes: number;
  last: Promise<unknown>;
}

/**
 * Requests with a transaction id: the same one (origin, endpoint, id and body) is processed once and answered the same from
 * then on, be it with an error; several of one origin take turns (profile §5).
 */
@Injectable()
export class Transactions {
  private readonly queues = new Map<string, Queue>();
  private readonly sinceClean = new LRUCache<string, number>({ max: 1_000 });

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** `work` must itself be safe to repeat: a crash may come between it and the note of its answer. Throws MatrixError. */
  once(endpoint: string, call: FederationCall, work: () => Promise<JsonValue>): Promise<JsonValue> {
    const { origin, raw } = call;
    const txnId = parameter('txnId', call.params.txnId, (text) =>
      Buffer.byteLength(text) <= MAX_IDENTIFIER_BYTES && TXN_ID.test(text) ? text : undefined,
    );
    const bodyHash = createHash('sha256').update(raw).digest('base64');
    return this.inTurn(`${endpoint} ${origin}`, raw.length, () =>
      this.answer({ origin, endpoint, txnId, bodyHash }, work),
    );
  }

  private inTurn<T>(name: string, bytes: number, work: () => Promise<T>): Promise<T> {
    const queue = this.queues.get(name) ?? { waiting: 0, bytes: 0, last: Promise.resolve() };
    if (queue.waiting >= MAX_WAITING || (queue.waiting > 0 && queue.bytes + bytes > MAX_WAITING_BYTES)) {
      const reason = 'too many transactions at once: wait for an answer before the next';
      throw new MatrixError('M_LIMIT_EXCEEDED', 429, reason, { retry_after_ms: RETRY_AFTER_MS });
    }
    this.queues.set(name, queue);
    queue.waiting++;
    queue.bytes += bytes;
    const mine = queue.last.then(work).finally(() => {
      queue.bytes -= bytes;
      if (--queue.waiting === 0) this.queues.delete(name);
    });
    queue.last = mine.catch(() => undefined); // the next in turn does not care how this one ended
    return mine;
  }

  private async answer(key: Key, work: () => Promise<JsonValue>): Promise<JsonValue> {
    const known = await this.kept(this.database.read, key);
    if (known !== undefined) return givenBefore(known);
    const { status, answer } = await outcomeOf(work);
    failpoint('edge.processed');
    const receivedAt = this.clock.now();
    const row = { ...key, status, answer: JSON.stringify(answer), receivedAt };
    const kept = await this.database.transaction(async (manager) => {
      await this.clean(manager, key);
      const { origin, endpoint, txnId, bodyHash } = key;
      const values = [origin, endpoint, txnId, bodyHash, row.status, row.answer, receivedAt];
      if ((await execute(manager, KEEP, values)) === 1) return row;
      // Another process had the same request, and has answered first.
      return (await this.kept(manager, key)) ?? row;
    }, 'relaxed'); // what was lost with the machine is processed again: `work` is safe to repeat
    failpoint('edge.kept');
    return givenBefore(kept);
  }

  private async clean(manager: EntityManager, { origin, endpoint }: Key): Promise<void> {
    const name = `${endpoint} ${origin}`;
    const since = (this.sinceClean.get(name) ?? 0) + 1;
    this.sinceClean.set(name, since % CLEAN_EVERY);
    if (since < CLEAN_EVERY) return;
    const [oldest] = await manager.find(TransactionInEntity, {
      select: { receivedAt: true },
      where: { origin, endpoint },
      order: { receivedAt: 'DESC' },
      skip: MAX_KEPT,
      take: 1,
    });
    if (oldest !== undefined) {
      const receivedAt = LessThanOrEqual(oldest.receivedAt);
      await manager.delete(TransactionInEntity, { origin, endpoint, receivedAt });
    }
  }

  private async kept(manager: EntityManager, { origin, endpoint, txnId, bodyHash }: Key): Promise<Kept | undefined> {
    const [row] = await selectRows<Kept>(manager, LOOK_UP, [origin, endpoint, txnId, bodyHash]);
    return row;
  }
}

/** What may be different a moment later is not kept: limits, rooms that are not known yet, other servers that do not answer. */
const PASSING: ReadonlySet<string> = new Set(['M_LIMIT_EXCEEDED', 'M_NOT_FOUND', 'M_UNKNOWN']);

async function outcomeOf(work: () => Promise<JsonValue>): Promise<{ status: number; answer: JsonValue }> {
  try {
    return { status: 200, answer: await work() };
  } catch (error) {
    if (!(error instanceof MatrixError) || error.status >= 500 || PASSING.has(error.errcode)) throw error;
    return { status: error.status, answer: { errcode: error.errcode, error: error.message } };
  }
}

function givenBefore({ status, answer }: Kept): JsonValue {
  const value = JSON.parse(answer) as JsonValue;
  if (status === 200) return value;
  const { errcode, error } = isJsonObject(value) ? value : {};
  throw new MatrixError(toErrorCode(errcode), status, typeof error === 'string' ? error : '');
}
