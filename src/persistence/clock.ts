/** Where time comes from, so that a test can hold it. */
export abstract class Clock {
  /** ms since the epoch */
  abstract now(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
