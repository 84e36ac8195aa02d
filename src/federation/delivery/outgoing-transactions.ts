import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { type EntityManager, In } from 'typeorm';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import {
  DestinationRoomEntity,
  LpduOutEntity,
  RoomEntity,
  TransactionOutEntity,
} from '../../persistence/entities/index.js';
import type { Lease } from '../../persistence/leases.js';
import { execute, selectRows } from '../../persistence/statements.js';
import {
  type EventId,
  type JsonValue,
  MAX_PDUS_PER_TRANSACTION,
  type Pdu,
  type RoomId,
  type ServerName,
  eventIdOf,
} from '../../protocol/index.js';
import { Incidents } from '../../rooms/incidents.js';
import { Lpdus } from '../../rooms/lpdus.js';
import type { RemoteRefusal } from '../../rooms/remote-servers.js';
import { failedPdus } from '../failed-pdus.js';
import { FederationPolicy } from '../federation-policy.js';

/** What the answer to a transaction settles. */
interface Settles {
  lpdus: { lpduHash: string; referenceId: EventId }[];
  /** Position of the last event sent, by room. */
  cursors: Record<RoomId, number>;
}

/** A transaction, and whether it was sent before: then what became of it is not known. */
export type OutgoingTransaction = TransactionOutEntity & { repeated: boolean };

interface LpduRow {
  json: string;
  lpduHash: string;
  referenceId: EventId;
}

interface CursorRow {
  roomId: RoomId;
  cursor: number | string;
  until: number | string;
}

interface EventText {
  position: number | string;
  json: string;
}

interface InFlightRow {
  txnId: string;
  body: string;
  settles: string;
  createdAt: number | string;
}

const PENDING = `SELECT json, lpdu_hash AS "lpduHash", reference_id AS "referenceId" FROM lpdu_out
  WHERE hub_server = ? AND state = 'pending' ORDER BY sequence`;
const BEHIND = `SELECT target.room_id AS "roomId", target.cursor,
    COALESCE(target.until_position, room.head_position) AS until
  FROM destination_room target JOIN room ON room.room_id = target.room_id
  WHERE target.server = ? AND target.cursor < COALESCE(target.until_position, room.head_position)`;
const TEXTS = `SELECT position, json FROM event
  WHERE room_id = ? AND position > ? AND position <= ? AND NOT snapshot ORDER BY position LIMIT ?`;
const IN_FLIGHT = `SELECT txn_id AS "txnId", body, settles, created_at AS "createdAt"
  FROM transaction_out WHERE server = ?`;
const KEEP = 'INSERT INTO transaction_out (server, txn_id, body, settles, created_at) VALUES (?, ?, ?, ?, ?)';
const ANSWERED = 'DELETE FROM transaction_out WHERE server = ? AND txn_id = ?';
const MOVE_CURSOR = 'UPDATE destination_room SET cursor = ? WHERE server = ? AND room_id = ? AND cursor < ?';
const FOLLOWING = 'SELECT server FROM destination_room WHERE room_id = ?';
const MAX_REASON = 500;
/** After so many failures over one event alone it may be given up (docs/adr/0003). */
const MAX_HUB_FAILURES = 3;
const MAX_PARTICIPANT_FAILURES = 4;

/** Makes transactions from cursors and LPDUs, and settles them (LM-04 §send; one in flight per server, profile §5). */
@Injectable()
export class OutgoingTransactions {
  private readonly logger = new Logger('OutgoingTransactions');
  /** Servers that failed over several events: how many they are sent at once, until nothing waits for them any more. */
  private readonly most = new Map<ServerName, number>();
  /** Failures in a row of a transaction with one event alone, and how many such were given up since the server took one. */
  private readonly alone = new Map<ServerName, { txnId: string; failures: number; givenUp: number }>();

  constructor(
    private readonly database: Database,
    private readonly lpdus: Lpdus,
    private readonly incidents: Incidents,
    private readonly policy: FederationPolicy,
    private readonly clock: Clock,
  ) {}

  /**
   * The transaction in flight, else a new one of what waits for the server; undefined when nothing does. One that brings the log
   * alone need not outlive the machine (docs/adr/0010); one with LPDUs must, because some hubs append twice what comes twice.
   */
  async next(server: ServerName, lease: Lease): Promise<OutgoingTransaction | undefined> {
    const pending = (await selectRows(this.database.read, `${PENDING} LIMIT 1`, [server])).length > 0;
    return lease.transaction(
      async (manager) => {
        const inFlight = await this.inFlight(manager, server);
        if (inFlight !== undefined && !(await this.isOvertaken(inFlight)))
          return Object.assign(inFlight, { repeated: true });
        if (inFlight !== undefined) await manager.delete(TransactionOutEntity, { server });
        const made = await this.make(manager, server, pending);
        if (made === undefined) this.most.delete(server);
        return made && Object.assign(made, { repeated: false });
      },
      pending ? 'synced' : 'relaxed',
    );
  }

