import { Injectable } from '@nestjs/common';
import { Database } from '../persistence/database.js';
import { DeliveryEntity, type DeliveryState } from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import { operationOf, payloadOf } from './operations.js';
import { lateMessage } from './parked.js';

/** There is no such delivery, or it is beyond what was asked. */
export class DeliveryConflict extends Error {
  constructor(
    message: string,
    readonly unknown: boolean,
  ) {
    super(message);
  }
}

export const DELIVERY_STATES: readonly DeliveryState[] = ['intent', 'done', 'dead', 'discarded'];

/** Calls to chats as the admin sees them: what waits, what is dead and why. */
@Injectable()
export class Deliveries {
  constructor(
    private readonly database: Database,
    private readonly wakeups: Wakeups,
  ) {}

  /** Newest first. */
  list(state: DeliveryState, limit: number): Promise<DeliveryEntity[]> {
    return this.database.read.find(DeliveryEntity, { where: { state }, order: { createdAt: 'DESC' }, take: limit });
  }

  /**
   * One that waits is tried now. One that is dead or discarded is made after all, under its own idempotency key: as a late message
   * at the end of the channel, because its place is behind others. Throws DeliveryConflict.
   */
  async retry(id: string): Promise<void> {
    await this.database.transaction(async (manager) => {
      const delivery = await this.find(id, 'done');
      const { mappingId } = delivery;
      const again = { attempts: 0, nextAttemptAt: 0 };
      if (delivery.state === 'intent') await manager.update(DeliveryEntity, { id }, again);
      else {
        const operation = operationOf(delivery);
        const late = operation.kind === 'message' && delivery.position !== null;
        const payload = late ? payloadOf({ ...operation, message: lateMessage(operation.message) }) : delivery.payload;
        const change = { ...again, state: 'intent', position: null, payload } as const;
        await manager.update(DeliveryEntity, { id }, change);
      }
      this.wakeups.wake('delivery', mappingId);
    });
  }

  /** It is not made; the channel is told at its place, unless it was told already. Throws DeliveryConflict. */
  async discard(id: string): Promise<void> {
    await this.database.transaction(async (manager) => {
      const { mappingId } = await this.find(id, 'done', 'discarded');
      await manager.update(DeliveryEntity, { id }, { state: 'discarded' });
      this.wakeups.wake('delivery', mappingId);
    });
  }

  private async find(id: string, ...beyond: DeliveryState[]): Promise<DeliveryEntity> {
    const delivery = await this.database.read.findOneBy(DeliveryEntity, { id });
    if (delivery === null) throw new DeliveryConflict(`there is no delivery ${id}`, true);
    if (beyond.includes(delivery.state)) throw new DeliveryConflict(`the delivery ${id} is ${delivery.state}`, false);
    return delivery;
  }
}
