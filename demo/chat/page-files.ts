import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exchange, notFound } from './http.js';

const TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

const SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: https:",
  "media-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The static page: only names that stood in the folder at start are served, so no path can lead out of it. */
export class PageFiles {
  readonly #folder = webFolder();
  readonly #names = new Set(readdirSync(this.#folder).filter((name) => TYPES.has(extname(name))));

  async handle({ request, response, path }: Exchange): Promise<void> {
    const name = path[0] === '' ? 'index.html' : (path[0] ?? '');
    if (path.length !== 1 || !this.#names.has(name)) throw notFound();
    if (request.method !== 'GET' && request.method !== 'HEAD') throw notFound();
    const content = await readFile(new URL(name, this.#folder));
    response.writeHead(200, {
      'content-type': TYPES.get(extname(name)),
      'content-length': content.length,
      'cache-control': 'no-cache',
      'content-security-policy': SECURITY_POLICY,
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    response.end(request.method === 'HEAD' ? undefined : content);
  }
}

// The page has no build step: compiled code in dist/demo/chat/ finds it where it stands in the sources.
function webFolder(): URL {
  const places = ['./web/', '../../../demo/chat/web/'].map((place) => new URL(place, import.meta.url));
  const found = places.find((place) => existsSync(new URL('index.html', place)));
  if (!found) throw new Error(`The page is missing: ${places.map((place) => fileURLToPath(place)).join(' or ')}.`);
  return found;
}
