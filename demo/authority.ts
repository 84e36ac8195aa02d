import 'reflect-metadata'; // @peculiar/x509 needs it
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY_MS = 24 * 3_600_000;
const VALID_DAYS = 365;
const RENEW_DAYS = 300;
const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface Certificates {
  /** Path of the certificate of the throwaway authority. */
  ca: string;
  /** Paths of a server's certificate and key. */
  of(server: string): { cert: string; key: string };
}

/** A throwaway authority and a certificate per server, made once and renewed before they expire. */
export async function certificates(directory: string, servers: readonly string[]): Promise<Certificates> {
  const paths = {
    ca: join(directory, 'ca.pem'),
    of: (server: string) => ({ cert: join(directory, `${server}.pem`), key: join(directory, `${server}.key`) }),
  };
  const files = [paths.ca, ...servers.flatMap((server) => Object.values(paths.of(server)))];
  if (files.every(isFresh)) return paths;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  x509.cryptoProvider.set(webcrypto);
  const authority = await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify']);
  const notBefore = new Date(Date.now() - DAY_MS);
  const notAfter = new Date(Date.now() + VALID_DAYS * DAY_MS);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Causeway demo authority',
    notBefore,
    notAfter,
    keys: authority,
    signingAlgorithm: KEYS,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
  writeFileSync(paths.ca, ca.toString('pem'));
  for (const server of servers) {
    const keys = await webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${server}`,
      issuer: ca.subject,
      notBefore,
      notAfter,
      publicKey: keys.publicKey,
      signingKey: authority.privateKey,
      signingAlgorithm: KEYS,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: server }])],
    });
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
    writeFileSync(paths.of(server).cert, certificate.toString('pem'));
    writeFileSync(paths.of(server).key, x509.PemConverter.encode(key, 'PRIVATE KEY'), { mode: 0o600 });
  }
  return paths;
}

function isFresh(path: string): boolean {
  return existsSync(path) && readFileSync(path).length > 0 && Date.now() - statSync(path).mtimeMs < RENEW_DAYS * DAY_MS;
}
