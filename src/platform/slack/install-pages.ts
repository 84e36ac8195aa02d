import type { IncomingMessage, ServerResponse } from 'node:http';
import { Logger } from '@nestjs/common';
import { PlatformError } from '../port.js';
import { InstallationRefused } from './installation.js';
import type { Receiver } from './receiver.js';

const COOKIE = 'causeway_slack_state';
const MAX_COOKIE_S = 900;
const PATHS = new Set(['/slack/install', '/slack/oauth']);

/** `GET /slack/install` sends the browser to Slack; `GET /slack/oauth` takes what Slack gives. */
export class InstallPages {
  private readonly logger = new Logger('SlackInstallation');

  constructor(private readonly receivers: () => readonly Receiver[]) {}

  /** False: it is no page of these. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method !== 'GET' || !PATHS.has(pathname)) return false;
    try {
      if (pathname === '/slack/install') this.begin(query, response);
      else await this.finish(query, request, response);
    } catch (error) {
      if (!(error instanceof InstallationRefused || error instanceof PlatformError)) throw error;
      this.logger.warn({ reason: error.message }, 'an installation in Slack did not come about');
      page(response, 400, error.message);
    }
    return true;
  }

  private begin(query: URLSearchParams, response: ServerResponse): void {
    const workspace = query.get('workspace');
    const receiver = this.receivers().find(({ installation }) => installation?.workspace === workspace);
    if (receiver?.installation === undefined)
      throw new InstallationRefused('No workspace of that name is installed here.');
    const { location, nonce } = receiver.installation.begin(query);
    const cookie = `${COOKIE}=${nonce}; Path=/slack; Max-Age=${String(MAX_COOKIE_S)}; HttpOnly; Secure; SameSite=Lax`;
    response.writeHead(302, { location, 'set-cookie': cookie, 'cache-control': 'no-store', 'content-length': 0 });
    response.end();
  }

  private async finish(query: URLSearchParams, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const state = query.get('state') ?? '';
    const cookie = new RegExp(`(?:^|; )${COOKIE}=([^;]{1,100})`).exec(request.headers.cookie ?? '')?.[1];
    const receiver = this.receivers().find(({ installation }) => installation?.owns(state, cookie) === true);
    const code = query.get('code');
    if (receiver?.installation === undefined)
      throw new InstallationRefused(
        'This installation was not begun in this browser, or too long ago. Open the link again.',
      );
    if (code === null) throw new InstallationRefused('Slack did not agree: nothing was installed.');
    const team = await receiver.installation.finish(code);
    receiver.installed();
    page(response, 200, `Causeway is installed in ${team}. You may close this page.`);
  }
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function page(response: ServerResponse, status: number, sentence: string): void {
  const shown = sentence.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'",
    'x-content-type-options': 'nosniff',
  });
  response.end(`<!doctype html><html lang="en"><title>Causeway</title><p>${shown}</p></html>`);
}
