import type { Server, Socket } from 'node:net';
import { isIP } from 'node:net';

/** Networks of this length are given to a single customer; whoever has one has all of its addresses. */
const IPV6_NETWORK_GROUPS = 4;

/**
 * Who a connection counts for: the address, of IPv6 the /64 network. undefined where there is no address (any more).
 */
export function sourceOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(tail === undefined ? 0 : Math.max(0, 8 - groups.length - behind.length)).fill('0');
  return `${[...groups, ...zeros, ...behind].slice(0, IPV6_NETWORK_GROUPS).join(':')}::/64`;
}

export interface ConnectionBounds {
  overall: number;
  /** undefined: behind a proxy, where all connections come from one address. */
  perSource: number | undefined;
  /** What a connection too many is told, where it can be; it is closed either way. */
  refusal: string | undefined;
}

/** Holds the number of open connections of a server within bounds, from before TLS on. Gives a way to end them all. */
export function boundConnections(server: Server, { overall, perSource, refusal }: ConnectionBounds): () => void {
  const open = new Set<Socket>();
  const bySource = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress) ?? '';
    const ofSource = (bySource.get(source) ?? 0) + 1;
    open.add(socket);
    bySource.set(source, ofSource);
    socket.once('close', () => {
      open.delete(socket);
      const left = (bySource.get(source) ?? 1) - 1;
      if (left > 0) bySource.set(source, left);
      else bySource.delete(source);
    });
    if (open.size <= overall && (perSource === undefined || ofSource <= perSource)) return;
    if (refusal === undefined) socket.destroy();
    else socket.end(refusal, () => socket.destroy());
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
}
