import type { SrvRecord } from 'node:dns';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Discovery } from '../../src/federation/client/discovery.js';
import { parseServerName } from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

interface Case {
  id: string;
  server_name: string;
  well_known: { status?: number; body?: string; error?: string } | null;
  srv: Record<string, { target: string; port: number; priority: number; weight: number }[]>;
  expect:
    | { refuse: true }
    | { refuse: false; connect_host: string; connect_port: number; host_header: string; tls_name: string };
  strict: boolean;
}

const { cases, checklist } = vectors<Cases<Case> & { checklist: { id: string; expect: string }[] }>('discovery.json');

describe('discovery (vectors/discovery.json)', () => {
  // proves LM-04/resolve-domain/1; LM-04/server-names/2
  it.each(cases)('$id', async ({ server_name: name, well_known: wellKnown, srv, expect: expected, strict }) => {
    const server = parseServerName(name);
    if (expected.refuse) {
      expect(server).toBeUndefined();
      return;
    }
    if (server === undefined) throw new Error(`${name} is a server name`);
    const asked: string[] = [];
    const discovery = new Discovery(new Map(), {
      fetchWellKnown: (hostname) => {
        asked.push(hostname);
        if (wellKnown?.error !== undefined) return Promise.reject(new Error(wellKnown.error));
        const { status, body = '' } = wellKnown ?? {};
        return Promise.resolve(status === 200 ? { body: Buffer.from(body), maxAgeMs: undefined } : undefined);
      },
      lookUpSrv: (query) => {
        const records = srv[query]?.map(({ target, ...rest }): SrvRecord => ({ name: target, ...rest }));
        if (records !== undefined) return Promise.resolve(records);
        return Promise.reject(Object.assign(new Error(query), { code: 'ENOTFOUND' }));
      },
    });
    const [target] = await discovery.resolve(server);
    expect(asked).toEqual(wellKnown === null ? [] : [server]);
    if (!strict) {
      // An address in m.server counts as none here: the name itself, at 8448.
      expect(target?.origin).toBe(`https://${name}:8448`);
      return;
    }
    expect(target).toEqual({
      origin: `https://${expected.connect_host}:${String(expected.connect_port)}`,
      tlsName: expected.tls_name,
      hostHeader: expected.host_header,
      trusted: false,
    });
  });
});

const DISCOVERY = 'src/federation/client/discovery.spec.ts';
const REACH = 'test/federation/reach.spec.ts';

/** Which test shows each item: its file, and a part of its name. */
const SHOWN: Record<string, [file: string, test: string][]> = {
  order: [
    [DISCOVERY, 'with a port is at that port, and nobody is asked'],
    [DISCOVERY, 'that delegates to a name with a port is there'],
    [DISCOVERY, 'that delegates to a name without a port is where SRV of that name says'],
    [DISCOVERY, 'without delegation is where its own SRV says, else at 8448'],
  ],
  names: [
    [DISCOVERY, 'that delegates to a name without a port is where SRV of that name says, under that name'],
    [REACH, 'goes to a server with the certificate of its name, and to no other'],
  ],
  certificate: [[REACH, 'goes to a server with the certificate of its name, and to no other']],
  'well-known-tls': [[REACH, 'with a certificate of another name is not asked for']],
  'well-known-invalid': [
    [DISCOVERY, 'whose delegation is %j is taken as one without'],
    [REACH, 'larger than 64 KiB is not read'],
  ],
  'well-known-content-type': [[REACH, 'is read whatever its type says']],
  'well-known-redirect': [[REACH, 'follows redirects, and stops when they go round in circles']],
  'well-known-once': [[DISCOVERY, 'that delegates to a name which delegates further is at the first of them']],
  'cache-ok': [
    [DISCOVERY, 'is kept for a day when its headers say nothing'],
    [DISCOVERY, 'is kept as long as its headers say, at most two days'],
  ],
  'cache-error': [[DISCOVERY, 'that is not to be had is looked for again later and later, at least every hour']],
  'srv-order': [[DISCOVERY, 'with several SRV records is at all of them: by priority, and by weight among equals']],
  'srv-dot': [[DISCOVERY, 'whose SRV target is "." offers nothing: 8448 is not tried']],
  'dns-failure': [[DISCOVERY, 'that the DNS does not answer for fails now, and is asked for again at once']],
  'private-addresses': [
    [REACH, 'does not go to a name that leads into our own network'],
    [REACH, 'does not follow a redirect to a name that leads into our own network'],
    [DISCOVERY, 'that is the number %s is not connected to as an address'],
  ],
};

describe('the checklist of discovery', () => {
  const text = (file: string): string => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

  it.each(checklist)('$id has its test: $expect', ({ id }) => {
    const shown = SHOWN[id] ?? [];
    expect(shown.length).toBeGreaterThan(0);
    for (const [file, test] of shown) expect(text(file)).toContain(test);
  });
});
