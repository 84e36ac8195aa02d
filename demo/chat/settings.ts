import type { ChatOptions } from './server.js';

/** A variable of the environment is missing or wrong; the message is one sentence that names it. */
export class SettingsError extends Error {}

const USERNAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const HOSTNAME = /^[a-z0-9][a-z0-9.-]*$/;
const CHANNEL_NAME = /^[\p{L}\p{N}][\p{L}\p{N}_-]{0,79}$/u;

/** Reads the `CHAT_…` variables. @throws SettingsError */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): ChatOptions {
  const required = (name: string): string => {
    const value = environment[name]?.trim();
    if (!value) throw new SettingsError(`${name} is missing.`);
    return value;
  };
  const accent = environment.CHAT_ACCENT?.trim();
  const host = environment.CHAT_HOST?.trim();
  const hostnames = environment.CHAT_HOSTNAMES?.trim();
  const port = required('CHAT_PORT');
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new SettingsError('CHAT_PORT must be a port number from 0 to 65535.');
  }
  const token = required('CHAT_TOKEN');
  if (!/^[\x21-\x7e]+$/.test(token)) throw new SettingsError('CHAT_TOKEN must be printable ASCII without spaces.');
  if (accent && !/^#[0-9a-f]{6}$/i.test(accent)) throw new SettingsError('CHAT_ACCENT must look like #2f6fde.');
  return {
    port: Number(port),
    databasePath: required('CHAT_DATABASE'),
    workspace: { id: required('CHAT_WORKSPACE_ID'), name: required('CHAT_WORKSPACE_NAME') },
    token,
    people: distinct('CHAT_PEOPLE', list('CHAT_PEOPLE', required('CHAT_PEOPLE'), person), ({ username }) => username),
    channels: distinct('CHAT_CHANNELS', list('CHAT_CHANNELS', required('CHAT_CHANNELS'), channel), (name) => name),
    ...(host && { host }),
    ...(hostnames && { hostnames: list('CHAT_HOSTNAMES', hostnames, hostname) }),
    ...(accent && { accent }),
  };
}

function list<T>(name: string, json: string, parse: (entry: unknown) => T): T[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new SettingsError(`${name} must be JSON.`);
  }
  if (!Array.isArray(value) || value.length === 0) throw new SettingsError(`${name} must be a list that is not empty.`);
  return value.map(parse);
}

function hostname(entry: unknown): string {
  if (typeof entry !== 'string' || !HOSTNAME.test(entry)) {
    throw new SettingsError('CHAT_HOSTNAMES must hold names such as chat.acme.example, in lower case.');
  }
  return entry;
}

function person(entry: unknown): { username: string; displayName: string } {
  const { username, displayName } =
    typeof entry === 'object' && entry !== null ? { username: '', displayName: '', ...entry } : {};
  if (typeof username !== 'string' || !USERNAME.test(username)) {
    throw new SettingsError('CHAT_PEOPLE needs a username of letters, digits and ._- for everybody.');
  }
  if (typeof displayName !== 'string' || displayName.trim() === '') {
    throw new SettingsError(`CHAT_PEOPLE needs a displayName for ${username}.`);
  }
  return { username, displayName: displayName.trim() };
}

function channel(entry: unknown): string {
  if (typeof entry !== 'string' || !CHANNEL_NAME.test(entry)) {
    throw new SettingsError('CHAT_CHANNELS must hold names of letters, digits and _-.');
  }
  return entry;
}

function distinct<T>(name: string, entries: T[], key: (entry: T) => string): T[] {
  const seen = new Set<string>();
  for (const entry of entries) {
    if (seen.has(key(entry))) throw new SettingsError(`${name} names ${key(entry)} twice.`);
    seen.add(key(entry));
  }
  return entries;
}
