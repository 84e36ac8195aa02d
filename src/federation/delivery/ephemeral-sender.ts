import { randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Configuration } from '../../config/index.js';
import { Metrics } from '../../observability/metrics.js';
import { Clock } from '../../persistence/clock.js';
import { DroppingLanes } from '../../persistence/dropping-lanes.js';
import {
  type Ephemeral,
  MAX_EDUS_PER_TRANSACTION,
  type ServerName,
  eduOf,
  federationPath,
} from '../../protocol/index.js';
import { Ephemera } from '../../rooms/ephemera.js';
import { FederationClient, requestBody } from '../client/federation-client.js';
import { Destinations } from './destinations.js';

const DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** A server that did not take something is told nothing more for so long. */
const REST = { max: 2_000, ttl: 60_000 };

/**
 * Tells other servers what is ephemeral, beside the queues of what must arrive: one transaction per server at a time, never repeated,
 * none to a server that is failing. What is not taken is lost.
 */
@Injectable()
export class EphemeralSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('EphemeralSender');
  private readonly resting = new LRUCache<string, true>(REST);
  /** By room: to whom it goes. */
  private readonly rooms = new DroppingLanes<Ephemeral>({
    batch: 1,
    carry: (_roomId, told) => this.spread(told),
    failed: (roomId, error) => {
      this.logger.error({ roomId, err: error }, 'who is to be told of typing and receipts could not be found out');
    },
  });
  private readonly servers = new DroppingLanes<Ephemeral>({
    batch: MAX_EDUS_PER_TRANSACTION,
    carry: (server, told) => this.send(server as ServerName, told),
    failed: (server, error) => {
      this.resting.set(server, true);
      this.metrics.edusSent.inc({ outcome: 'lost' });
      this.logger.debug({ server, err: error }, 'typing and receipts were not taken');
    },
  });

  constructor(
    private readonly configuration: Configuration,
    private readonly ephemera: Ephemera,
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly metrics: Metrics,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    const { shareActivity } = this.configuration;
    this.ephemera.connect({
      others: (told) => {
        if (shareActivity.has(told.type)) this.rooms.add(told.roomId, keyOf(told), told);
      },
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.rooms.stop(), this.servers.stop()]);
  }

  private async spread(events: readonly Ephemeral[]): Promise<void> {
    for (const told of events) {
      for (const server of await this.ephemera.audience(told.roomId)) {
        if (!this.resting.has(server) && !this.destinations.isFailing(server)) {
          this.servers.add(server, keyOf(told), told);
        }
      }
    }
  }

  private async send(server: ServerName, told: readonly Ephemeral[]): Promise<void> {
    const edus = told.map((each) => eduOf(each, this.clock.now()));
    await this.client.send(server, {
      method: 'PUT',
      path: federationPath('send', randomUUID()),
      body: requestBody({ pdus: [], edus }),
      maxBytes: MAX_ANSWER_BYTES,
      deadlineMs: DEADLINE_MS,
    });
    this.metrics.edusSent.inc({ outcome: 'taken' }, edus.length);
  }
}

const keyOf = ({ type, roomId, userId }: Ephemeral): string => `${type} ${roomId} ${userId}`;
