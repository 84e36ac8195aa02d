import { seeded } from './clock.js';

export type Fault =
  /** An answer of the edge, before anything was done. */
  | { kind: 'http'; status: 500 | 502 | 503 | 504 }
  /** The connection is reset before anything was done. */
  | { kind: 'reset' }
  /** It was done, and the connection is reset before the answer. */
  | { kind: 'lost' }
  /** It was done, and the answer is a 5xx. */
  | { kind: 'done-http'; status: 500 | 502 | 503 | 504 }
  /** `{ok: false, error}`, nothing done. */
  | { kind: 'error'; error: string }
  /** 429; `seconds` go into Retry-After. */
  | { kind: 'ratelimited'; seconds: number }
  /** Done after `ms`. */
  | { kind: 'slow'; ms: number };

interface Random {
  rate: number;
  methods: readonly string[] | undefined;
  faults: readonly Fault[];
  next: () => number;
}

/** Failures on demand, and at random from a seed. `*` is every method. */
export class Faults {
  private readonly planned = new Map<string, Fault[]>();
  private chance: Random | undefined;
  /** ms between the answer of files.completeUploadExternal and the message with the file: Slack shares later. */
  fileShareMs = 0;
  /** After that time (ms) an app may not edit or delete its message. */
  editWindowMs = Infinity;
  /** What happened, oldest first. */
  readonly happened: { method: string; fault: Fault }[] = [];

  /** The next `times` calls of a method fail so. */
  next(method: string, fault: Fault, times = 1): void {
    const plan = this.planned.get(method) ?? [];
    this.planned.set(method, [...plan, ...Array.from({ length: times }, () => fault)]);
  }

  /** From now on a call fails with this probability, in a way that the seed picks. */
  random(rate: number, seed: number, faults: readonly Fault[] = EVERY_FAULT, methods?: readonly string[]): void {
    this.chance = { rate, methods, faults, next: seeded(seed) };
  }

  clear(): void {
    this.planned.clear();
    this.chance = undefined;
    this.fileShareMs = 0;
    this.editWindowMs = Infinity;
  }

  take(method: string): Fault | undefined {
    const fault = this.planned.get(method)?.shift() ?? this.planned.get('*')?.shift() ?? this.byChance(method);
    if (fault !== undefined) this.happened.push({ method, fault });
    return fault;
  }

  private byChance(method: string): Fault | undefined {
    const { chance } = this;
    if (chance === undefined || chance.methods?.includes(method) === false) return undefined;
    if (chance.next() >= chance.rate) return undefined;
    return chance.faults[Math.floor(chance.next() * chance.faults.length)];
  }
}

export const EVERY_FAULT: readonly Fault[] = [
  { kind: 'http', status: 500 },
  { kind: 'http', status: 503 },
  { kind: 'reset' },
  { kind: 'lost' },
  { kind: 'done-http', status: 502 },
  { kind: 'error', error: 'internal_error' },
  { kind: 'ratelimited', seconds: 0 },
];
