import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { WebClient } from '@slack/web-api';
import { type Json, isJson, json, present, text } from './json.js';
import { SCOPES } from './scopes.js';
import { sdkLogger } from './sdk-logger.js';
import { SlackRefusal, slackError } from './slack-errors.js';
import type { TokenSource } from './web-api.js';

/** Where the tokens of an installation are kept: sealed, and seen by all gateways. */
export interface SecretStore {
  read(name: string): Promise<string | undefined>;
  write(name: string, value: string): Promise<void>;
  /** One process at a time. Rejects when `signal` aborts. */
  exclusively<T>(name: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export interface InstallationOptions {
  workspace: string;
  clientId: string;
  clientSecret: string;
  store: SecretStore;
  slackApiUrl?: string;
  now?: () => number;
}

interface Tokens {
  accessToken: string;
  refreshToken: string | undefined;
  /** ms since the epoch; undefined: it does not expire. */
  expiresAt: number | undefined;
  teamId: string;
  teamName: string;
}

const TIMEOUT_MS = 20_000;
/** Slack's tokens last twelve hours. */
const RENEW_MS = 2 * 3_600_000;
const STATE_MS = 15 * 60_000;
const LINK_MS = 24 * 3_600_000;
const EXPIRED = new Set(['token_expired', 'invalid_auth', 'token_revoked', 'account_inactive']);

/** Why an installation did not come about, for the person at the browser. */
export class InstallationRefused extends Error {}

/**
 * The app in one workspace by OAuth (docs.slack.dev/authentication/installing-with-oauth), with rotation of its tokens. A link that is
 * signed with the client secret begins it; the first installation binds the entry of PLATFORMS to its workspace of Slack.
 */
export class SlackInstallation implements TokenSource {
  private readonly logger = new Logger('SlackInstallation');
  private readonly stopping = new AbortController();
  private readonly now: () => number;
  private tokens: Tokens | undefined;

  constructor(private readonly options: InstallationOptions) {
    this.now = options.now ?? (() => Date.now());
  }

  get workspace(): string {
    return this.options.workspace;
  }

  stop(): void {
    this.stopping.abort();
  }

  async token(): Promise<string | undefined> {
    this.tokens ??= await this.stored();
    const { tokens } = this;
    if (tokens?.expiresAt !== undefined && tokens.expiresAt - this.now() < RENEW_MS)
      await this.renew(tokens.accessToken);
    return this.tokens?.accessToken;
  }

  async refused(token: string, word: string): Promise<boolean> {
    if (!EXPIRED.has(word)) return false;
    this.tokens = await this.stored();
    if (this.tokens?.accessToken !== token) return this.tokens !== undefined;
    return word === 'token_expired' && (await this.renew(token));
  }

  /** Where the browser goes, with the state and the nonce that must come back. Throws InstallationRefused. */
  begin(query: URLSearchParams): { location: string; nonce: string } {
    const until = query.get('until') ?? '';
    const signed = same(query.get('key') ?? '', this.mac(`install ${this.workspace} ${until}`));
    if (!signed) throw new InstallationRefused('This link is not one that “causeway slack install” made.');
    if (!(Number(until) > this.now()))
      throw new InstallationRefused('This link is too old. “causeway slack install” makes another.');
    const nonce = randomUUID();
    const end = String(this.now() + STATE_MS);
    const state = [
      Buffer.from(this.workspace).toString('base64url'),
      nonce,
      end,
      this.mac(`state ${this.workspace} ${nonce} ${end}`),
    ].join('.');
    const location = new URL('../oauth/v2/authorize', this.options.slackApiUrl ?? 'https://slack.com/api/');
    location.search = new URLSearchParams({
      client_id: this.options.clientId,
      scope: Object.keys(SCOPES).join(),
      state,
    }).toString();
    return { location: location.href, nonce };
  }

  /** Whether a state is of this entry: it was signed here, is young, and came back in the browser that it was given to. */
  owns(state: string, cookie: string | undefined): boolean {
    const [workspace = '', nonce = '', end = '', mac = ''] = state.split('.');
    if (Buffer.from(workspace, 'base64url').toString() !== this.workspace || cookie !== nonce) return false;
    return same(mac, this.mac(`state ${this.workspace} ${nonce} ${end}`)) && Number(end) > this.now();
  }

  /** Takes the code that Slack gave. Resolves with the name of the workspace. Rejects with InstallationRefused or PlatformError. */
  async finish(code: string): Promise<string> {
    const tokens = await this.access({ code });
    const before = await this.stored();
    if (before !== undefined && before.teamId !== tokens.teamId) {
      throw new InstallationRefused(`“${this.workspace}” is another workspace of Slack: ${before.teamName}.`);
    }
    await this.keep(tokens);
    return tokens.teamName;
  }

  /** True: there is a new token. A refresh token is good once: one process uses it. */
  private async renew(old: string): Promise<boolean> {
    return this.options.store.exclusively(this.name, this.stopping.signal, async () => {
      const tokens = await this.stored();
      this.tokens = tokens;
      if (tokens === undefined) return false;
      if (tokens.accessToken !== old) return true;
      if (tokens.refreshToken === undefined) return false;
      try {
        await this.keep({
          ...tokens,
          ...(await this.access({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken })),
        });
        return true;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.warn({ workspace: this.workspace, reason }, 'the token of Slack was not renewed');
        // As long as the old one is good nothing is lost.
        if (error instanceof SlackRefusal && (tokens.expiresAt ?? 0) <= this.now()) throw expired(error);
        return false;
      }
    });
  }

  private async access(args: Json): Promise<Tokens> {
    const { clientId, clientSecret, slackApiUrl } = this.options;
    const web = new WebClient(undefined, {
      ...(slackApiUrl === undefined ? {} : { slackApiUrl }),
      logger: sdkLogger(this.logger),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      timeout: TIMEOUT_MS,
    });
    let answer: Json;
    try {
      answer = json(
        await web.apiCall('oauth.v2.access', { ...args, client_id: clientId, client_secret: clientSecret }),
      );
    } catch (error) {
      throw slackError('oauth.v2.access', error);
    }
    const accessToken = present(answer.access_token);
    const teamId = present(json(answer.team).id);
    if (accessToken === undefined || teamId === undefined) throw new InstallationRefused('Slack gave no bot token.');
    const seconds = typeof answer.expires_in === 'number' ? answer.expires_in : undefined;
    return {
      accessToken,
      refreshToken: present(answer.refresh_token),
      expiresAt: seconds === undefined ? undefined : this.now() + seconds * 1_000,
      teamId,
      teamName: present(json(answer.team).name) ?? teamId,
    };
  }

  private get name(): string {
    return secretName(this.workspace);
  }

  private async stored(): Promise<Tokens | undefined> {
    const stored = await this.options.store.read(this.name);
    const value: unknown = stored === undefined ? undefined : JSON.parse(stored);
    if (!isJson(value)) return undefined;
    return {
      accessToken: text(value.accessToken),
      refreshToken: present(value.refreshToken),
      expiresAt: typeof value.expiresAt === 'number' ? value.expiresAt : undefined,
      teamId: text(value.teamId),
      teamName: text(value.teamName),
    };
  }

  private async keep(tokens: Tokens): Promise<void> {
    await this.options.store.write(this.name, JSON.stringify(tokens));
    this.tokens = tokens;
  }

  private mac(what: string): string {
    return macOf(this.options.clientSecret, what);
  }
}

/** Query of the page that begins an installation, for whoever has the client secret. Good for a day. */
export function installLink(
  { workspace, clientSecret }: { workspace: string; clientSecret: string },
  now: number,
): string {
  const until = String(now + LINK_MS);
  return new URLSearchParams({
    workspace,
    until,
    key: macOf(clientSecret, `install ${workspace} ${until}`),
  }).toString();
}

/** Under which name the tokens of a workspace are kept, and the bot token in what is kept. */
export const secretName = (workspace: string): string => `slack/${encodeURIComponent(workspace)}`;

export function accessTokenIn(stored: string): string | undefined {
  return present(json(JSON.parse(stored)).accessToken);
}

const macOf = (clientSecret: string, what: string): string =>
  createHmac('sha256', clientSecret).update(what).digest('base64url');

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const expired = ({ word, message }: SlackRefusal): SlackRefusal => {
  const sentence = `the bot token has expired and cannot be renewed (${message}): install the app again`;
  return new SlackRefusal(word, 'denied', sentence, { certainlyNotDone: true }, sentence);
};
