import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FAILPOINTS } from '../../src/persistence/failpoint.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const scripts = (build: string): Map<string, string> =>
  new Map(
    readdirSync(join(ROOT, build, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.js'))
      .map((path) => [path, readFileSync(join(ROOT, build, 'src', path), 'utf8')]),
  );

describe('the build', () => {
  it('holds no failpoint', () => {
    const build = scripts('dist');
    expect(build.size).toBeGreaterThan(100);
    expect([...build].filter(([, text]) => text.toLowerCase().includes('failpoint')).map(([path]) => path)).toEqual([]);
    expect(existsSync(join(ROOT, 'dist/src/persistence/failpoint.js'))).toBe(false);
  });

  it('for the fault suite holds every failpoint, once', () => {
    const calls = [...scripts('dist-faults').values()].flatMap((text) => [...text.matchAll(/failpoint\('([^']+)'\)/g)]);
    expect(calls.map(([, name]) => name).sort()).toEqual([...FAILPOINTS].sort());
  });
});
