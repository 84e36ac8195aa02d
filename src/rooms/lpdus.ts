import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type EntityManager, In, IsNull, LessThan } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { LpduOutEntity, type RoomEntity } from '../persistence/entities/index.js';
import { Sequence } from '../persistence/sequence.js';
import { Wakeups } from '../persistence/wakeups.js';
import { type Lpdu, type RoomId, type ServerName, type UserId, buildLpdu, serverOfUser } from '../protocol/index.js';
import { algorithmsOf } from './bad-hub-answer.js';
import { type NewEvent, stateNeededBy, templateOf } from './new-event.js';
import { type AppendedEvent, type Refusal, RoomLog } from './room-log.js';
import { ServerIdentity } from './server-identity.js';

/** How long an echo may take before the hub is asked for it, in ms. */
const ECHO_PATIENCE_MS = 5_000;

/** An LPDU that is committed and will be sent. */
export interface Submitted {
  lpduHash: string;
}

export type RefusalListener = (
  manager: EntityManager,
  refused: { lpduHash: string; roomId: RoomId; reason: string },
) => Promise<void>;

/** An event that no room can take. */
export class EventTooLarge extends Error {}

/** What we send to hubs (LM-04 §Linearized PDU), from its signature until its echo is in the log. */
@Injectable()
export class Lpdus implements OnModuleInit {
  private readonly refusalListeners: RefusalListener[] = [];

  constructor(
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly log: RoomLog,
    private readonly wakeups: Wakeups,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.log.onAppend((manager, events) => this.noteEchoes(manager, events));
  }

  onRefused(listener: RefusalListener): void {
    this.refusalListeners.push(listener);
  }

  /** Signs an event of one of our users. */
  sign(hub: ServerName, event: NewEvent): Lpdu {
    return buildLpdu(templateOf(event, this.clock.now()), hub, this.identity.serverName, this.identity.signingKey);
  }

  /** Signs an event and queues it for the hub; `settle` is committed with it. Rejects with EventTooLarge. */
  async submit(
    room: RoomEntity,
    event: NewEvent,
    settle?: (manager: EntityManager, submitted: Submitted) => Promise<void>,
  ): Promise<Submitted> {
    const lpdu = this.sign(room.hubServer, event);
    const algorithms = algorithmsOf(room.version);
    const whole = algorithms.parseLpdu(lpdu);
    if (!whole.ok) throw new EventTooLarge(whole.error.reason);
    const lpduHash = lpdu.hashes.lpdu.sha256;
    await this.database.transaction(async (manager) => {
      await manager.insert(LpduOutEntity, {
        lpduHash,
        roomId: room.roomId,
        hubServer: room.hubServer,
        referenceId: algorithms.eventIdOf(lpdu),
        type: event.type,
        stateKey: event.stateKey ?? null,
        sequence: await this.sequence.next(),
        state: 'pending',
        json: JSON.stringify(lpdu),
        refusal: null,
        createdAt: this.clock.now(),
      });
      await settle?.(manager, { lpduHash });
      this.wakeups.wake('destination', room.hubServer);
    });
    return { lpduHash };
  }

  /** Why the hub would refuse an event, by the state that we know; undefined when it would not. */
  async refusalOf(room: RoomEntity, event: NewEvent): Promise<Refusal | undefined> {
    const template = templateOf(event, this.clock.now());
    let refusal: Refusal | undefined;
    await this.log.append(room.roomId, {
      needs: stateNeededBy(template),
      decide: ({ headEventId, state }) => {
        const prevEvents = headEventId === null ? [] : [headEventId];
        const verdict = algorithmsOf(room.version).checkAuthRules({ ...template, prev_events: prevEvents }, { state });
        refusal = verdict.allowed ? undefined : { rule: verdict.rule, reason: verdict.reason };
        return { kind: 'refuse', refusal: { rule: 'preview', reason: 'a preview is not appended' } };
      },
    });
    return refusal;
  }

  /** Whether a membership change of a user is on its way to the hub. */
  hasPendingMembership(roomId: RoomId, userId: UserId): Promise<boolean> {
    const membership = { roomId, type: 'm.room.member', stateKey: userId, state: In(['pending', 'sent']) };
    return this.database.read.existsBy(LpduOutEntity, membership);
  }

  /** Those that the hub took: their echoes will complete them. Those that are completed already have no row any more. */
  async noteSent(manager: EntityManager, lpduHashes: readonly string[]): Promise<void> {
    const now = this.clock.now();
    const sent = { state: 'sent', sentAt: now, askAt: now + ECHO_PATIENCE_MS, asked: 0, overtakenAt: null } as const;
    const where = { lpduHash: In([...lpduHashes]), state: 'pending' } as const;
    await manager.increment(LpduOutEntity, where, 'taken', 1);
    await manager.update(LpduOutEntity, where, sent);
  }

  /** One that the hub will never append. Whoever sent it learns of it in the same transaction. */
  async noteRefused(manager: EntityManager, lpduHash: string, reason: string): Promise<void> {
    const row = await manager.findOneBy(LpduOutEntity, { lpduHash });
    if (row === null || row.state === 'refused') return;
    await manager.update(LpduOutEntity, { lpduHash }, { state: 'refused', refusal: reason });
    for (const listener of this.refusalListeners) await listener(manager, { lpduHash, roomId: row.roomId, reason });
  }

  /** One that the hub took and has lost: it is sent again. */
  async sendAgain(manager: EntityManager, { lpduHash, hubServer }: LpduOutEntity): Promise<void> {
    const change = { state: 'pending', sentAt: null, overtakenAt: null } as const;
    await manager.update(LpduOutEntity, { lpduHash, state: 'sent' }, change);
    this.wakeups.wake('destination', hubServer);
  }

  /**
   * An LPDU is delivered when its PDU is in the log (profile §5). The hub appended it after what it had taken before: what of
   * that has no echo was overtaken.
   */
  private async noteEchoes(manager: EntityManager, events: readonly AppendedEvent[]): Promise<void> {
    const ours = events.filter(({ pdu }) => serverOfUser(pdu.sender) === this.identity.serverName);
    const hashes = ours.flatMap(({ lpduHash }) => (lpduHash === null ? [] : [lpduHash]));
    if (hashes.length === 0) return;
    const completed = await manager.findBy(LpduOutEntity, { lpduHash: In(hashes) });
    if (completed.length === 0) return;
    await manager.delete(LpduOutEntity, { lpduHash: In(completed.map(({ lpduHash }) => lpduHash)) });
    const now = this.clock.now();
    for (const { roomId, state, sentAt } of completed) {
      if (state === 'refused') continue;
      // One transaction is in flight: what is still pending is of a later one than what was answered.
      const before = state === 'pending' ? now + 1 : (sentAt ?? 0);
      await manager.update(
        LpduOutEntity,
        { roomId, state: 'sent', sentAt: LessThan(before), overtakenAt: IsNull() },
        { overtakenAt: now },
      );
    }
  }
}
