import { FirstSchema1795500000000 } from './1795500000000-first-schema.js';

export const MIGRATIONS = [FirstSchema1795500000000];
