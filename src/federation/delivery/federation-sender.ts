import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { failpoint } from '../../persistence/failpoint.js';
import { type Lease, Leases } from '../../persistence/leases.js';
import { Loops } from '../../persistence/loops.js';
import { Tasks } from '../../persistence/tasks.js';
import { Wakeups } from '../../persistence/wakeups.js';
import { type JsonValue, type RoomId, type ServerName, federationPath } from '../../protocol/index.js';
import { Echoes } from '../../rooms/echoes.js';
import { ForkChecks } from '../../rooms/fork-checks.js';
import { Gaps } from '../../rooms/gaps.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { FederationClient, type RequestBody, bodyOfText, requestBody } from '../client/federation-client.js';
import { Destinations } from './destinations.js';
import { type OutgoingTransaction, OutgoingTransactions } from './outgoing-transactions.js';

/** A wake-up may be lost; this is how long it can matter. */
const POLL_MS = 5_000;
/** A hub that works at a transaction has appended something more of it by then. */
const ASK_AGAIN_MS = 2_000;
const MAX_BODIES = 8;

/** In a row: a server that fails over every second request, whatever it is, has an outage too. */
const PROOFS = 4;
const NOTHING = { pdus: [] } satisfies JsonValue;

/** Brings rooms' logs and our LPDUs to other servers: a loop per server, one transaction at a time, in order. */
@Injectable()
export class FederationSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('FederationSender');
  private readonly loops: Loops<ServerName>;
  /** What fails here is looked for again by the poll. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for what is to be sent failed');
  });
  /** What was left of the transaction in flight when its hub was last asked. */
  private readonly asked = new Map<ServerName, { txnId: string; left: number }>();
  private poll: NodeJS.Timeout | undefined;
  private bodies: readonly RequestBody[] = [];

  constructor(
    leases: Leases,
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly transactions: OutgoingTransactions,
    private readonly gaps: Gaps,
    private readonly echoes: Echoes,
    private readonly forkChecks: ForkChecks,
    private readonly wakeups: Wakeups,
  ) {
    this.loops = new Loops<ServerName>(
      leases,
      'destination',
      (server, lease) => this.run(server, lease),
      (server, error) => {
        this.logger.error({ server, err: error }, 'sending stopped; it is tried again');
        return POLL_MS;
      },
    );
  }

  onApplicationBootstrap(): void {
    this.wakeups.on('room', (roomId) => {
      if (!this.loops.stopped) this.background.add(this.startFollowers(roomId as RoomId));
    });
    this.wakeups.on('destination', (server) => {
      this.loops.start(server as ServerName);
    });
    const lookForWork = (): void => {
      if (!this.loops.stopped) this.background.add(this.startWaiting());
    };
    this.wakeups.on('lease', lookForWork);
    this.wakeups.onMissed(lookForWork);
    this.poll = setInterval(lookForWork, POLL_MS);
    lookForWork();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.poll);
    const stopped = [this.loops.stop(), this.gaps.loops.stop(), this.echoes.loops.stop()];
    await this.client.abort();
    await Promise.all(stopped);
    await this.forkChecks.settled();
    await this.background.settled();
  }

  private async startFollowers(roomId: RoomId): Promise<void> {
    // A server that is down costs a room nothing: its backoff is not looked up for every event.
    for (const server of await this.transactions.following(roomId)) this.loops.startUnlessWaiting(server);
  }

  private async startWaiting(): Promise<void> {
    await this.destinations.refresh();
    for (const server of await this.transactions.waiting()) this.loops.start(server);
    for (const roomId of await this.gaps.waiting()) this.gaps.loops.start(roomId);
    for (const roomId of await this.echoes.overdue()) this.echoes.loops.start(roomId);
  }

  private async run(server: ServerName, lease: Lease): Promise<number | undefined> {
    let gaveUp = false;
    while (!this.loops.stopped) {
      const wait = await this.destinations.waitFor(server);
      if (wait > 0) return wait;
      const transaction = await this.transactions.next(server, lease);
      if (transaction === undefined) {
        // It answers, and nothing waits any more: what it failed over was given up.
        if (gaveUp) await this.destinations.succeeded(server);
        return undefined;
      }
      if (transaction.repeated) {
        const pause = await this.askBeforeRepeating(transaction);
        if (pause !== undefined) return pause;
      }
      this.asked.delete(server);
      const path = federationPath('send', transaction.txnId);
      failpoint('sender.committed');
      try {
        const answer = await this.client.send(server, { method: 'PUT', path, body: this.body(transaction.body) });
        failpoint('sender.answered');
        await this.transactions.settle(transaction, answer.value, lease);
        failpoint('sender.settled');
        await this.destinations.succeeded(server);
      } catch (error) {
        if (!(error instanceof RemoteRefusal || error instanceof RemoteUnavailable)) throw error;
        if (this.loops.stopped) return undefined;
        this.logger.warn({ server, reason: error.message }, 'a transaction was not taken; it will be repeated');
        if (error instanceof RemoteRefusal) {
          if (await lease.transaction(() => this.transactions.breakUp(transaction, error))) continue;
          if (this.transactions.isHopeless(transaction, error)) {
            gaveUp = await this.takesOtherThings(server);
            if (gaveUp) {
              await lease.transaction(() => this.transactions.giveUp(transaction, error));
              continue;
            }
            this.transactions.hope(server);
          }
        }
        await lease.transaction(() => this.destinations.failed(server, error));
      }
    }
    return undefined;
  }

  /** Whether a server that fails over an event takes transactions without any: else it has an outage, and no event is to blame. */
  private async takesOtherThings(server: ServerName): Promise<boolean> {
    const body = requestBody(NOTHING);
    try {
      for (let n = 0; n < PROOFS; n++) {
        await this.client.send(server, { method: 'PUT', path: federationPath('send', randomUUID()), body });
      }
      return true;
    } catch (error) {
      if (error instanceof RemoteUnavailable) return false;
      if (error instanceof RemoteRefusal) return error.status < 500 && error.status !== 429;
      throw error;
    }
  }

  /** The servers of a room mostly get the same: what is signed of it is made once. */
  private body(text: string): RequestBody {
    const known = this.bodies.find((each) => each.text === text);
    if (known !== undefined) return known;
    const made = bodyOfText(text);
    this.bodies = [made, ...this.bodies].slice(0, MAX_BODIES);
    return made;
  }

  /**
   * Some hubs append again what is sent again (profile §5): one that tells us where its log ends is asked what of a transaction it
   * has, until that does not change any more. How long to wait, in ms, before looking again; undefined to send it.
   */
  private async askBeforeRepeating(transaction: OutgoingTransaction): Promise<number | undefined> {
    const { server, txnId, body } = transaction;
    const before = this.asked.get(server);
    const rooms = new Set((JSON.parse(body) as { pdus: { room_id: RoomId }[] }).pdus.map(({ room_id: id }) => id));
    const unconfirmed = await this.transactions.unconfirmed(transaction);
    if (unconfirmed === 0) return undefined;
    const isComplete = await this.echoes.readAll(server, [...rooms]);
    const left = await this.transactions.unconfirmed(transaction);
    if (left === 0) return 0; // all of it is there: it is dropped when it is looked at next
    if (!isComplete) return undefined;
    this.asked.set(server, { txnId, left });
    if (before?.txnId !== txnId || before.left !== left) return ASK_AGAIN_MS;
    const { lpdus } = JSON.parse(transaction.settles) as { lpdus: unknown[] };
    if (left === lpdus.length) return undefined;
    await this.transactions.forget(transaction);
    return 0;
  }
}
