import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { Wakeups } from '../../persistence/wakeups.js';
import { type JsonValue, type RoomId, type ServerName, federationPath } from '../../protocol/index.js';
import { Participant } from '../../rooms/participant.js';
import { RemoteRefusal, RemoteUnavailable } from '../../rooms/remote-servers.js';
import { FederationClient } from '../client/federation-client.js';
import { Destinations } from './destinations.js';
import { OutgoingTransactions } from './outgoing-transactions.js';

/** A wake-up may be lost; this is how long it can matter. */
const POLL_MS = 5_000;

/** Brings rooms' logs and our LPDUs to other servers: a loop per server, one transaction at a time, in order. */
@Injectable()
export class FederationSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('FederationSender');
  private readonly loops = new Map<ServerName, Promise<void>>();
  private readonly again = new Set<ServerName>();
  private readonly timers = new Map<ServerName, NodeJS.Timeout>();
  private poll: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly transactions: OutgoingTransactions,
    private readonly participant: Participant,
    private readonly wakeups: Wakeups,
  ) {}

  onApplicationBootstrap(): void {
    this.wakeups.on('room', (roomId) => {
      this.watch(this.startFollowers(roomId as RoomId));
    });
    this.wakeups.on('destination', (server) => {
      this.start(server as ServerName);
    });
    this.poll = setInterval(() => {
      this.watch(this.startWaiting());
    }, POLL_MS);
    this.watch(this.startWaiting());
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearInterval(this.poll);
    for (const timer of this.timers.values()) clearTimeout(timer);
    await this.client.abort();
    await Promise.all(this.loops.values());
  }

  private async startFollowers(roomId: RoomId): Promise<void> {
    for (const server of await this.transactions.following(roomId)) this.start(server);
  }

  private async startWaiting(): Promise<void> {
    for (const server of await this.transactions.waiting()) this.start(server);
    for (const roomId of await this.participant.roomsWithPending()) {
      await this.participant.applyPending(roomId).catch((error: unknown) => {
        this.logger.debug({ roomId, err: error }, 'the gap is not filled yet');
      });
    }
  }

  private start(server: ServerName): void {
    if (this.stopped) return;
    if (this.loops.has(server)) {
      this.again.add(server);
      return;
    }
    clearTimeout(this.timers.get(server));
    this.timers.delete(server);
    const loop = this.run(server)
      .catch((error: unknown) => {
        this.logger.error({ server, err: error }, 'sending stopped; it is tried again by the poll');
      })
      .finally(() => {
        this.loops.delete(server);
        if (this.again.delete(server)) this.start(server);
      });
    this.loops.set(server, loop);
  }

  private async run(server: ServerName): Promise<void> {
    while (!this.stopped) {
      const wait = await this.destinations.waitFor(server);
      if (wait > 0) {
        this.timers.set(
          server,
          setTimeout(() => {
            this.start(server);
          }, wait),
        );
        return;
      }
      const transaction = await this.transactions.next(server);
      if (transaction === undefined) return;
      const value = JSON.parse(transaction.body) as JsonValue;
      const path = federationPath('send', transaction.txnId);
      try {
        const answer = await this.client.send(server, { method: 'PUT', path, body: { text: transaction.body, value } });
        await this.transactions.settle(transaction, answer.value);
        await this.destinations.succeeded(server);
      } catch (error) {
        if (!(error instanceof RemoteRefusal || error instanceof RemoteUnavailable)) throw error;
        if (this.stopped) return;
        this.logger.warn({ server, reason: error.message }, 'a transaction was not taken; it will be repeated');
        await this.destinations.failed(server, error);
      }
    }
  }

  /** Database failures of the background are logged; the poll comes back to what was left. */
  private watch(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.logger.error({ err: error }, 'looking for what is to be sent failed');
    });
  }
}
