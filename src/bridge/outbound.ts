import { Injectable, Logger } from '@nestjs/common';
import { type EntityManager, IsNull, LessThan, LessThanOrEqual } from 'typeorm';
import { RoomMappings } from '../mapping/room-mappings.js';
import { asAsked, backoff } from '../persistence/backoff.js';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { DeliveryEntity, MessageMappingEntity, RoomEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import { type Lease, Leases } from '../persistence/leases.js';
import { Loops } from '../persistence/loops.js';
import { Platforms } from '../platform/platforms.js';
import { type Call, type Platform, PlatformError } from '../platform/port.js';
import type { EventId } from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';
import { newDelivery } from './notices.js';
import { type Operation, isToldToo, operationOf } from './operations.js';
import { parkedNotice } from './parked.js';
import { type Plan, Plans } from './plans.js';
import { type ReactionChange, Reactions } from './reactions.js';

const PAGE = 50;
const RETRY = { firstMs: 500, longestMs: 300_000 };
const FAILED_RETRY_MS = 5_000;
/** Attempts at an edit, a delete or a reaction that the chat denies; then it is parked. */
const MOST_DENIED = 4;
/** Of a platform that has not said yet what it can. */
const UNKNOWN_RETRY_MS = 200;
const MAX_REASON = 500;
/** Begins the subject of the notice about a delivery that is parked. */
const PARKED = 'parked:';

/** What became of one call: made (`passed`: and the cursor moved), never to be made, to be repeated after some ms, or no more calls are made. */
type Attempt = Carried | 'passed' | 'parked';
type Carried = 'settled' | 'halted' | { waitMs: number };

/** A delivery whose turn it is. */
interface Due {
  delivery: DeliveryEntity;
  /** An earlier attempt may have made its call. */
  repeated: boolean;
}

/** What is behind the cursor once it has passed. */
interface Behind {
  event: StoredEvent;
  reaction: ReactionChange | undefined;
}

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
    private readonly database: Database,
    private readonly mappings: RoomMappings,
    private readonly platforms: Platforms,
    private readonly reader: RoomReader,
    private readonly plans: Plans,
    private readonly reactions: Reactions,
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
      if (!platform.ready) return UNKNOWN_RETRY_MS;
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
      const attempt = await this.attempt(target, { delivery, repeated: true });
      if (attempt === 'halted') return attempt;
      if (typeof attempt === 'object' && (outcome === 'settled' || attempt.waitMs < outcome.waitMs)) outcome = attempt;
    }
    return outcome;
  }

  private async carry(target: Target, event: StoredEvent): Promise<Carried> {
    const { mapping, platform, lease } = target;
    const plan = await this.plans.of({ mapping, platform }, event);
    const deliveries = await this.deliveriesOf(target, event, plan);
    const behind: Behind = { event, reaction: plan?.reaction };
    for (const [n, due] of deliveries.entries()) {
      if (this.loops.stopped) return 'halted';
      const last = n === deliveries.length - 1;
      const attempt = await this.attempt(target, due, last ? behind : undefined);
      if (attempt === 'passed') return 'settled';
      const carried = attempt === 'parked' ? await this.carryParked(target, due.delivery) : attempt;
      if (carried !== 'settled') return carried;
    }
    await lease.transaction((manager) => this.pass(manager, target, behind));
    return 'settled';
  }

  /** Those that an earlier attempt has written, or the intents of a new plan: committed before the first call, all together. */
  private async deliveriesOf(
    { mapping: { id: mappingId }, lease }: Target,
    { eventId, position }: StoredEvent,
    plan: Plan | undefined,
  ): Promise<Due[]> {
    const { subject = eventId, operations = [] } = plan ?? {};
    const known = await this.database.read.find(DeliveryEntity, {
      where: { mappingId, subject },
      order: { part: 'ASC' },
    });
    if (known.length > 0) return known.map((delivery) => ({ delivery, repeated: true }));
    if (operations.length === 0) return [];
    const now = this.clock.now();
    const intents = operations.map((operation, part) =>
      newDelivery({ mappingId, subject, position, part }, operation, now),
    );
    await lease.transaction((manager) => manager.insert(DeliveryEntity, intents));
    failpoint('outbound.intended');
    return intents.map((delivery) => ({ delivery, repeated: false }));
  }

  /** The channel is told in the place of what it does not get; then what comes after it goes on (docs/adr/0006). */
  private async carryParked(target: Target, parked: DeliveryEntity): Promise<Carried> {
    const { mapping, lease } = target;
    const now = await this.database.read.findOneByOrFail(DeliveryEntity, { id: parked.id });
    const where = { mappingId: mapping.id, subject: `${PARKED}${parked.id}`, part: 0 };
    const known = await this.database.read.findOneBy(DeliveryEntity, where);
    const notice = parkedNotice(operationOf(parked), now.state === 'discarded' ? 'discarded' : 'refused');
    const place = { ...where, position: parked.position };
    const delivery = known ?? newDelivery(place, { kind: 'notice', message: notice }, this.clock.now());
    if (known === null) await lease.transaction((manager) => manager.insert(DeliveryEntity, delivery));
    const attempt = await this.attempt(target, { delivery, repeated: known !== null });
    return attempt === 'parked' || attempt === 'passed' ? 'settled' : attempt; // parked: the admin discarded the notice too
  }

  /** `behind`: what is noted with the result, when nothing else is to be made for it. */
  private async attempt(target: Target, { delivery, repeated }: Due, behind?: Behind): Promise<Attempt> {
    if (delivery.state === 'dead' || delivery.state === 'discarded') return 'parked';
    if (delivery.state === 'done') return 'settled';
    const early = delivery.nextAttemptAt - this.clock.now();
    if (early > 0) return { waitMs: early };
    try {
      const operation = operationOf(delivery);
      const call = { key: delivery.id, repeated: repeated || delivery.attempts > 0 };
      const nativeId = await make(target, operation, call);
      failpoint('outbound.called');
      await this.settle(target, delivery, { operation, nativeId, behind });
      return behind === undefined ? 'settled' : 'passed';
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
    if (isToldToo(delivery) && error.code !== 'unavailable') {
      await note({ state: 'done', reason, attempts });
      return 'settled';
    }
    // A right that is missing for edits or reactions holds back no message behind them for ever.
    const isMissingRight = error.code === 'denied' && delivery.kind !== 'message' && delivery.kind !== 'notice';
    if (error.retry && !(isMissingRight && attempts >= MOST_DENIED)) {
      const { retryAfterMs } = error.options;
      const waitMs = retryAfterMs === undefined ? backoff(RETRY, attempts) : asAsked(retryAfterMs);
      await note({ attempts, reason, nextAttemptAt: this.clock.now() + waitMs });
      return { waitMs };
    }
    if (error.code === 'message_gone' && delivery.kind !== 'message') {
      await note({ state: 'done', reason, attempts }); // what it changes was taken away natively: there is nothing to show
      return 'settled';
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
    { id, part, subject }: DeliveryEntity,
    { operation, nativeId, behind }: { operation: Operation; nativeId: string | null; behind: Behind | undefined },
  ): Promise<void> {
    const mappingId = target.mapping.id;
    await target.lease.transaction(async (manager) => {
      await manager.update(DeliveryEntity, { id }, { state: 'done', nativeId, reason: null });
      if (operation.kind === 'message' && nativeId !== null) {
        const eventId = operation.of ?? (subject as EventId);
        const message = { mappingId, nativeId, part, eventId, lpduHash: null, direction: 'out' } as const;
        await manager.upsert(MessageMappingEntity, message, ['mappingId', 'nativeId', 'part']);
      }
      if (behind !== undefined) await this.pass(manager, target, behind);
    });
    failpoint('outbound.settled');
  }

  /** The cursor moves, and who reacts to what is noted with it. */
  private async pass(manager: EntityManager, { mapping: { id } }: Target, { event, reaction }: Behind): Promise<void> {
    if (reaction !== undefined) await this.reactions.note(manager, reaction);
    const { position } = event;
    await manager.update(RoomMappingEntity, { id, carriedPosition: LessThan(position) }, { carriedPosition: position });
  }
}

/** Makes a call; the native id of a new message. Rejects with PlatformError. */
async function make({ platform, mapping }: Target, operation: Operation, call: Call): Promise<string | null> {
  const { channelId } = mapping;
  const { can } = platform;
  switch (operation.kind) {
    case 'message':
    case 'notice':
      return (await platform.sendMessage(channelId, operation.message, call)).nativeId;
    case 'edit':
      if (can.edit === undefined) throw unable('edit');
      await can.edit({ channelId, nativeId: operation.nativeId }, operation.to, call);
      return null;
    case 'delete':
      if (can.delete === undefined) throw unable('delete');
      await can.delete({ channelId, nativeId: operation.nativeId }, call);
      return null;
    case 'react': {
      const { nativeId, emoji, change, author } = operation;
      if (can.react === undefined) throw unable('react');
      await can.react({ channelId, nativeId }, emoji, change, author, call);
      return null;
    }
    case 'topic':
      await can.setTopic?.(channelId, operation.topic, call);
      return null;
    case 'member':
      await can.showMember?.(channelId, operation.member, operation.change, call);
      return null;
  }
}

/** The platform could when the call was planned. */
const unable = (what: string): PlatformError =>
  new PlatformError('invalid', `the chat cannot ${what} any more`, { certainlyNotDone: true });
