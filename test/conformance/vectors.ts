import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SHARED = process.env.CAUSEWAY_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));

/** Path of a file under shared/; throws when shared/ is not there, so that no suite passes for want of data. */
export function sharedPath(name: string): string {
  const path = `${SHARED}/${name}`;
  if (!existsSync(path))
    throw new Error(`${path} is missing: check out shared/ beside the project, or set CAUSEWAY_SHARED`);
  return path;
}

export const sharedText = (name: string): string => readFileSync(sharedPath(name), 'utf8');

/** A vector file. Its shape is asserted by shared/vectors/verify.mjs. */
export const vectors = <T>(name: string): T => JSON.parse(sharedText(`vectors/${name}`)) as T;

export interface Cases<T> {
  cases: (T & { id: string })[];
}
