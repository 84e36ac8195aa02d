import { FirstSchema1795500000000 } from './1795500000000-first-schema.js';
import { Knocks1795900000000 } from './1795900000000-knocks.js';

export const MIGRATIONS = [FirstSchema1795500000000, Knocks1795900000000];
