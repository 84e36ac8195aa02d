import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LINK = /\]\((?!https?:|#|mailto:)([^)\s#]+)(?:#[^)]*)?\)/g;
// A link to a spec, and the names of tests behind it: [x.spec.ts](…): “one”, “two”
const TESTS = /\]\(([^)\s]+\.spec\.ts)\):((?:,? “[^”]+(?:’[^”]+)*”)+)/g;

const pages = ['README.md', 'CONTRIBUTING.md', 'docs', 'docs/adr', 'docs/platforms'].flatMap((path) =>
  path.endsWith('.md')
    ? [path]
    : readdirSync(join(ROOT, path))
        .filter((name) => name.endsWith('.md'))
        .map((name) => `${path}/${name}`),
);

describe('a page of the documentation', () => {
  it.each(pages)('%s links to files that exist', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const links = [...text.matchAll(LINK)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([]);
  });

  // Not of conformance.md: its names are made of the tests, by a tool of its own.
  it.each(pages.filter((page) => page !== 'docs/conformance.md'))('%s names tests that exist', (page) => {
    const text = readFileSync(join(ROOT, page), 'utf8').replace(/\s+/g, ' ');
    const missing = [...text.matchAll(TESTS)].flatMap(([, link = '', names = '']) => {
      const spec = readFileSync(join(ROOT, dirname(page), link), 'utf8');
      return [...names.matchAll(/“([^”]+)”/g)].flatMap(([, name = '']) =>
        spec.includes(name) ? [] : [`${link}: ${name}`],
      );
    });
    expect(missing).toEqual([]);
  });
});
