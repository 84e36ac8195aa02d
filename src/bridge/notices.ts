import { createHash, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { DeliveryEntity, type InboxEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { Wakeups } from '../persistence/wakeups.js';
import { plainBody, plainText } from '../message/index.js';
import { excerpt } from './fallbacks.js';
import { type Operation, payloadOf } from './operations.js';
import type { InboundEvent, NativeUser, OutboundMessage } from '../platform/port.js';

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
    const told = whoAndWhat(JSON.parse(payload) as InboundEvent);
    if (told === undefined) return;
    const message: OutboundMessage = {
      kind: 'notice',
      body: plainBody(`${told.person.displayName}, ${told.subject} ${what}.`),
      visibleTo: [told.person.id],
    };
    await manager.insert(
      DeliveryEntity,
      newDelivery(
        { mappingId: mapping.id, subject, position: null, part: 0 },
        { kind: 'notice', message },
        this.clock.now(),
      ),
    );
    this.wakeups.wake('delivery', mapping.id);
  }
}

/** Who did it natively, and how it is called in a sentence; undefined where the platform does not tell who. */
function whoAndWhat(event: InboundEvent): { person: NativeUser; subject: string } | undefined {
  switch (event.type) {
    case 'message':
      if (event.history === true) return undefined; // they do not wait for it
      return { person: event.author, subject: `your message “${excerpt(plainText(event.body), EXCERPT)}”` };
    case 'edit':
      return { person: event.author, subject: `your edit “${excerpt(plainText(event.body), EXCERPT)}”` };
    case 'delete':
      return event.actor && { person: event.actor, subject: 'your taking back a message' };
    case 'reaction': {
      const { unicode, shortcode } = event.emoji;
      return { person: event.actor, subject: `your reaction ${unicode ?? `:${shortcode}:`}` };
    }
    case 'command':
    case 'action':
    case 'conversation':
      return { person: event.actor, subject: 'what you asked for' };
    case 'membership':
    case 'channel':
    case 'profile':
      return undefined;
  }
}

const EXCERPT = 40;

/** An operation that waits to be made. */
export function newDelivery(
  place: Pick<DeliveryEntity, 'mappingId' | 'subject' | 'position' | 'part'>,
  operation: Operation,
  now: number,
): DeliveryEntity {
  return {
    ...place,
    id: randomUUID(),
    kind: operation.kind,
    payload: payloadOf(operation),
    state: 'intent',
    attempts: 0,
    nextAttemptAt: 0,
    reason: null,
    nativeId: null,
    createdAt: now,
  };
}
