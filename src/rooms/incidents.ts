import { Injectable, Logger } from '@nestjs/common';
import { type EntityManager, IsNull, LessThan } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { IncidentEntity } from '../persistence/entities/index.js';
import { Sequence } from '../persistence/sequence.js';
import type { EventId, RoomId, ServerName } from '../protocol/index.js';
import { type Evidence, evidenceText } from './evidence.js';

export const INCIDENT_KINDS = [
  /** An event of ours came back otherwise than we signed it. */
  'altered',
  /** An event of one of our users that we did not sign. */
  'forged',
  /** Two answers of a server about the same place of a room's chain, or about its state, contradict each other. */
  'equivocation',
  /** An LPDU that is in the room already, appended a second time. It counts for nothing. */
  'replayed',
  /** The hub took an LPDU of ours and did not append it. */
  'omitted',
  /** A second event after the same one. */
  'fork',
  /** A PDU whose signatures do not verify: dropped. */
  'bad_signature',
  /** A PDU whose content does not match its hash: kept redacted. */
  'bad_hash',
  /** An event that the authorization rules refuse: it holds its place, and counts for nothing. */
  'forbidden',
  /** An event that only we refuse, by a rule that servers read differently: taken (profile §2). */
  'dissent',
  /** What a server sent as an event is none. */
  'malformed',
  /** The hub does not give the events before one that it sent. */
  'gap',
  /** A server failed over an event of a room of ours, again and again: it was not delivered, and is left for it to ask for. */
  'undelivered',
  /** Another key under a known key id. */
  'key_swap',
] as const;

export type IncidentKind = (typeof INCIDENT_KINDS)[number];

/** Kinds after which what a room says can not be believed to be what was said. */
export const FORGERIES: ReadonlySet<IncidentKind> = new Set(['altered', 'forged', 'equivocation']);

export interface Incident {
  kind: IncidentKind;
  server: ServerName;
  roomId: RoomId | null;
  eventId: EventId | null;
  /** What is wrong, in a sentence; no message bodies. */
  detail: string;
  evidence?: Evidence;
}

/** Called in the transaction in which an incident is recorded; `repeated`: the same event did the same before. */
export type IncidentListener = (manager: EntityManager, incident: Incident & { repeated: boolean }) => Promise<void>;

const MAX_DETAIL = 500;
/** Of each server and kind the first ones are kept, which show how it began, and as many of the newest. */
const FIRST_KEPT = 25;
const NEWEST_KEPT = 25;

/** What other servers did against the protocol, kept for the admin: bounded, so that nobody can fill our disk with it. */
@Injectable()
export class Incidents {
  private readonly logger = new Logger('Incidents');
  private readonly listeners: IncidentListener[] = [];

  constructor(
    private readonly database: Database,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  onRecord(listener: IncidentListener): void {
    this.listeners.push(listener);
  }

  async record(incident: Incident): Promise<void> {
    const { kind, server, roomId, eventId, evidence } = incident;
    const detail = incident.detail.slice(0, MAX_DETAIL);
    await this.database.transaction(async (manager) => {
      const now = this.clock.now();
      const where = { kind, server, roomId: roomId ?? IsNull(), eventId: eventId ?? IsNull() };
      const same = await manager.findOne(IncidentEntity, { where, order: { id: 'DESC' } });
      if (same === null) {
        const text = evidence === undefined ? null : evidenceText(evidence);
        const id = await this.sequence.next();
        const row = { id, kind, server, roomId, eventId, detail, evidence: text, count: 1, at: now, lastAt: now };
        await manager.insert(IncidentEntity, row);
        const isOneOfMany = await this.makeRoom(manager, server, kind);
        this.database.afterCommit(() => {
          // Nor can anybody fill our disk with log lines.
          if (isOneOfMany) return;
          this.logger.warn({ incident: id, kind, server, roomId, eventId }, 'a server broke the protocol');
        });
      } else {
        await manager.update(IncidentEntity, { id: same.id }, { count: same.count + 1, lastAt: now });
      }
      const told = { ...incident, detail, repeated: same !== null && eventId !== null };
      for (const listener of this.listeners) await listener(manager, told);
    });
  }

  newest(limit: number): Promise<IncidentEntity[]> {
    return this.list({}, limit);
  }

  /** Newest first, without evidence. `before`: an id. */
  list(
    { before, ...where }: { server?: ServerName; roomId?: RoomId; kind?: IncidentKind; before?: number },
    limit: number,
  ): Promise<IncidentEntity[]> {
    return this.database.read.find(IncidentEntity, {
      select: {
        id: true,
        kind: true,
        server: true,
        roomId: true,
        eventId: true,
        detail: true,
        count: true,
        at: true,
        lastAt: true,
      },
      where: { ...where, ...(before === undefined ? {} : { id: LessThan(before) }) },
      order: { id: 'DESC' },
      take: limit,
    });
  }

  find(id: number): Promise<IncidentEntity | null> {
    return this.database.read.findOneBy(IncidentEntity, { id });
  }

  /** Whether there were so many of the kind that one had to go. */
  private async makeRoom(manager: EntityManager, server: ServerName, kind: IncidentKind): Promise<boolean> {
    const where = { server, kind };
    if ((await manager.countBy(IncidentEntity, where)) <= FIRST_KEPT + NEWEST_KEPT) return false;
    const [middle] = await manager.find(IncidentEntity, {
      select: { id: true },
      where,
      order: { id: 'ASC' },
      skip: FIRST_KEPT,
      take: 1,
    });
    if (middle !== undefined) await manager.delete(IncidentEntity, { id: middle.id });
    return true;
  }
}
