import { EventEmitter } from 'node:events';
import { Injectable } from '@nestjs/common';
import { Database } from './database.js';

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
}

/** Wakes the consumers of cursors and queues. A wake-up may be lost (a crash): every consumer also looks by itself now and then. */
@Injectable()
export class Wakeups {
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  constructor(private readonly database: Database) {}

  /** Wakes the listeners once the current transaction is committed. */
  wake<T extends keyof Topics>(topic: T, subject: Topics[T]): void {
    this.database.afterCommit(() => this.emitter.emit(topic, subject));
  }

  on<T extends keyof Topics>(topic: T, listener: (subject: Topics[T]) => void): void {
    this.emitter.on(topic, listener);
  }
}
