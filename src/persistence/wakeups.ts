import { EventEmitter } from 'node:events';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Database } from './database.js';
import { WakeupRelay } from './wakeup-relay.js';

/** What a consumer can be woken for. The payload is a hint where to look: what is to be done stands in the database. */
interface Topics {
  /** events were appended to the room's log */
  room: string;
  /** LPDUs wait for the server, or it may be reachable again */
  destination: string;
  /** native events wait: "platform/workspace/channel" */
  inbox: string;
  /** deliveries wait for the mapping */
  delivery: string;
  /** somebody is to be told something: "platform/workspace/person" */
  person: string;
  /** somebody has a new name: the user */
  profile: string;
  /** leases were given back by a process */
  lease: string;
  /** our signing keys have changed: the new key id */
  keys: string;
  /** who may take part in a mapping's room has changed: the mapping */
  policy: string;
}

type Topic = keyof Topics;
const TOPICS: ReadonlySet<string> = new Set<Topic>([
  'room',
  'destination',
  'inbox',
  'delivery',
  'person',
  'profile',
  'lease',
  'keys',
  'policy',
]);

/**
 * Wakes the consumers of cursors and queues, in this process and (PostgreSQL) in the others. A wake-up may be lost (a crash, a
 * connection that breaks): every consumer also looks by itself now and then, and when `onMissed` tells it to.
 */
@Injectable()
export class Wakeups implements OnApplicationShutdown {
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  constructor(
    private readonly database: Database,
    private readonly relay?: WakeupRelay,
  ) {
    relay?.start({
      woken: (topic, subject) => {
        if (TOPICS.has(topic)) this.emitter.emit(topic, subject);
      },
      missed: () => {
        this.emitter.emit(MISSED);
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.relay?.stop();
  }

  /** Whether other gateway processes can see that this one lives. */
  get present(): boolean {
    return this.relay?.present ?? false;
  }

  /** Wakes the listeners once the current transaction is committed. */
  wake<T extends Topic>(topic: T, subject: Topics[T]): void {
    this.database.afterCommit(() => {
      this.emitter.emit(topic, subject);
      this.relay?.publish(topic, subject);
    });
  }

  on<T extends Topic>(topic: T, listener: (subject: Topics[T]) => void): void {
    this.emitter.on(topic, listener);
  }

  /** Wake-ups of other processes may have been lost: look at everything. */
  onMissed(listener: () => void): void {
    this.emitter.on(MISSED, listener);
  }
}

const MISSED = Symbol('missed');
