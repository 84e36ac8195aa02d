import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { Database } from '../persistence/database.js';
import { unavailabilityOf } from '../persistence/unavailability.js';
import { Incidents } from '../rooms/incidents.js';
import { RoomLog } from '../rooms/room-log.js';
import { Backlog } from './backlog.js';

/** Prometheus metrics of this process. */
@Injectable()
export class Metrics implements OnModuleInit {
  readonly registry = new Registry();
  readonly federationRequests = new Histogram({
    name: 'causeway_federation_request_seconds',
    help: 'Requests of other servers, by endpoint and status',
    labelNames: ['endpoint', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });
  readonly edus = new Counter({
    name: 'causeway_federation_edus_total',
    help: 'EDUs received: taken, ignored (no meaning here), foreign (not of the server that sent them), malformed',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly edusSent = new Counter({
    name: 'causeway_federation_edus_sent_total',
    help: 'EDUs sent: taken; and transactions of them that were lost',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly federationRefusals = new Counter({
    name: 'causeway_federation_refusals_total',
    help: 'Requests of other servers that were refused: denied, denied_in_room, rate_limited',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  private readonly events = new Counter({
    name: 'causeway_events_appended_total',
    help: 'Events appended to room logs',
    registers: [this.registry],
  });

  private readonly incidentsSeen = new Counter({
    name: 'causeway_incidents_total',
    help: 'What other servers did against the protocol, by kind; repetitions count',
    labelNames: ['kind'],
    registers: [this.registry],
  });

  constructor(
    private readonly database: Database,
    private readonly log: RoomLog,
    private readonly incidents: Incidents,
    private readonly backlog: Backlog,
  ) {
    const gauge: Gauge = new Gauge({
      name: 'causeway_backlog',
      help: 'What waits, by kind; also rooms, mappings and failing destinations',
      labelNames: ['kind'],
      registers: [this.registry],
      collect: async () => {
        gauge.reset();
        try {
          for (const [kind, count] of Object.entries(await this.backlog.counts())) gauge.set({ kind }, count);
        } catch (error) {
          if (unavailabilityOf(error) === undefined) throw error; // else the gauge below tells
        }
      },
    });
    const failing: Gauge = new Gauge({
      name: 'causeway_database_failing',
      help: '1 while the database cannot be used (disk full, no connection, …); /readyz tells why',
      registers: [this.registry],
      collect: () => {
        failing.set(this.database.failure === undefined ? 0 : 1);
      },
    });
    collectDefaultMetrics({ register: this.registry });
  }

  onModuleInit(): void {
    this.log.onAppend((_manager, events) => {
      this.database.afterCommit(() => {
        this.events.inc(events.length);
      });
      return Promise.resolve();
    });
    this.incidents.onRecord((_manager, { kind }) => {
      this.database.afterCommit(() => {
        this.incidentsSeen.inc({ kind });
      });
      return Promise.resolve();
    });
  }
}
