import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { In, LessThan } from 'typeorm';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import {
  DestinationRoomEntity,
  LpduOutEntity,
  RoomEntity,
  TransactionOutEntity,
} from '../../persistence/entities/index.js';
import {
  type EventId,
  type JsonValue,
  MAX_PDUS_PER_TRANSACTION,
  type RoomId,
  type ServerName,
} from '../../protocol/index.js';
import { Participant } from '../../rooms/participant.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { failedPdus } from '../failed-pdus.js';

/** What the answer to a transaction settles. */
interface Settles {
  lpdus: { lpduHash: string; referenceId: EventId }[];
  /** Position of the last event sent, by room. */
  cursors: Record<RoomId, number>;
}

const MAX_REASON = 500;
const MAX_HUB_FAILURES = 3;

/** Makes transactions from cursors and LPDUs, and settles them (LM-04 §send; one in flight per server, profile §5). */
@Injectable()
export class OutgoingTransactions {
  private readonly logger = new Logger('OutgoingTransactions');
  /** Hubs that failed over one of several LPDUs: which one is found by sending each alone. */
  private readonly oneByOne = new Set<ServerName>();
  /** Failures in a row of an LPDU that was sent alone. */
  private readonly failures = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly reader: RoomReader,
    private readonly participant: Participant,
    private readonly clock: Clock,
  ) {}

  /** The transaction in flight, else a new one of what waits for the server; undefined when nothing does. */
  async next(server: ServerName): Promise<TransactionOutEntity | undefined> {
    return this.database.transaction(async (manager) => {
      const inFlight = await manager.findOneBy(TransactionOutEntity, { server });
      if (inFlight !== null && !(await this.isOvertaken(inFlight))) return inFlight;
      if (inFlight !== null) await manager.delete(TransactionOutEntity, { server });
      const lpdus = await manager.find(LpduOutEntity, {
        where: { hubServer: server, state: 'pending' },
        order: { sequence: 'ASC' },
        take: this.oneByOne.has(server) ? 1 : MAX_PDUS_PER_TRANSACTION,
      });
      if (lpdus.length === 0) this.oneByOne.delete(server);
      const pdus = lpdus.map(({ json }) => JSON.parse(json) as JsonValue);
      const cursors: Settles['cursors'] = {};
      for (const { roomId, cursor, untilPosition } of await manager.findBy(DestinationRoomEntity, { server })) {
        const room = await manager.findOneBy(RoomEntity, { roomId });
        const until = untilPosition ?? room?.headPosition ?? -1;
        const free = this.oneByOne.has(server) && lpdus.length > 0 ? 0 : MAX_PDUS_PER_TRANSACTION - pdus.length;
        if (cursor >= until || free === 0) continue;
        const events = (await this.reader.eventsAfter(roomId, cursor, free)).filter(
          ({ position }) => position <= until,
        );
        pdus.push(...events.map(({ pdu }) => pdu));
        const last = events.at(-1);
        if (last !== undefined) cursors[roomId] = last.position;
      }
      if (pdus.length === 0) return undefined;
      const settles: Settles = {
        lpdus: lpdus.map(({ lpduHash, referenceId }) => ({ lpduHash, referenceId })),
        cursors,
      };
      const row = {
        server,
        txnId: randomUUID(),
        body: JSON.stringify({ pdus }),
        settles: JSON.stringify(settles),
        createdAt: this.clock.now(),
      };
      await manager.insert(TransactionOutEntity, row);
      return row;
    });
  }

  /** The server answered 200: cursors move, LPDUs are sent, or refused. */
  async settle(transaction: TransactionOutEntity, answer: JsonValue): Promise<void> {
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
    await this.database.transaction(async (manager) => {
      await manager.delete(TransactionOutEntity, { server, txnId: transaction.txnId });
      for (const [roomId, position] of Object.entries(cursors) as [RoomId, number][]) {
        await manager.update(
          DestinationRoomEntity,
          { server, roomId, cursor: LessThan(position) },
          { cursor: position },
        );
      }
      const sent = lpdus.map(({ lpduHash }) => lpduHash).filter((hash) => !refused.has(hash));
      if (sent.length > 0) await this.participant.noteSent(manager, sent);
      for (const [lpduHash, reason] of refused) await this.participant.noteRefused(manager, lpduHash, reason);
    });
  }

  /**
   * The hub failed with a 500, which for some is final (profile §5): one bad LPDU fails its transaction for ever. Each is then
   * sent alone, and the one that keeps failing is refused; what was appended meanwhile is not sent again.
   * Whether something else can be tried now.
   */
  async breakUp({ server, txnId, settles }: TransactionOutEntity, reason: string): Promise<boolean> {
    const { lpdus, cursors } = JSON.parse(settles) as Settles;
    const [lpdu] = lpdus;
    if (lpdu === undefined) return false;
    if (lpdus.length > 1 || Object.keys(cursors).length > 0) {
      this.oneByOne.add(server);
      await this.database.transaction((manager) => manager.delete(TransactionOutEntity, { server, txnId }));
      return true;
    }
    const failures = (this.failures.get(lpdu.lpduHash) ?? 0) + 1;
    this.failures.set(lpdu.lpduHash, failures);
    if (failures < MAX_HUB_FAILURES) return false;
    this.failures.delete(lpdu.lpduHash);
    await this.database.transaction(async (manager) => {
      await manager.delete(TransactionOutEntity, { server, txnId });
      await this.participant.noteRefused(manager, lpdu.lpduHash, reason.slice(0, MAX_REASON));
    });
    return true;
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
    const rows = await this.database.read.findBy(DestinationRoomEntity, { roomId });
    return rows.map(({ server }) => server);
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