  private async make(
    manager: EntityManager,
    server: ServerName,
    pending: boolean,
  ): Promise<TransactionOutEntity | undefined> {
    const most = this.most.get(server) ?? MAX_PDUS_PER_TRANSACTION;
    const lpdus = pending ? await selectRows<LpduRow>(manager, `${PENDING} LIMIT ?`, [server, most]) : [];
    const texts = lpdus.map(({ json }) => json);
    const cursors: Settles['cursors'] = {};
    for (const { roomId, cursor, until } of await selectRows<CursorRow>(manager, BEHIND, [server])) {
      if (texts.length === most) break;
      if (!(await this.policy.admits(roomId, server))) continue;
      const range = [roomId, Number(cursor), Number(until), most - texts.length];
      const events = await selectRows<EventText>(manager, TEXTS, range);
      texts.push(...events.map(({ json }) => json));
      const last = events.at(-1);
      if (last !== undefined) cursors[roomId] = Number(last.position);
    }
    if (texts.length === 0) return undefined;
    const settles: Settles = {
      lpdus: lpdus.map(({ lpduHash, referenceId }) => ({ lpduHash, referenceId })),
      cursors,
    };
    const row = {
      server,
      txnId: randomUUID(),
      body: `{"pdus":[${texts.join(',')}]}`,
      settles: JSON.stringify(settles),
      createdAt: this.clock.now(),
    };
    await execute(manager, KEEP, [row.server, row.txnId, row.body, row.settles, row.createdAt]);
    return row;
  }

  private async inFlight(manager: EntityManager, server: ServerName): Promise<TransactionOutEntity | undefined> {
    const [row] = await selectRows<InFlightRow>(manager, IN_FLIGHT, [server]);
    if (row === undefined) return undefined;
    const { txnId, body, settles, createdAt } = row;
    return { server, txnId, body, settles, createdAt: Number(createdAt) };
  }

  /** The server answered 200: cursors move, LPDUs are sent, or refused. */
  async settle(transaction: TransactionOutEntity, answer: JsonValue, lease: Lease): Promise<void> {
    const { server } = transaction;
    const { lpdus, cursors } = JSON.parse(transaction.settles) as Settles;
    const failed = failedPdus(answer);
    const refused = new Map(
      lpdus.flatMap(({ lpduHash, referenceId }) => {
        const reason = failed.get(referenceId);
        return reason === undefined ? [] : [[lpduHash, reason] as const];
      }),
    );
    if (failed.size > refused.size) {
      this.logger.warn({ server, txnId: transaction.txnId, failed: [...failed.keys()] }, 'the server refused events');
    }
    this.alone.delete(server);
    // A participant knows again what it has: it can be tried with more at once.
    const most = this.most.get(server);
    if (most !== undefined && lpdus.length === 0) this.most.set(server, Math.min(2 * most, MAX_PDUS_PER_TRANSACTION));
    await lease.transaction(
      async (manager) => {
        await execute(manager, ANSWERED, [server, transaction.txnId]);
        await this.moveCursors(manager, server, cursors);
        const sent = lpdus.map(({ lpduHash }) => lpduHash).filter((hash) => !refused.has(hash));
        if (sent.length > 0) await this.lpdus.noteSent(manager, sent);
        for (const [lpduHash, reason] of refused) await this.lpdus.noteRefused(manager, lpduHash, reason);
      },
      lpdus.length > 0 ? 'synced' : 'relaxed',
    );
  }

  /**
   * The server failed over a transaction in a way that repeating need not mend: a 500, which for some is final (profile §5), or a
   * 413. Fewer events go at once then; what was appended meanwhile is not sent again. False: it was one event alone, or another
   * failure.
   */
  async breakUp({ server, txnId, body }: TransactionOutEntity, { status }: RemoteRefusal): Promise<boolean> {
    const { pdus } = JSON.parse(body) as { pdus: Pdu[] };
    if ((status !== 500 && status !== 413) || pdus.length < 2) return false;
    this.most.set(server, status === 413 ? Math.floor(pdus.length / 2) : 1);
    await this.forget({ server, txnId });
    return true;
  }

