import { existsSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { type Configuration, type DatabaseLocation } from '../config/index.js';
import { SecretEntity, SigningKeyEntity } from '../persistence/entities/index.js';
import { dataSourceOptions } from '../persistence/open-database.js';
import { unseal } from '../persistence/sealing.js';
import type { Answer } from './admin-client.js';
import { CommandFailure } from './failure.js';

/** Our keys as other servers see them. Reads alone: no key is made, no schema changed, no private half touched. */
export async function readKeys({ database, serverName }: Configuration): Promise<Answer> {
  const source = await openForReading(database);
  try {
    const rows = await source.manager
      .find(SigningKeyEntity, {
        select: { keyId: true, publicKey: true, createdAt: true, expiredAt: true },
        order: { createdAt: 'DESC' },
      })
      .catch((error: unknown) => {
        throw new CommandFailure(`The database holds no gateway: ${reason(error)}.`);
      });
    if (rows.length === 0) throw new CommandFailure('There is no key yet: the gateway makes one when it first starts.');
    return {
      server_name: serverName,
      keys: rows.map((row) => ({
        key_id: row.keyId,
        public_key: row.publicKey,
        created_at: row.createdAt,
        expired_at: row.expiredAt,
      })),
    };
  } finally {
    await source.destroy();
  }
}

/** A secret that the gateway was given while it ran; undefined: there is none. */
export async function readSecret(
  { database, signingKeySecret }: Configuration,
  name: string,
): Promise<string | undefined> {
  const source = await openForReading(database);
  try {
    const row = await source.manager.findOneBy(SecretEntity, { name });
    return row === null ? undefined : Buffer.from(unseal(row.value, signingKeySecret)).toString('utf8');
  } catch (error) {
    throw new CommandFailure(`The database does not give ${name} out: ${reason(error)}.`);
  } finally {
    await source.destroy();
  }
}

/** What the configuration comes to, without its secrets. */
export function summaryOf(configuration: Configuration): Answer {
  const { serverName, database, federationListen, federationTls, adminListen, platforms } = configuration;
  return {
    server_name: serverName,
    database: nameOf(database),
    federation_listen: `${federationListen.host}:${federationListen.port}`,
    federation_tls: federationTls !== undefined,
    admin_listen: `${adminListen.host}:${adminListen.port}`,
    platforms: platforms.map(({ kind, workspace }) => `${kind}/${workspace}`),
  };
}

async function openForReading(location: DatabaseLocation): Promise<DataSource> {
  if (location.kind === 'sqlite' && !existsSync(location.path)) {
    throw new CommandFailure(
      `There is no database at ${location.path} yet: the gateway makes it when it first starts.`,
    );
  }
  const readOnly = location.kind === 'sqlite' ? { readonly: true, enableWAL: false } : {};
  const source = new DataSource({ ...dataSourceOptions(location), ...readOnly });
  try {
    return await source.initialize();
  } catch (error) {
    throw new CommandFailure(`The database cannot be opened: ${reason(error)}.`);
  }
}

function nameOf(location: DatabaseLocation): string {
  if (location.kind === 'sqlite') return `sqlite:${location.path}`;
  const { host, pathname } = new URL(location.url);
  return `postgres://${host}${pathname}`;
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
