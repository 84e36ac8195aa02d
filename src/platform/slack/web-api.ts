import { Logger } from '@nestjs/common';
import { WebClient } from '@slack/web-api';
import type { PlatformError } from '../port.js';
import { type Json, json } from './json.js';
import { Lanes, type Pace, SLACKS_PACE } from './lanes.js';
import { sdkLogger } from './sdk-logger.js';
import { SlackRefusal, slackError } from './slack-errors.js';

const TIMEOUT_MS = 30_000;

/** Calls a minute (docs.slack.dev/apis/web-api/rate-limits); methods that are not named have tier 3. */
const PER_MINUTE: Readonly<Record<string, number>> = {
  'conversations.list': 20,
  'conversations.create': 20,
  'conversations.rename': 20,
  'conversations.setTopic': 20,
  'reactions.remove': 20,
  'users.list': 20,
  'emoji.list': 20,
  'users.info': 100,
  'conversations.members': 100,
  'chat.postEphemeral': 100,
  'files.getUploadURLExternal': 100,
  'files.completeUploadExternal': 100,
  'files.info': 100,
  'auth.test': 600,
};
const TIER_THREE = 50;
const MINUTE_MS = 60_000;
/** Slack counts by the minute: calls may come this much closer than an even pace, until Slack says 429. */
const BURST = 0.1;

/** A bot token, and a new one when Slack takes it no more; undefined: there is none. */
export interface TokenSource {
  token(): Promise<string | undefined>;
  /** A call was refused because of the token. True: there is another one now, and the call may be made again. */
  refused?(token: string, word: string): Promise<boolean>;
}

export interface WebApiOptions {
  tokens: TokenSource;
  /** Of tests. */
  slackApiUrl?: string;
  pace?: Pace;
  /** What makes all calls fail (`token`), or those of one method; undefined: it is over. */
  trouble: (source: string, problem: string | undefined) => void;
}

/** Slack's Web API for one workspace: one call at a time in each lane, errors of the port's catalogue, no retries of its own. */
export class WebApi {
  private readonly stopping = new AbortController();
  private readonly lanes: Lanes;
  private readonly pace: Pace;
  private readonly logger = sdkLogger(new Logger('SlackSdk'));
  private client: { token: string; web: WebClient } | undefined;

  constructor(private readonly options: WebApiOptions) {
    this.pace = options.pace ?? SLACKS_PACE;
    this.lanes = new Lanes(this.pace, this.stopping.signal);
  }

  stop(): void {
    this.stopping.abort();
  }

  get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** ms that a message to this channel would have to wait now. */
  messageDelay(channelId: string): number {
    return this.lanes.delay(messageLane(channelId));
  }

  /** Rejects with PlatformError. */
  async call(method: string, args: Json): Promise<Json> {
    const spacing = this.spacing(method);
    const lane = method === 'chat.postMessage' ? messageLane(String(args.channel)) : method;
    try {
      return await this.lanes.take(lane, method, spacing, () => this.withToken(method, args));
    } catch (error) {
      throw this.told(method, slackError(method, error));
    }
  }

  /** For requests that are no calls of the Web API: files. Rejects with PlatformError when there is no token. */
  async token(): Promise<string> {
    const token = await this.options.tokens.token();
    if (token !== undefined) return token;
    const sentence = 'the app is not installed in this workspace yet';
    throw new SlackRefusal('not_installed', 'denied', sentence, { certainlyNotDone: true }, sentence);
  }

  private spacing(method: string): number {
    const { messageMs } = this.pace;
    if (method === 'chat.postMessage') return messageMs;
    return (MINUTE_MS / (PER_MINUTE[method] ?? TIER_THREE)) * (messageMs / 1_000) * BURST;
  }

  private async withToken(method: string, args: Json): Promise<Json> {
    const token = await this.token();
    try {
      return await this.send(token, method, args);
    } catch (error) {
      const wrong = slackError(method, error);
      const word = wrong instanceof SlackRefusal && wrong.code === 'denied' ? wrong.word : undefined;
      if (word === undefined || !((await this.options.tokens.refused?.(token, word)) ?? false)) throw wrong;
      return this.send(await this.token(), method, args);
    }
  }

  private async send(token: string, method: string, args: Json): Promise<Json> {
    if (this.client?.token !== token) this.client = { token, web: this.clientFor(token) };
    const answer = json(await this.client.web.apiCall(method, args));
    this.options.trouble('token', undefined);
    this.options.trouble(method, undefined);
    return answer;
  }

  private clientFor(token: string): WebClient {
    const { slackApiUrl } = this.options;
    return new WebClient(token, {
      ...(slackApiUrl === undefined ? {} : { slackApiUrl }),
      logger: this.logger,
      fetch: (url, init) => fetch(url, { ...init, signal: this.deadline() }),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      allowAbsoluteUrls: false,
    });
  }

  private deadline(): AbortSignal {
    return AbortSignal.any([this.stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  }

  private told(method: string, error: PlatformError): PlatformError {
    if (error instanceof SlackRefusal && error.trouble !== undefined)
      this.options.trouble(error.word === 'missing_scope' ? method : 'token', error.trouble);
    return error;
  }
}

const messageLane = (channelId: string): string => `message ${channelId}`;
