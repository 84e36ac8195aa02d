import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedPath, vectors } from './vectors.js';

const here = new URL('.', import.meta.url);
const specs = readdirSync(here)
  .filter((file) => file.endsWith('.spec.ts') && file !== 'completeness.spec.ts')
  .map((file) => readFileSync(new URL(file, here), 'utf8'))
  .join('\n');

/** Not of the protocol, or no data. */
const ELSEWHERE = ['slack', 'licences', 'README.md', 'verify.mjs', 'LICENSE'];
const inFolder = (folder: string): string[] =>
  readdirSync(sharedPath(`vectors/${folder}`)).filter((name) => !ELSEWHERE.includes(name));

describe('the conformance data', () => {
  it.each(inFolder(''))('%s is used by a test', (name) => {
    expect(specs).toContain(name.endsWith('.json') ? `'${name}'` : `vectors/${name}`);
  });

  it.each(inFolder('jcs'))('jcs/%s is used by a test', (name) => {
    expect(specs).toContain(`vectors/jcs/${name}`);
  });

  it.each(inFolder('').filter((name) => name.endsWith('.json')))('%s has cases with ids of their own', (name) => {
    const { cases } = vectors<{ cases: { id: string }[] }>(name);
    expect(cases.length).toBeGreaterThan(0);
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
  });
});
