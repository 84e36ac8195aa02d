import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { type TLSSocket, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Certificates, certificates } from '../../demo/authority.js';
import { FederationClient } from '../../src/federation/client/federation-client.js';
import type { ServerName } from '../../src/protocol/index.js';
import { type TestGateway, freePort, startGateway } from '../support/gateway.js';

const ACME = 'acme.example';
const directory = mkdtempSync(join(tmpdir(), 'causeway-tls-'));
const inForce = { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') };
const VERSION = '/_matrix/federation/v1/version';
let authorities: Certificates[];
let acme: TestGateway;
let port: number;

function install(files: { cert: string; key: string }): void {
  copyFileSync(files.cert, inForce.cert);
  copyFileSync(files.key, inForce.key);
}

const trusted = (authority: Certificates | undefined) => ({
  host: '127.0.0.1',
  port,
  servername: ACME,
  ca: readFileSync(authority?.ca ?? ''),
});

async function handshake(authority: Certificates | undefined, more: object = {}): Promise<TLSSocket> {
  const socket = connect({ ...trusted(authority), ...more });
  await once(socket, 'secureConnect');
  return socket;
}

async function status(authority: Certificates | undefined): Promise<number | undefined> {
  const outgoing = https.get({ ...trusted(authority), path: VERSION, agent: false });
  const [response] = (await once(outgoing, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}

beforeAll(async () => {
  authorities = [
    await certificates(join(directory, 'one'), [ACME]),
    await certificates(join(directory, 'two'), [ACME]),
  ];
  install(authorities[0]?.of(ACME) ?? inForce);
  acme = await startGateway(
    ACME,
    {},
    { env: { CAUSEWAY_FEDERATION_TLS_CERT: inForce.cert, CAUSEWAY_FEDERATION_TLS_KEY: inForce.key } },
  );
  port = Number(new URL(acme.url).port);
});

afterAll(async () => {
  await acme.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('the listener for other servers', () => {
  // proves LM-04/transport/1; profile/requests/6
  it('answers over HTTP/1.1 and, where the client offers it, over HTTP/2', async () => {
    expect(await status(authorities[0])).toBe(200);
    const session = http2.connect(`https://127.0.0.1:${String(port)}`, trusted(authorities[0]));
    const stream = session.request({ ':path': VERSION });
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(headers[':status']).toBe(200);
    stream.resume();
    await once(stream, 'end');
    expect(session.alpnProtocol).toBe('h2');
    session.close();
  });

  // proves LM-04/transport/1; profile/requests/6
  it('speaks TLS 1.3 and nothing older', async () => {
    const socket = await handshake(authorities[0]);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    socket.destroy();
    await expect(handshake(authorities[0], { maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert|version/i);
  });

  // proves LM-04/tls/1
  it('takes new certificates at a SIGHUP, and drops no connection', async () => {
    const before = await handshake(authorities[0], { ALPNProtocols: ['http/1.1'] });
    install(authorities[1]?.of(ACME) ?? inForce);
    process.emit('SIGHUP');
    await expect(status(authorities[0])).rejects.toThrow(/certificate/);
    expect(await status(authorities[1])).toBe(200);
    before.write(`GET ${VERSION} HTTP/1.1\r\nHost: ${ACME}\r\n\r\n`);
    const [answer] = (await once(before, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
    before.destroy();
  });

  it.each([
    ['are garbage', '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n'],
    ['are empty', ''],
  ])('keeps the certificates in force when the new ones %s', async (_what, text) => {
    install(authorities[0]?.of(ACME) ?? inForce);
    process.emit('SIGHUP');
    writeFileSync(inForce.cert, text);
    process.emit('SIGHUP');
    expect(await status(authorities[0])).toBe(200);
  });
});

describe('requests to other servers', () => {
  it('read the root certificates for no connection of their own, so that servers that are down cost little', async () => {
    const names = Array.from({ length: 5 }, (_, n) => `gone${String(n)}.example`);
    const nobody = await Promise.all(
      names.map(async (name) => [name, `https://127.0.0.1:${String(await freePort())}`]),
    );
    const gateway = await startGateway('one.example', Object.fromEntries(nobody) as Record<string, string>);
    const read = vi.spyOn(tls, 'createSecureContext'); // what each connection without a context calls
    try {
      const client = gateway.app.get(FederationClient);
      for (const name of names) {
        const request = client.send(name as ServerName, { method: 'GET', path: VERSION });
        await expect(request).rejects.toThrow(/ECONNREFUSED/);
      }
      expect(read).not.toHaveBeenCalled();
    } finally {
      read.mockRestore();
      await gateway.close();
    }
  });

  // proves LM-04/transport/1
  it('go over TLS 1.3 and nothing older', async () => {
    const { cert, key } = authorities[0]?.of(ACME) ?? inForce;
    const old = https.createServer({ cert: readFileSync(cert), key: readFileSync(key), maxVersion: 'TLSv1.2' });
    old.listen(0, '127.0.0.1');
    await once(old, 'listening');
    const url = `https://127.0.0.1:${String((old.address() as AddressInfo).port)}`;
    const env = { CAUSEWAY_FEDERATION_CA: authorities[0]?.ca ?? '' };
    const gateway = await startGateway('one.example', { [ACME]: url }, { env });
    const request = gateway.app.get(FederationClient).send(ACME as ServerName, { method: 'GET', path: VERSION });
    await expect(request).rejects.toThrow(/alert|version/i);
    await gateway.close();
    old.close();
  });
});
