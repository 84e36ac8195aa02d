import type { SrvRecord } from 'node:dns';
import { describe, expect, it } from 'vitest';
import type { ServerName } from '../../protocol/index.js';
import { isPrivateAddress } from './addresses.js';
import { Discovery } from './discovery.js';
import { lifetimeOf } from './well-known.js';

interface World {
  peers?: Record<string, string>;
  /** An Error: there is no answer. */
  wellKnown?: Record<string, unknown>;
  maxAgeMs?: number;
  srv?: Record<string, SrvRecord[]>;
  srvError?: string;
  random?: () => number;
}

function discovery(world: World) {
  const asked: string[] = [];
  let now = 0;
  const subject = new Discovery(new Map(Object.entries(world.peers ?? {}).map(([name, url]) => [name, new URL(url)])), {
    fetchWellKnown: (hostname) => {
      asked.push(hostname);
      const body = world.wellKnown?.[hostname];
      if (body === undefined) return Promise.resolve(undefined);
      if (body instanceof Error) return Promise.reject(body);
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return Promise.resolve({ body: Buffer.from(text), maxAgeMs: world.maxAgeMs });
    },
    lookUpSrv: (name) => {
      asked.push(name);
      const found = world.srv?.[name];
      if (found !== undefined) return Promise.resolve(found);
      return Promise.reject(Object.assign(new Error(name), { code: world.srvError ?? 'ENOTFOUND' }));
    },
    now: () => now,
    ...(world.random ? { random: world.random } : {}),
  });
  return {
    asked,
    all: (name: string) => subject.resolve(name as ServerName),
    resolve: async (name: string) => (await subject.resolve(name as ServerName))[0],
    later: (ms: number) => (now += ms),
  };
}

const srv = (name: string, port: number, priority = 1, weight = 0): SrvRecord => ({ name, port, priority, weight });
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

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

  // proves LM-04/resolve-domain/1
  it('that delegates to a name without a port is where SRV of that name says, under that name', async () => {
    const { resolve } = discovery({
      wellKnown: { 'a.example': { 'm.server': 'b.example' } },
      srv: {
        '_matrix._tcp.b.example': [srv('second.example', 2, 20), srv('first.example', 1, 10)],
      },
    });
    expect(await resolve('a.example')).toMatchObject({
      origin: 'https://first.example:1',
      tlsName: 'b.example',
      hostHeader: 'b.example',
    });
  });

  it('without delegation is where its own SRV says, else at 8448', async () => {
    const records = { '_matrix._tcp.a.example': [srv('host.example', 7)] };
    expect(await discovery({ srv: records }).resolve('a.example')).toMatchObject({
      origin: 'https://host.example:7',
      tlsName: 'a.example',
    });
    expect(await discovery({}).resolve('a.example')).toMatchObject({ origin: 'https://a.example:8448' });
  });

  // proves LM-04/wellknown/3
  it.each(['not json', '[]', { 'm.server': '10.0.0.1:80' }, { 'm.server': 'http://evil' }])(
    'whose delegation is %j is taken as one without',
    async (body) => {
      const { resolve } = discovery({ wellKnown: { 'a.example': body } });
      expect(await resolve('a.example')).toMatchObject({ origin: 'https://a.example:8448' });
    },
  );

  it('that delegates to a name which delegates further is at the first of them', async () => {
    const { resolve, asked } = discovery({
      wellKnown: { 'a.example': { 'm.server': 'b.example' }, 'b.example': { 'm.server': 'c.example:1' } },
    });
    expect(await resolve('a.example')).toMatchObject({ origin: 'https://b.example:8448' });
    expect(asked).toEqual(['a.example', '_matrix._tcp.b.example']);
  });

  it('with several SRV records is at all of them: by priority, and by weight among equals', async () => {
    const records = { '_matrix._tcp.a.example': [srv('c', 3, 2, 5), srv('light', 1, 1, 10), srv('heavy', 2, 1, 90)] };
    const order = async (random: () => number) =>
      (await discovery({ srv: records, random }).all('a.example')).map(({ origin }) => origin);
    expect(await order(() => 0.05)).toEqual(['https://light:1', 'https://heavy:2', 'https://c:3']);
    expect(await order(() => 0.5)).toEqual(['https://heavy:2', 'https://light:1', 'https://c:3']);
  });

  it('whose SRV target is "." offers nothing: 8448 is not tried', async () => {
    const { resolve } = discovery({ srv: { '_matrix._tcp.a.example': [srv('.', 0)] } });
    await expect(resolve('a.example')).rejects.toThrow(/offers no federation/);
  });

  it('whose SRV target is an address is not followed there', async () => {
    const { resolve } = discovery({ srv: { '_matrix._tcp.a.example': [srv('127.0.0.1', 80)] } });
    await expect(resolve('a.example')).rejects.toThrow();
  });

  it.each(['2130706433', '2130706433:8448', '1'])(
    'that is the number %s is not connected to as an address',
    async (name) => {
      await expect(discovery({}).resolve(name)).rejects.toThrow(/is an address/);
    },
  );

  it('that the DNS does not answer for fails now, and is asked for again at once', async () => {
    const world: World = { srvError: 'ESERVFAIL' };
    const { resolve } = discovery(world);
    await expect(resolve('a.example')).rejects.toThrow();
    world.srvError = 'ENODATA';
    expect(await resolve('a.example')).toMatchObject({ origin: 'https://a.example:8448' });
  });
});

