import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ContractApi } from './contract-api.js';
import { Ephemera } from './ephemera.js';
import { Files } from './files.js';
import { notFound, segments, sendError } from './http.js';
import { LiveUpdates } from './live-updates.js';
import { Messages } from './messages.js';
import { requireOwnPage } from './own-page.js';
import { PageApi } from './page-api.js';
import { PageFiles } from './page-files.js';
import { openDatabase } from './schema.js';
import { Store } from './store.js';
import { Wakeups } from './wakeups.js';

export interface ChatOptions {
  /** 0: any free port. */
  port: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Names with a dot under which browsers reach the page; addresses and `localhost` need no mention. Default none. */
  hostnames?: readonly string[];
  /** The SQLite file; it and its folder are made when missing. */
  databasePath: string;
  workspace: { id: string; name: string };
  /** The bearer token of the gateway. */
  token: string;
  /** The page's colour, `#rrggbb`. Default {@link DEFAULT_ACCENT}. */
  accent?: string;
  /** Added when missing; display names are taken over. */
  people: readonly { username: string; displayName: string }[];
  /** Names; added when missing. */
  channels: readonly string[];
  /** ms since the epoch. Default `Date.now`. */
  clock?: () => number;
}

export interface Chat {
  /** Without a slash at the end. The contract is at `${url}/causeway`. */
  url: string;
  port: number;
  /** Answers what is under way, then closes the file. May be called twice. */
  close(): Promise<void>;
}

export const DEFAULT_ACCENT = '#2f6fde';
const REQUEST_TIMEOUT_MS = 30_000;
// Longer than a client keeps an idle connection, so that it is the client that closes it and no call meets a closing socket.
const KEEP_ALIVE_MS = 75_000;
const CLOSE_GRACE_MS = 2_000;

/** Starts one workspace. @throws when the file or the port cannot be had. */
export async function startChat(options: ChatOptions): Promise<Chat> {
  const { workspace, host = '127.0.0.1', hostnames = [], accent = DEFAULT_ACCENT } = options;
  const wakeups = new Wakeups();
  const database = openDatabase(options.databasePath, workspace.id);
  try {
    const store = new Store(database, { now: options.clock ?? Date.now, newId: randomUUID, wakeups });
    store.seed(options.people, options.channels);
    const messages = new Messages(store);
    const files = new Files(store, `${options.databasePath}.files`);
    const ephemera = new Ephemera(wakeups);
    const live = new LiveUpdates(store, messages, ephemera, wakeups);
    const parts = { store, messages, files, ephemera, workspace };
    const contract = new ContractApi({ ...parts, wakeups, token: options.token });
    const page = new PageApi({ ...parts, live, accent });
    const pageFiles = new PageFiles();

    const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const url = new URL(`http://chat${request.url?.startsWith('/') ? request.url : '/'}`);
      const path = segments(url.pathname);
      if (!path) throw notFound();
      const exchange = { request, response, url, path: path.slice(1) };
      if (path[0] === 'causeway') return contract.handle(exchange);
      requireOwnPage(request, hostnames);
      if (path[0] === 'api') return page.handle(exchange);
      return pageFiles.handle({ ...exchange, path });
    };
    const server = createServer((request, response) => {
      handle(request, response).catch((error: unknown) => sendError(response, error));
    });
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    const port = await listen(server, options.port, host);

    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      const closed = once(server, 'close');
      server.close();
      wakeups.close();
      live.close();
      const sweep = setInterval(() => server.closeIdleConnections(), 20);
      const impatient = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      await closed;
      clearInterval(sweep);
      clearTimeout(impatient);
      store.close();
    };
    const name = host.includes(':') ? `[${host}]` : host;
    return { url: `http://${name}:${port}`, port, close: () => (closing ??= close()) };
  } catch (error) {
    database.close();
    throw error;
  }
}

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The chat has no port.');
  return address.port;
}
