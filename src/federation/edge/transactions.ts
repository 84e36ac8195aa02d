import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { TransactionInEntity } from '../../persistence/entities/index.js';
import { failpoint } from '../../persistence/failpoint.js';
import { type JsonValue, MAX_IDENTIFIER_BYTES } from '../../protocol/index.js';
import { type FederationCall, parameter } from './call.js';

/**
 * Requests with a transaction id: the same one (origin, endpoint, id and body) is processed once and answered the same for
 * ever; several of one origin take turns (profile §5).
 */
@Injectable()
export class Transactions {
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** `work` must itself be safe to repeat: a crash may come between it and the note of its answer. */
  once(endpoint: string, call: FederationCall, work: () => Promise<JsonValue>): Promise<JsonValue> {
    const { origin } = call;
    const txnId = parameter('txnId', call.params.txnId, (text) =>
      Buffer.byteLength(text) <= MAX_IDENTIFIER_BYTES && !text.includes('\u0000') ? text : undefined,
    );
    const bodyHash = createHash('sha256').update(call.raw).digest('base64');
    const key = { origin, endpoint, txnId, bodyHash };
    const turn = `${endpoint} ${origin}`;
    const before = this.turns.get(turn) ?? Promise.resolve();
    const mine = before.then(() => this.answer(key, work));
    const settled = mine.catch(() => undefined); // the next in turn does not care how this one ended
    this.turns.set(turn, settled);
    void settled.then(() => {
      if (this.turns.get(turn) === settled) this.turns.delete(turn);
    });
    return mine;
  }

  private async answer(
    key: Pick<TransactionInEntity, 'origin' | 'endpoint' | 'txnId' | 'bodyHash'>,
    work: () => Promise<JsonValue>,
  ): Promise<JsonValue> {
    const known = await this.database.read.findOneBy(TransactionInEntity, key);
    if (known !== null) return JSON.parse(known.answer) as JsonValue;
    const answer = await work();
    failpoint('edge.processed');
    const receivedAt = this.clock.now();
    const kept = await this.database.transaction(async (manager) => {
      const row = { ...key, answer: JSON.stringify(answer), receivedAt };
      await manager.createQueryBuilder().insert().into(TransactionInEntity).values(row).orIgnore().execute();
      // Another process may have had the same request, and have answered first.
      const first = await manager.findOneBy(TransactionInEntity, key);
      return first === null ? answer : (JSON.parse(first.answer) as JsonValue);
    });
    failpoint('edge.kept');
    return kept;
  }
}
