import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { DeliveryEntity, type InboxEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { InboundMessage, OutboundMessage } from '../platform/port.js';

/** Tells the author of a native message, in its channel, what became of it. */
@Injectable()
export class Notices {
  constructor(
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {}

  /** Once per native event; written in the transaction that records the refusal. */
  async refused(manager: EntityManager, row: InboxEntity, reason: string): Promise<void> {
    const { platform, workspace, channelId, nativeEventId } = row;
    const mapping = await manager.findOneBy(RoomMappingEntity, { platform, workspace, channelId });
    if (mapping === null) return;
    const subject = `refused:${createHash('sha256').update(nativeEventId).digest('hex')}`;
    if (await manager.existsBy(DeliveryEntity, { mappingId: mapping.id, subject })) return;
    const { author, text } = JSON.parse(row.payload) as InboundMessage;
    const notice: OutboundMessage = {
      kind: 'notice',
      text: `${author.displayName}, your message “${excerpt(text)}” did not reach the other companies: ${reason}.`,
      visibleTo: [author.id],
    };
    await manager.insert(DeliveryEntity, newDelivery(mapping.id, 'notice', subject, notice, this.clock.now()));
    this.wakeups.wake('delivery', mapping.id);
  }
}

const EXCERPT = 40;

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= EXCERPT ? line : `${line.slice(0, EXCERPT)}…`;
}

export function newDelivery(
  mappingId: string,
  kind: 'message' | 'notice',
  subject: string,
  message: OutboundMessage,
  now: number,
): DeliveryEntity {
  return {
    id: randomUUID(),
    mappingId,
    kind,
    subject,
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
