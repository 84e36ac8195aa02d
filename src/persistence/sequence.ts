import { Injectable } from '@nestjs/common';
import { Clock } from './clock.js';

/** Numbers that only grow, also over a restart: microseconds since the epoch, or one more than the last. */
@Injectable()
export class Sequence {
  private last = 0;

  constructor(private readonly clock: Clock) {}

  next(): number {
    this.last = Math.max(this.last + 1, this.clock.now() * 1000);
    return this.last;
  }
}
