import { describe, expect, it } from 'vitest';
import type { ServerName } from '../../protocol/index.js';
import { isPrivateAddress } from './addresses.js';
import { Discovery, type FetchWellKnown } from './discovery.js';

interface Srv {
  name: string;
  port: number;
  priority: number;
  weight: number;
}

function discovery(world: {
  peers?: Record<string, string>;
  wellKnown?: Record<string, unknown>;
  srv?: Record<string, Srv[]>;
}) {
  const asked: string[] = [];
  const fetchWellKnown: FetchWellKnown = (hostname) => {
    asked.push(hostname);
    const body = world.wellKnown?.[hostname];
    if (body === undefined) return Promise.resolve(undefined);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return Promise.resolve({ body: Buffer.from(text), maxAgeMs: undefined });
  };
  const lookUp = (name: string): Promise<Srv[]> => {
    const found = world.srv?.[name];
    return found === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(found);
  };
  const peers = new Map(Object.entries(world.peers ?? {}).map(([name, url]) => [name, new URL(url)]));
  const subject = new Discovery(peers, fetchWellKnown, lookUp);
  return { resolve: (name: string) => subject.resolve(name as ServerName), asked };
}

describe('a server name', () => {
  it('that the operator has placed is there, with the name for TLS, and trusted', async () => {
    const { resolve } = discovery({ peers: { 'a.example': 'https://10.0.0.7:9000' } });
    expect(await resolve('a.example')).toEqual({
      origin: 'https://10.0.0.7:9000',
      tlsName: 'a.example',
      hostHeader: 'a.example',
      trusted: true,
    });
  });

  it('with a port is at that port, and nobody is asked', async () => {
    const { resolve, asked } = discovery({});
    expect(await resolve('a.example:1234')).toMatchObject({
      origin: 'https://a.example:1234',
      tlsName: 'a.example',
      hostHeader: 'a.example:1234',
      trusted: false,
    });
    expect(asked).toEqual([]);
  });

  it('that delegates to a name with a port is there', async () => {
    const { resolve } = discovery({ wellKnown: { 'a.example': { 'm.server': 'b.example:443' } } });
    expect(await resolve('a.example')).toMatchObject({
      origin: 'https://b.example:443',
      tlsName: 'b.example',
      hostHeader: 'b.example:443',
    });
  });

  it('that delegates to a name without a port is where SRV of that name says, under that name', async () => {
    const { resolve } = discovery({
      wellKnown: { 'a.example': { 'm.server': 'b.example' } },
      srv: {
        '_matrix._tcp.b.example': [
          { name: 'second.example', port: 2, priority: 20, weight: 0 },
          { name: 'first.example', port: 1, priority: 10, weight: 0 },
        ],
      },
    });
    expect(await resolve('a.example')).toMatchObject({
      origin: 'https://first.example:1',
      tlsName: 'b.example',
      hostHeader: 'b.example',
    });
  });

  it('without delegation is where its own SRV says, else at 8448', async () => {
    const srv = { '_matrix._tcp.a.example': [{ name: 'host.example', port: 7, priority: 1, weight: 1 }] };
    expect(await discovery({ srv }).resolve('a.example')).toMatchObject({
      origin: 'https://host.example:7',
      tlsName: 'a.example',
    });
    expect(await discovery({}).resolve('a.example')).toMatchObject({ origin: 'https://a.example:8448' });
  });

  it.each(['not json', '[]', { 'm.server': '10.0.0.1:80' }, { 'm.server': 'http://evil' }])(
    'whose delegation is %j is taken as one without',
    async (body) => {
      const { resolve } = discovery({ wellKnown: { 'a.example': body } });
      expect(await resolve('a.example')).toMatchObject({ origin: 'https://a.example:8448' });
    },
  );

  it('is looked up once while the answer is good', async () => {
    const { resolve, asked } = discovery({ wellKnown: { 'a.example': { 'm.server': 'b.example:1' } } });
    await resolve('a.example');
    await resolve('a.example');
    expect(asked).toEqual(['a.example']);
  });
});

describe('an address', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '::1',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::',
  ])('%s is private', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34'])('%s is public', (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});
