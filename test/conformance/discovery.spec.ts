import type { SrvRecord } from 'node:dns';
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

const { cases } = vectors<Cases<Case>>('discovery.json');

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
