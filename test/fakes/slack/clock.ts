/** The time of the fake workspace, which a test may hold and move; ms since the epoch. */
export class FakeClock {
  private held: number | undefined;
  private shift = 0;

  now(): number {
    return this.held ?? Date.now() + this.shift;
  }

  hold(at = this.now()): void {
    this.held = at;
  }

  advance(ms: number): void {
    if (this.held === undefined) this.shift += ms;
    else this.held += ms;
  }

  release(): void {
    if (this.held === undefined) return;
    this.shift = this.held - Date.now();
    this.held = undefined;
  }
}

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
