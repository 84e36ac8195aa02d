import { Injectable, Logger } from '@nestjs/common';
import { LessThan, LessThanOrEqual } from 'typeorm';
import { Configuration } from '../config/index.js';
import { RoomMappings } from '../mapping/room-mappings.js';
import { backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { DeliveryEntity, MessageMappingEntity, RoomEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { Platforms } from '../platform/platforms.js';
import { type OutboundMessage, type Platform, PlatformError } from '../platform/port.js';
import { parseUserId } from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';
import { Rooms } from '../rooms/rooms.js';
import { newDelivery } from './notices.js';
import { outboundMessage } from './outbound-message.js';

const PAGE = 50;
const RETRY = { firstMs: 500, longestMs: 300_000 };
const FAILED_RETRY_MS = 5_000;
const MAX_REASON = 500;

/** What became of one call: made (or given up), to be repeated after some ms, or no more calls are made. */
type Attempt = 'settled' | 'halted' | { waitMs: number };

/** Where a loop carries to, and its right to do so. */
interface Target {
  mapping: RoomMappingEntity;
  platform: Platform;
  lease: Lease;
}

/** From rooms into native channels: a cursor per mapping on the room's log, one call at a time. */
@Injectable()
export class Outbound {
  private readonly logger = new Logger('Outbound');
  readonly loops: Loops<string>;

  constructor(
    leases: Leases,
    private readonly configuration: Configuration,
    private readonly database: Database,
    private readonly mappings: RoomMappings,
    private readonly platforms: Platforms,
    private readonly reader: RoomReader,
    private readonly rooms: Rooms,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<string>(
      leases,
      'outbound',
      (id, lease) => this.run(id, lease),
      (mappingId, error) => {
        this.logger.error({ mappingId, err: error }, 'carrying into the channel failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  /** Mappings for which something waits. */
  async waiting(): Promise<string[]> {
    const { read } = this.database;
    const behind = await read
      .createQueryBuilder(RoomMappingEntity, 'mapping')
      .innerJoin(RoomEntity, 'room', 'room.roomId = mapping.roomId')
      .where({ state: 'active' })
      .andWhere('mapping.carriedPosition < room.headPosition')
      .getMany();
    const intents = await read.find(DeliveryEntity, {
      select: { mappingId: true },
      where: { state: 'intent', nextAttemptAt: LessThanOrEqual(this.clock.now()) },
    });
    return [...new Set([...behind.map(({ id }) => id), ...intents.map(({ mappingId }) => mappingId)])];
  }

  private async run(mappingId: string, lease: Lease): Promise<number | undefined> {
    while (!this.loops.stopped) {
      const mapping = await this.mappings.find(mappingId);
      if (mapping?.state !== 'active') return undefined;
      const platform = this.platforms.find(mapping.platform, mapping.workspace);
      if (platform === undefined) {
        await this.mappings.setState(mapping, 'broken', 'its platform is not configured any more');
        return undefined;
      }
      const target = { mapping, platform, lease };
      const notices = await this.carryNotices(target);
      if (notices !== 'settled') return notices === 'halted' ? undefined : notices.waitMs;
      const events = await this.reader.eventsAfter(mapping.roomId, mapping.carriedPosition, PAGE);
      if (events.length === 0) return undefined;
      for (const event of events) {
        if (this.loops.stopped) return undefined;
        const attempt = await this.carry(target, event);
        if (attempt !== 'settled') return attempt === 'halted' ? undefined : attempt.waitMs;
      }
    }
    return undefined;
  }

  private async carryNotices(target: Target): Promise<Attempt> {
    const waiting = await this.database.read.find(DeliveryEntity, {
      where: { mappingId: target.mapping.id, kind: 'notice', state: 'intent' },
      order: { createdAt: 'ASC' },
      take: PAGE,
    });
    for (const delivery of waiting.filter(({ subject }) => subject.startsWith('refused:'))) {
      const attempt = await this.attempt(target, delivery);
      if (attempt !== 'settled') return attempt;
    }
    return 'settled';
  }

  private async carry(target: Target, event: StoredEvent): Promise<Attempt> {
    const message = await this.messageOf(target, event);
    if (message === undefined) {
      await target.lease.transaction((manager) => manager.update(...this.moveCursor(target, event.position)));
      return 'settled';
    }
    return this.attempt(target, await this.intent(target, event, message), event);
  }

  /** The intent is committed before the call, so that a call whose outcome is unknown is repeated under the same key. */
  private async intent(
    { mapping: { id: mappingId }, lease }: Target,
    { eventId }: StoredEvent,
    message: OutboundMessage,
  ): Promise<DeliveryEntity> {
    const key = { mappingId, subject: eventId as string, part: 0 };
    const known = await this.database.read.findOneBy(DeliveryEntity, key);
    if (known !== null) return known;
    const delivery = newDelivery(mappingId, message.kind, eventId, message, this.clock.now());
    await lease.transaction((manager) => manager.insert(DeliveryEntity, delivery));
    failpoint('outbound.intended');
    return delivery;
  }

  private async attempt(target: Target, delivery: DeliveryEntity, event?: StoredEvent): Promise<Attempt> {
    if (delivery.state !== 'intent') return this.settle(target, delivery, {}, event);
    const early = delivery.nextAttemptAt - this.clock.now();
    if (early > 0) return { waitMs: early };
    try {
      const message = JSON.parse(delivery.payload) as OutboundMessage;
      const { nativeId } = await target.platform.sendMessage(target.mapping.channelId, message, delivery.id);
      failpoint('outbound.called');
      return await this.settle(target, delivery, { state: 'done', nativeId }, event);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      return this.failed(target, delivery, error, event);
    }
  }

  private async failed(
    target: Target,
    delivery: DeliveryEntity,
    error: PlatformError,
    event: StoredEvent | undefined,
  ): Promise<Attempt> {
    if (this.loops.stopped) return 'halted';
    const reason = error.message.slice(0, MAX_REASON);
    const attempts = delivery.attempts + 1;
    const { mapping, lease } = target;
    this.logger.warn(
      { mappingId: mapping.id, deliveryId: delivery.id, code: error.code, attempts, reason },
      'not delivered',
    );
    if (error.code === 'channel_gone') {
      await lease.transaction(() => this.mappings.setState(mapping, 'broken', reason));
      return 'halted';
    }
    if (!error.retry) return this.settle(target, delivery, { state: 'dead', reason, attempts }, event);
    const waitMs = error.options.retryAfterMs ?? backoff(RETRY, attempts);
    const change = { attempts, reason, nextAttemptAt: this.clock.now() + waitMs };
    await lease.transaction((manager) => manager.update(DeliveryEntity, { id: delivery.id }, change));
    return { waitMs };
  }

  /** The result of a call, the mapping of its message and the cursor: together or not at all. */
  private async settle(
    target: Target,
    delivery: DeliveryEntity,
    change: Partial<DeliveryEntity>,
    event: StoredEvent | undefined,
  ): Promise<'settled'> {
    await target.lease.transaction(async (manager) => {
      if (change.state !== undefined) await manager.update(DeliveryEntity, { id: delivery.id }, change);
      if (event === undefined) return;
      if (change.nativeId != null) {
        await manager.upsert(
          MessageMappingEntity,
          {
            mappingId: target.mapping.id,
            nativeId: change.nativeId,
            part: 0,
            eventId: event.eventId,
            lpduHash: null,
            direction: 'out',
          },
          ['mappingId', 'nativeId', 'part'],
        );
      }
      await manager.update(...this.moveCursor(target, event.position));
    });
    failpoint('outbound.settled');
    return 'settled';
  }

  private moveCursor({ mapping }: Target, position: number) {
    const where = { id: mapping.id, carriedPosition: LessThan(position) };
    return [RoomMappingEntity, where, { carriedPosition: position }] as const;
  }

  private async messageOf({ mapping, platform }: Target, event: StoredEvent): Promise<OutboundMessage | undefined> {
    const { pdu, eventId, position, roomId, rejected } = event;
    if (rejected || pdu.sender === this.rooms.bot) return undefined;
    const native = await this.database.read.existsBy(MessageMappingEntity, {
      mappingId: mapping.id,
      eventId,
      direction: 'in',
    });
    if (native) return undefined;
    const member = pdu.type === 'm.room.member' ? parseUserId(pdu.state_key) : undefined;
    const before = member && (await this.reader.stateEventBefore(roomId, pdu.type, member, position));
    const author = await this.reader.stateEvent(roomId, 'm.room.member', pdu.sender);
    const displayName = author?.pdu.content.displayname;
    return outboundMessage(event, {
      displayName: typeof displayName === 'string' ? displayName : undefined,
      membershipBefore: typeof before?.pdu.content.membership === 'string' ? before.pdu.content.membership : undefined,
      serverName: this.configuration.serverName,
      maxTextBytes: platform.capabilities.maxTextBytes,
    });
  }
}