  /**
   * Whether one event alone has failed so often that it is to be given up, should the server take other things (docs/adr/0003).
   * Each one that was given up without another one taken makes that less likely, and more failures necessary.
   */
  isHopeless({ server, settles, txnId }: TransactionOutEntity, { status }: RemoteRefusal): boolean {
    if (status !== 500 && status !== 413) return false;
    const { lpdus } = JSON.parse(settles) as Settles;
    const { txnId: before, failures, givenUp } = this.alone.get(server) ?? { txnId: '', failures: 0, givenUp: 0 };
    const now = { txnId, failures: before === txnId ? failures + 1 : 1, givenUp };
    this.alone.set(server, now);
    const most = lpdus.length === 0 ? MAX_PARTICIPANT_FAILURES : MAX_HUB_FAILURES;
    return now.failures >= most * 2 ** givenUp;
  }

  /** The failures so far say nothing about the event: the server has an outage. */
  hope(server: ServerName): void {
    const known = this.alone.get(server);
    if (known !== undefined) this.alone.set(server, { ...known, failures: 0 });
  }

  /** Goes on without the event of a transaction: an LPDU is refused; a PDU is an incident, and the server can ask for it. */
  async giveUp(transaction: TransactionOutEntity, failure: RemoteRefusal): Promise<void> {
    const { server, settles, body } = transaction;
    const { lpdus, cursors } = JSON.parse(settles) as Settles;
    const { pdus } = JSON.parse(body) as { pdus: Pdu[] };
    const reason = failure.message.slice(0, MAX_REASON);
    await this.database.transaction(async (manager) => {
      await this.forget(transaction);
      for (const { lpduHash } of lpdus) await this.lpdus.noteRefused(manager, lpduHash, reason);
      await this.moveCursors(manager, server, cursors);
      for (const pdu of lpdus.length === 0 ? pdus : []) {
        const eventId = eventIdOf(pdu);
        await this.incidents.record({ kind: 'undelivered', server, roomId: pdu.room_id, eventId, detail: reason });
      }
    });
    this.alone.set(server, { txnId: '', failures: 0, givenUp: (this.alone.get(server)?.givenUp ?? 0) + 1 });
  }

  /** How many of the LPDUs of a transaction have not come back. */
  unconfirmed({ settles }: TransactionOutEntity): Promise<number> {
    const { lpdus } = JSON.parse(settles) as Settles;
    return this.database.read.countBy(LpduOutEntity, { lpduHash: In(lpdus.map(({ lpduHash }) => lpduHash)) });
  }

  /** Forgets a transaction; what of it has not been confirmed goes into another one. */
  async forget({ server, txnId }: Pick<TransactionOutEntity, 'server' | 'txnId'>): Promise<void> {
    await this.database.transaction((manager) => manager.delete(TransactionOutEntity, { server, txnId }));
  }

  /** Servers for which something waits. */
  async waiting(): Promise<ServerName[]> {
    const { read } = this.database;
    const rooms = await read
      .createQueryBuilder(DestinationRoomEntity, 'target')
      .innerJoin(RoomEntity, 'room', 'room.roomId = target.roomId')
      .where('target.cursor < COALESCE(target.untilPosition, room.headPosition)')
      .getMany();
    const lpdus = await read.find(LpduOutEntity, { select: { hubServer: true }, where: { state: 'pending' } });
    const inFlight = await read.find(TransactionOutEntity, { select: { server: true } });
    return [
      ...new Set([...rooms, ...inFlight].map(({ server }) => server).concat(lpdus.map(({ hubServer }) => hubServer))),
    ];
  }

  /** Servers with a cursor on a room. */
  async following(roomId: RoomId): Promise<ServerName[]> {
    const rows = await selectRows<{ server: ServerName }>(this.database.read, FOLLOWING, [roomId]);
    return rows.map(({ server }) => server);
  }

  private async moveCursors(manager: EntityManager, server: ServerName, cursors: Settles['cursors']): Promise<void> {
    for (const [roomId, position] of Object.entries(cursors) as [RoomId, number][]) {
      await execute(manager, MOVE_CURSOR, [position, server, roomId, position]);
    }
  }

  /**
   * Whether the echoes of all that a transaction holds have come, though its answer was lost: it is not sent again, because
   * some hubs would append everything twice (profile §5).
   */
  private async isOvertaken({ settles, server }: TransactionOutEntity): Promise<boolean> {
    const { lpdus, cursors } = JSON.parse(settles) as Settles;
    if (lpdus.length === 0 || Object.keys(cursors).length > 0) return false;
    const lpduHash = In(lpdus.map((lpdu) => lpdu.lpduHash));
    return !(await this.database.read.existsBy(LpduOutEntity, { lpduHash, hubServer: server }));
  }
}