describe('a delegation', () => {
  const delegated = { 'a.example': { 'm.server': 'b.example:1' } };
  const timesAsked = async (world: World, ...waits: number[]): Promise<number> => {
    const { resolve, asked, later } = discovery(world);
    await resolve('a.example');
    for (const wait of waits) {
      later(wait);
      await resolve('a.example');
    }
    return asked.filter((name) => name === 'a.example').length;
  };

  // proves LM-04/wellknown/4
  it('is kept for a day when its headers say nothing', async () => {
    expect(await timesAsked({ wellKnown: delegated }, 24 * HOUR_MS - 1)).toBe(1);
    expect(await timesAsked({ wellKnown: delegated }, 24 * HOUR_MS)).toBe(2);
  });

  // proves LM-04/wellknown/4
  it('is kept as long as its headers say, at most two days, at least a minute', async () => {
    expect(await timesAsked({ wellKnown: delegated, maxAgeMs: HOUR_MS }, HOUR_MS - 1)).toBe(1);
    expect(await timesAsked({ wellKnown: delegated, maxAgeMs: HOUR_MS }, HOUR_MS)).toBe(2);
    expect(await timesAsked({ wellKnown: delegated, maxAgeMs: 1_000 * HOUR_MS }, 48 * HOUR_MS)).toBe(2);
    expect(await timesAsked({ wellKnown: delegated, maxAgeMs: 0 }, MINUTE_MS - 1)).toBe(1);
    expect(await timesAsked({ wellKnown: delegated, maxAgeMs: 0 }, MINUTE_MS)).toBe(2);
  });

  // proves LM-04/wellknown/5
  it('that is not to be had is looked for again later and later, at least every hour', async () => {
    const none = { wellKnown: { 'a.example': new Error('refused') } };
    expect(await timesAsked(none, MINUTE_MS - 1)).toBe(1);
    expect(await timesAsked(none, MINUTE_MS)).toBe(2);
    expect(await timesAsked(none, MINUTE_MS, MINUTE_MS)).toBe(2);
    expect(await timesAsked(none, MINUTE_MS, 2 * MINUTE_MS)).toBe(3);
    expect(await timesAsked(none, ...Array.from({ length: 10 }, () => HOUR_MS))).toBe(11);
  });

  it('is looked up once for requests at the same time', async () => {
    const { resolve, asked } = discovery({ wellKnown: delegated });
    await Promise.all([resolve('a.example'), resolve('a.example'), resolve('a.example')]);
    expect(asked).toEqual(['a.example']);
  });
});

describe('the headers of an answer', () => {
  // proves LM-04/wellknown/4
  it.each([
    [{}, undefined],
    [{ 'cache-control': 'public, max-age=60' }, 60_000],
    [{ 'cache-control': 'max-age=60', age: '20' }, 40_000],
    [{ 'cache-control': 'max-age=60, no-store' }, 0],
    [{ 'cache-control': 'no-cache' }, 0],
    [{ 'cache-control': 's-maxage=60' }, undefined],
    [{ expires: 'Thu, 01 Jan 2026 01:00:00 GMT', date: 'Thu, 01 Jan 2026 00:00:00 GMT' }, HOUR_MS],
    [{ expires: '0' }, 0],
    [{ expires: 'Thu, 01 Jan 2026 01:00:00 GMT', 'cache-control': 'max-age=1' }, 1_000],
  ])('%j let it be kept for %j ms', (headers, ms) => {
    expect(lifetimeOf(headers)).toBe(ms);
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
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::',
    '::',
  ])('%s is private', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each(['93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34'])('%s is public', (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});
