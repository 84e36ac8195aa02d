import type { ValueTransformer } from 'typeorm';

/** PostgreSQL answers bigint as text; every 64-bit number we store (positions, ms since the epoch) is a safe integer. */
const safeInteger: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (value === null || value === undefined ? null : Number(value)),
};

/** A 64-bit integer column, alike on both engines. */
export const bigint = { type: 'bigint', transformer: safeInteger } as const;

/** Server names, room, user, event and key ids: LM-04 §Events bounds them to 255 bytes. */
export const identifier = { type: 'varchar', length: 255 } as const;

/** A word of a closed list (a state, a kind). */
export const word = { type: 'varchar', length: 32 } as const;
