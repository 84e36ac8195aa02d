import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import { Problem } from './http.js';

/**
 * Refuses what a page of another site makes a visitor's browser send: such a page is told by its `Origin`, or, when it
 * has given its own name our address (DNS rebinding), by that name in `Host`.
 * @param hostnames our own names; an address, a name without a dot and `….localhost` can be nobody else's.
 * @throws Problem 403 `foreign_page`
 */
export function requireOwnPage({ headers }: IncomingMessage, hostnames: readonly string[]): void {
  const self = parse(`http://${headers.host ?? ''}`);
  if (!self || !isOurs(self.hostname, hostnames)) {
    throw new Problem(403, 'foreign_page', 'This chat does not go by that name; CHAT_HOSTNAMES can give it one.');
  }
  if (headers.origin === undefined) return;
  const origin = parse(headers.origin);
  // Behind a proxy, `Host` may be the proxy's name for us while the browser knows one of our own.
  if (!origin || (origin.host !== self.host && !hostnames.includes(origin.hostname))) {
    throw new Problem(403, 'foreign_page', 'Only the pages of this chat may do this.');
  }
}

function isOurs(hostname: string, hostnames: readonly string[]): boolean {
  const unmistakable = isIPv4(hostname) || !hostname.includes('.') || hostname.endsWith('.localhost');
  return unmistakable || hostnames.includes(hostname);
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
