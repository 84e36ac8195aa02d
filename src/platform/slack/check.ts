import { createHmac, randomUUID } from 'node:crypto';
import { WebClient } from '@slack/web-api';
import { Logger } from '@nestjs/common';
import { request } from 'undici';
import { PlatformError } from '../port.js';
import { isJson, json, text } from './json.js';
import { SCOPES } from './scopes.js';
import { sdkLogger } from './sdk-logger.js';
import { SlackRefusal, slackError } from './slack-errors.js';
import { WebApi } from './web-api.js';

export interface Finding {
  ok: boolean;
  /** For the admin: what is right, or what is wrong and what to do. */
  sentence: string;
}

export interface CheckOptions {
  botToken: string | undefined;
  appToken: string | undefined;
  signingSecret: string | undefined;
  slackApiUrl: string | undefined;
  /** Where Slack reaches our listener, as it was entered at api.slack.com: asked as Slack would ask. */
  eventsUrl?: string | undefined;
  /** Ids of channels that shall be bridged. */
  channels?: readonly string[];
}

const TIMEOUT_MS = 10_000;

/** What is right and what is missing, in sentences. Changes nothing. */
export async function checkSlack(options: CheckOptions): Promise<Finding[]> {
  const api = new WebApi({
    tokens: { token: () => Promise.resolve(options.botToken) },
    ...(options.slackApiUrl === undefined ? {} : { slackApiUrl: options.slackApiUrl }),
    trouble: () => undefined,
  });
  try {
    const findings = await ofToken(api);
    if (findings.every(({ ok }) => ok)) findings.push(...(await ofChannels(api, options.channels ?? [])));
    return [...findings, ...(await ofAppToken(options)), ...(await ofEventsUrl(options))];
  } finally {
    api.stop();
  }
}

const good = (sentence: string): Finding => ({ ok: true, sentence });
const bad = (sentence: string): Finding => ({ ok: false, sentence });

async function ofToken(api: WebApi): Promise<Finding[]> {
  try {
    const answer = await api.call('auth.test', {});
    if (text(answer.bot_id) === '')
      return [bad('The bot token is not that of a bot: take the one that begins with xoxb-.')];
    const { scopes } = json(answer.response_metadata);
    const granted = new Set(Array.isArray(scopes) ? scopes : []);
    const missing = Object.entries(SCOPES).filter(([scope]) => !granted.has(scope));
    return [
      good(`The bot token is that of @${text(answer.user)} in ${text(answer.team)}.`),
      ...missing.map(([scope, what]) =>
        bad(`The scope ${scope} is missing, to ${what}: add it under “OAuth & Permissions” and install the app again.`),
      ),
      ...(missing.length === 0 ? [good('All scopes are granted.')] : []),
    ];
  } catch (error) {
    return [bad(sentenceOf(error))];
  }
}

async function ofChannels(api: WebApi, channels: readonly string[]): Promise<Finding[]> {
  const out: Finding[] = [];
  for (const id of channels) {
    try {
      const channel = json((await api.call('conversations.info', { channel: id })).channel);
      const name = `#${text(channel.name)}`;
      if (channel.is_archived === true) out.push(bad(`${name} is archived: nothing can be said there.`));
      else if (channel.is_member === true) out.push(good(`The app is in ${name}.`));
      else out.push(bad(`The app is not in ${name}: somebody there must say “/invite @Causeway”.`));
    } catch (error) {
      const unknown = error instanceof SlackRefusal && error.code === 'channel_gone';
      out.push(
        bad(
          unknown
            ? `There is no channel ${id} that the app can see: if it is private, invite the app.`
            : sentenceOf(error),
        ),
      );
    }
  }
  return out;
}

async function ofAppToken({ appToken, slackApiUrl }: CheckOptions): Promise<Finding[]> {
  if (appToken === undefined) return [];
  const web = new WebClient(appToken, {
    ...(slackApiUrl === undefined ? {} : { slackApiUrl }),
    logger: sdkLogger(new Logger('SlackSdk')),
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: TIMEOUT_MS,
  });
  try {
    await web.apps.connections.open({});
    return [good('Socket Mode is on, and the app-level token is good.')];
  } catch (error) {
    const why = sentenceOf(slackError('apps.connections.open', error));
    return [
      bad(
        `Socket Mode does not work (${why.replace(/\.$/, '')}): switch it on, and make an app-level token (xapp-…) with connections:write.`,
      ),
    ];
  }
}

/** The same request as Slack's own when the address is entered. */
async function ofEventsUrl({ signingSecret, eventsUrl, appToken }: CheckOptions): Promise<Finding[]> {
  if (signingSecret === undefined) {
    return appToken === undefined ? [bad('Events come in no way: an app_token or a signing_secret is needed.')] : [];
  }
  if (eventsUrl === undefined) {
    return [good('Events come over HTTP; “--events-url https://…/slack/events” checks whether they reach us.')];
  }
  const challenge = randomUUID();
  const body = JSON.stringify({ type: 'url_verification', challenge });
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const mac = createHmac('sha256', signingSecret).update(`v0:${timestamp}:${body}`).digest('hex');
  try {
    const headers = {
      'content-type': 'application/json',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${mac}`,
    };
    const answer = await request(eventsUrl, { method: 'POST', headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const said: unknown = answer.statusCode === 200 ? await answer.body.json() : undefined;
    if (isJson(said) && said.challenge === challenge) return [good(`${eventsUrl} reaches us.`)];
    if (answer.statusCode === 401) return [bad(`${eventsUrl} reaches a gateway with another signing secret.`)];
    return [
      bad(
        `${eventsUrl} answers HTTP ${String(answer.statusCode)} and not as we would: the proxy must lead to SLACK_LISTEN.`,
      ),
    ];
  } catch (error) {
    return [bad(`${eventsUrl} does not answer: ${error instanceof Error ? error.message : String(error)}.`)];
  }
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof PlatformError)) throw error;
  const { message } = error;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
