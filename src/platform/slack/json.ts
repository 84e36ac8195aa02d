/** What Slack sends is unknown until it is looked at: readers that give undefined, or nothing, for what is not there. */
export type Json = Record<string, unknown>;

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const json = (value: unknown): Json => (isJson(value) ? value : {});

export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isJson) : []);

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Undefined for an empty text too: Slack writes `""` for what is not there. */
export const present = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

export const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

const TIMESTAMP = /^\d{1,12}\.\d{6}$/;

/** The id of a message in its channel: seconds and microseconds. */
export const timestamp = (value: unknown): string | undefined =>
  typeof value === 'string' && TIMESTAMP.test(value) ? value : undefined;

/** ms since the epoch. */
export const timeOf = (ts: string): number => Math.floor(Number(ts) * 1_000);

export const isUserId = (id: string): boolean => /^[UW][A-Z0-9]{1,30}$/.test(id);
export const isChannelId = (id: string): boolean => /^[CDG][A-Z0-9]{1,30}$/.test(id);
