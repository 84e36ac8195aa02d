import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Certificates, certificates } from '../../demo/authority.js';
import { publicConnector, publicLookup } from '../../src/federation/client/addresses.js';
import { FederationClient, requestBody } from '../../src/federation/client/federation-client.js';
import { fetchWellKnown } from '../../src/federation/client/well-known.js';
import type { ServerName } from '../../src/protocol/index.js';
import { startGateway } from '../support/gateway.js';

const directory = mkdtempSync(join(tmpdir(), 'causeway-reach-'));
let authority: Certificates;
let server: Server;
let port: number;
let requests: string[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTPS server whose certificate is good for a.example alone. */
beforeAll(async () => {
  authority = await certificates(directory, ['a.example']);
  const { cert, key } = authority.of('a.example');
  server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    requests.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

beforeEach(() => {
  requests = [];
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

/** Fetches from our server whatever the name is. */
const fetched = (hostname: string, connect: object = {}, timeoutMs = 5_000) =>
  fetchWellKnown(hostname, {
    timeoutMs,
    port,
    dispatcherFor: ({ tlsName }) =>
      new Agent({
        connect: {
          ca: readFileSync(authority.ca),
          servername: tlsName ?? '',
          lookup: (_name, options, callback) => {
            if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
            else callback(null, '127.0.0.1', 4);
          },
          ...connect,
        },
      }),
  });

const redirect =
  (location: string): typeof answer =>
  (_request, response) => {
    response.writeHead(302, { location }).end();
  };

describe('.well-known', () => {
  // proves LM-04/wellknown/2
  it('is read whatever its type says, with the life that its headers give it', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'max-age=7' });
      response.end('{"m.server":"b.example"}');
    };
    const found = await fetched('a.example');
    expect(Buffer.from(found?.body ?? []).toString()).toBe('{"m.server":"b.example"}');
    expect(found?.maxAgeMs).toBe(7_000);
    expect(requests).toEqual([`a.example:${String(port)}/.well-known/matrix/server`]);
  });

  // proves LM-04/wellknown/1
  it('follows redirects, and stops when they go round in circles', async () => {
    answer = (request, response) => {
      if (request.url === '/there') response.end('{}');
      else redirect('/there')(request, response);
    };
    expect(await fetched('a.example')).toBeDefined();
    answer = redirect('/.well-known/matrix/server');
    requests = [];
    expect(await fetched('a.example')).toBeUndefined();
    expect(requests).toHaveLength(6);
  });

  it.each([
    'http://a.example/',
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://2130706433/',
    'https://',
    'file:///etc/hosts',
  ])('does not follow a redirect to %s', async (location) => {
    answer = redirect(location);
    expect(await fetched('a.example')).toBeUndefined();
    expect(requests).toHaveLength(1);
  });

  it('does not follow a redirect to a name that leads into our own network', async () => {
    answer = redirect(`https://localhost:${String(port)}/`);
    const before = fetched('a.example', { lookup: publicLookup });
    await expect(before).rejects.toThrow(); // a.example has no public address either
    const viaLocalhost = fetchWellKnown('a.example', {
      timeoutMs: 5_000,
      port,
      dispatcherFor: ({ tlsName }) =>
        new Agent({
          connect: {
            ca: readFileSync(authority.ca),
            servername: tlsName ?? '',
            lookup:
              tlsName === 'a.example'
                ? (_name, options, callback) => {
                    if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
                    else callback(null, '127.0.0.1', 4);
                  }
                : publicLookup,
          },
        }),
    });
    await expect(viaLocalhost).rejects.toThrow(/no public address/);
    expect(requests).toHaveLength(1);
  });

  it('with a certificate of another name is not asked for', async () => {
    answer = (_request, response) => response.end('{}');
    await expect(fetched('b.example')).rejects.toThrow(/altnames/i);
    expect(requests).toEqual([]);
  });

  it('larger than 64 KiB is not read', async () => {
    answer = (_request, response) => response.end('x'.repeat(70_000));
    await expect(fetched('a.example')).rejects.toThrow(/larger/);
  });

  it('that never ends is given up', async () => {
    answer = (_request, response) => response.write('{');
    await expect(fetched('a.example', {}, 300)).rejects.toThrow();
  });
});

describe('a request of ours', () => {
  const ask = async (peers: Record<string, string>, name: string) => {
    const gateway = await startGateway('acme.example', peers, { env: { CAUSEWAY_FEDERATION_CA: authority.ca } });
    try {
      const path = '/_matrix/federation/v1/version';
      return await gateway.app.get(FederationClient).send(name as ServerName, { method: 'GET', path });
    } finally {
      await gateway.close();
    }
  };

  // proves LM-04/resolve-domain/2, 3
  it('goes to a server with the certificate of its name, and to no other', async () => {
    answer = (_request, response) => response.end('{"ok":true}');
    const url = `https://127.0.0.1:${String(port)}`;
    expect((await ask({ 'a.example': url }, 'a.example')).value).toEqual({ ok: true });
    expect(requests).toEqual(['a.example/_matrix/federation/v1/version']);
    await expect(ask({ 'b.example': url }, 'b.example')).rejects.toThrow(/not reachable: .*altnames/i);
    expect(requests).toHaveLength(1);
  });

  it('does not go to a name that leads into our own network', async () => {
    await expect(ask({}, `localhost:${String(port)}`)).rejects.toThrow(/no public address/);
    expect(requests).toEqual([]);
  });

  // proves LM-04/server-names/2
  it.each(['127.1', '2130706433', '0x7f000001', '017700000001', '0x7f.1'])(
    'does not go to %s, which looks like a name and is our own address',
    async (name) => {
      answer = (_request, response) => response.end('{}');
      await expect(ask({}, `${name}:${String(port)}`)).rejects.toThrow(/is an address/);
      expect(requests).toEqual([]);
    },
  );

  it.each(['localhost', '127.1', '[::1]', '[::ffff:127.0.0.1]'])(
    'does not go to the delegate or SRV target %s',
    async (host) => {
      const agent = new Agent({
        connect: publicConnector({ ca: readFileSync(authority.ca), servername: 'a.example' }),
      });
      await expect(request(`https://${host}:${String(port)}/`, { dispatcher: agent })).rejects.toThrow(
        /no public address|not a name/,
      );
      expect(requests).toEqual([]);
      await agent.close();
    },
  );

  // proves LM-04/transport/1
  it('reaches a server that speaks HTTP/2 alone, with a body both ways', async () => {
    const { cert, key } = authority.of('a.example');
    const modern = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) });
    modern.on('stream', (stream, headers) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'application/json' });
        stream.end(JSON.stringify({ got: text, authority: headers[':authority'], filler: 'x'.repeat(500_000) }));
      });
    });
    await new Promise<void>((resolve) => modern.listen(0, '127.0.0.1', resolve));
    const url = `https://127.0.0.1:${String((modern.address() as AddressInfo).port)}`;
    const gateway = await startGateway(
      'acme.example',
      { 'a.example': url },
      { env: { CAUSEWAY_FEDERATION_CA: authority.ca } },
    );
    const client = gateway.app.get(FederationClient);
    const ask = (n: number) => {
      return client.send('a.example' as ServerName, { method: 'PUT', path: '/x', body: requestBody({ n }) });
    };
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
    expect(answers.map(({ value }) => (value as { got: string }).got)).toEqual(
      Array.from({ length: 20 }, (_, n) => `{"n":${String(n)}}`),
    );
    expect(answers[0]?.value).toMatchObject({ authority: 'a.example' });
    await gateway.close();
    await new Promise((resolve) => modern.close(resolve));
  });

  it('gives up an answer that drips for ever, and one that is larger than asked for', async () => {
    const url = `https://127.0.0.1:${String(port)}`;
    const gateway = await startGateway(
      'acme.example',
      { 'a.example': url },
      { env: { CAUSEWAY_FEDERATION_CA: authority.ca } },
    );
    const client = gateway.app.get(FederationClient);
    const path = '/_matrix/key/v2/server';
    answer = (_request, response) => {
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => {
        clearInterval(drip);
      });
    };
    const slow = client.send('a.example' as ServerName, { method: 'GET', path, deadlineMs: 400 });
    await expect(slow).rejects.toThrow(/not reachable/);
    const endless = client.send('a.example' as ServerName, { method: 'GET', path, maxBytes: 5 });
    await expect(endless).rejects.toThrow(/larger than 5 bytes/);
    await gateway.close();
  });

  it('to a server that is not found says so', async () => {
    await expect(ask({}, 'nowhere.invalid')).rejects.toThrow(/not reachable/);
  });
});
