import { Injectable, Logger } from '@nestjs/common';
import { type EntityManager, IsNull, LessThan, LessThanOrEqual } from 'typeorm';
import { Configuration } from '../config/index.js';
import { RoomMappings } from '../mapping/room-mappings.js';
import { asAsked, backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { DeliveryEntity, MessageMappingEntity, RoomEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { Platforms } from '../platform/platforms.js';
import { type OutboundMessage, type Platform, PlatformError } from '../platform/port.js';
import { type EventId, parseUserId } from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';
import { Rooms } from '../rooms/rooms.js';
import { newDelivery } from './notices.js';
import { outboundMessage } from './outbound-message.js';
import { parkedNotice } from './parked.js';

const PAGE = 50;
const RETRY = { firstMs: 500, longestMs: 300_000 };
const FAILED_RETRY_MS = 5_000;
const MAX_REASON = 500;
/** Begins the subject of the notice about a delivery that is parked. */
const PARKED = 'parked:';

/** What became of one call: made, never to be made, to be repeated after some ms, or no more calls are made. */
type Attempt = Carried | 'parked';
type Carried = 'settled' | 'halted' | { waitMs: number };

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
      const asides = await this.carryAsides(target);
      if (asides === 'halted') return undefined;
      const events = await this.reader.eventsAfter(mapping.roomId, mapping.carriedPosition, PAGE);
      if (events.length === 0) return asides === 'settled' ? undefined : asides.waitMs;
      for (const event of events) {
        if (this.loops.stopped) return undefined;
        const attempt = await this.carry(target, event);
        if (attempt !== 'settled') return attempt === 'halted' ? undefined : attempt.waitMs;
      }
    }
    return undefined;
  }

  /** What has no place in the log: notices for one person, and messages that come late. One that must wait stops nothing else. */
  private async carryAsides(target: Target): Promise<Carried> {
    const asides = await this.database.read.find(DeliveryEntity, {
      where: { mappingId: target.mapping.id, state: 'intent', position: IsNull() },
      order: { createdAt: 'ASC' },
      take: PAGE,
    });
    let outcome: Carried = 'settled';
    for (const delivery of asides) {
      if (this.loops.stopped) return 'halted';
      const attempt = await this.attempt(target, delivery);
      if (attempt === 'halted') return attempt;
      if (typeof attempt === 'object' && (outcome === 'settled' || attempt.waitMs < outcome.waitMs)) outcome = attempt;
    }
    return outcome;
  }

  private async carry(target: Target, event: StoredEvent): Promise<Carried> {
    const message = await this.messageOf(target, event);
    if (message === undefined) {
      await target.lease.transaction((manager) => this.moveCursor(manager, target, event.position));
      return 'settled';
    }
    const { position } = event;
    const delivery = await this.intent(target, { subject: event.eventId, position }, message);
    const attempt = await this.attempt(target, delivery, position);
    return attempt === 'parked' ? this.carryParked(target, delivery, position) : attempt;
  }

  /** The channel is told in the place of what it does not get; then what comes after it goes on (docs/adr/0006). */
  private async carryParked(target: Target, parked: DeliveryEntity, position: number): Promise<Carried> {
    const now = await this.database.read.findOneByOrFail(DeliveryEntity, { id: parked.id });
    const why = now.state === 'discarded' ? 'discarded' : 'refused';
    const notice = parkedNotice(JSON.parse(parked.payload) as OutboundMessage, why);
    const delivery = await this.intent(target, { subject: `${PARKED}${parked.id}`, position }, notice);
    const attempt = await this.attempt(target, delivery, position);
    if (attempt !== 'parked') return attempt;
    await target.lease.transaction((manager) => this.moveCursor(manager, target, position)); // the admin discarded the notice too
    return 'settled';
  }

  /** The intent is committed before the call, so that a call whose outcome is unknown is repeated under the same key. */
  private async intent(
    { mapping: { id: mappingId }, lease }: Target,
    { subject, position }: { subject: string; position: number },
    message: OutboundMessage,
  ): Promise<DeliveryEntity> {
    const known = await this.database.read.findOneBy(DeliveryEntity, { mappingId, subject, part: 0 });
    if (known !== null) return known;
    const delivery = newDelivery({ mappingId, subject, position }, message, this.clock.now());
    await lease.transaction((manager) => manager.insert(DeliveryEntity, delivery));
    failpoint('outbound.intended');
    return delivery;
  }

  /** `position`: to which the cursor moves when the call is made. */
  private async attempt(target: Target, delivery: DeliveryEntity, position?: number): Promise<Attempt> {
    if (delivery.state === 'dead' || delivery.state === 'discarded') return 'parked';
    if (delivery.state === 'done') return this.settle(target, delivery, undefined, position);
    const early = delivery.nextAttemptAt - this.clock.now();
    if (early > 0) return { waitMs: early };
    try {
      const message = JSON.parse(delivery.payload) as OutboundMessage;
      const call = { key: delivery.id, repeated: true };
      const { nativeId } = await target.platform.sendMessage(target.mapping.channelId, message, call);
      failpoint('outbound.called');
      return await this.settle(target, delivery, nativeId, position);
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      return this.failed(target, delivery, error);
    }
  }

  private async failed({ mapping, lease }: Target, delivery: DeliveryEntity, error: PlatformError): Promise<Attempt> {
    if (this.loops.stopped) return 'halted';
    const reason = error.message.slice(0, MAX_REASON);
    const attempts = delivery.attempts + 1;
    this.logger.warn(
      { mappingId: mapping.id, deliveryId: delivery.id, code: error.code, attempts, reason },
      'not delivered',
    );
    const note = (change: Partial<DeliveryEntity>): Promise<unknown> =>
      lease.transaction((manager) => manager.update(DeliveryEntity, { id: delivery.id, state: 'intent' }, change));
    if (error.retry) {
      const { retryAfterMs } = error.options;
      const waitMs = retryAfterMs === undefined ? backoff(RETRY, attempts) : asAsked(retryAfterMs);
      await note({ attempts, reason, nextAttemptAt: this.clock.now() + waitMs });
      return { waitMs };
    }
    const refusesAll = error.code === 'channel_gone' || delivery.subject.startsWith(PARKED);
    if (refusesAll) {
      await lease.transaction(() => this.mappings.setState(mapping, 'broken', reason));
      return 'halted';
    }
    await note({ state: 'dead', reason, attempts });
    return 'parked';
  }

  /** The result of a call, the mapping of its message and the cursor: together or not at all. */
  private async settle(
    target: Target,
    { id, kind, subject }: DeliveryEntity,
    nativeId: string | undefined,
    position: number | undefined,
  ): Promise<'settled'> {
    await target.lease.transaction(async (manager) => {
      if (nativeId !== undefined) {
        await manager.update(DeliveryEntity, { id }, { state: 'done', nativeId, reason: null });
        const message = { mappingId: target.mapping.id, nativeId, part: 0, lpduHash: null, direction: 'out' } as const;
        const eventId = kind === 'message' ? (subject as EventId) : null;
        if (eventId !== null) {
          await manager.upsert(MessageMappingEntity, { ...message, eventId }, ['mappingId', 'nativeId', 'part']);
        }
      }
      if (position !== undefined) await this.moveCursor(manager, target, position);
    });
    failpoint('outbound.settled');
    return 'settled';
  }

  private async moveCursor(manager: EntityManager, { mapping }: Target, position: number): Promise<void> {
    const where = { id: mapping.id, carriedPosition: LessThan(position) };
    await manager.update(RoomMappingEntity, where, { carriedPosition: position });
  }

  private async messageOf({ mapping, platform }: Target, event: StoredEvent): Promise<OutboundMessage | undefined> {
    const { pdu, eventId, position, roomId, rejected } = event;
    if (rejected || pdu.sender === this.rooms.bot || !(await this.rooms.admits(roomId, pdu.sender))) return undefined;
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
