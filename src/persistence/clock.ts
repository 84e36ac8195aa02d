/** Where time comes from, so that a test can hold it. */
export abstract class Clock {
  /** ms since the epoch */
  abstract now(): number;

  /** ms since an earlier reading; Infinity when the clock was set back since then, and nobody knows. */
  since(earlier: number): number {
    const ms = this.now() - earlier;
    return ms < 0 ? Infinity : ms;
  }
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
