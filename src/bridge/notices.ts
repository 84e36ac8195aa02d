import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { DeliveryEntity, type InboxEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import { plainBody, plainText } from '../message/index.js';
import type { InboundMessage, OutboundMessage } from '../platform/port.js';

/** Tells the author of a native message, in its channel, what became of it. */
@Injectable()
export class Notices {
  constructor(
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  /** Once per native event; written in the transaction that records the refusal. */
  refused(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    return this.tell(manager, row, 'refused', `did not reach the other companies: ${reason}`);
  }

  /** Once per native event: it is not lost, and has not arrived. */
  delayed(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    return this.tell(
      manager,
      row,
      'delayed',
      `has not reached the other companies yet, and will when it can: ${reason}`,
    );
  }

  private async tell(
    manager: EntityManager,
    { platform, workspace, channelId, nativeEventId, payload }: InboxEntity,
    about: 'refused' | 'delayed',
    what: string,
  ): Promise<void> {
    const mapping = await manager.findOneBy(RoomMappingEntity, { platform, workspace, channelId });
    if (mapping === null) return;
    const subject = `${about}:${createHash('sha256').update(nativeEventId).digest('hex')}`;
    if (await manager.existsBy(DeliveryEntity, { mappingId: mapping.id, subject })) return;
    const { author, body } = JSON.parse(payload) as InboundMessage;
    const notice: OutboundMessage = {
      kind: 'notice',
      body: plainBody(`${author.displayName}, your message “${excerpt(plainText(body))}” ${what}.`),
      visibleTo: [author.id],
    };
    await manager.insert(
      DeliveryEntity,
      newDelivery({ mappingId: mapping.id, subject, position: null }, notice, this.clock.now()),
    );
    this.wakeups.wake('delivery', mapping.id);
  }
}

const EXCERPT = 40;

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= EXCERPT ? line : `${line.slice(0, EXCERPT)}…`;
}

export function newDelivery(
  place: Pick<DeliveryEntity, 'mappingId' | 'subject' | 'position'>,
  message: OutboundMessage,
  now: number,
): DeliveryEntity {
  return {
    ...place,
    id: randomUUID(),
    kind: message.kind,
    part: 0,
    payload: JSON.stringify(message),
    state: 'intent',
    attempts: 0,
    nextAttemptAt: 0,
    reason: null,
    nativeId: null,
    createdAt: now,
  };
}
