import { WebAPIHTTPError, WebAPIPlatformError, WebAPIRateLimitedError, WebAPIRequestError } from '@slack/web-api';
import { PlatformError, type PlatformErrorCode } from '../port.js';
import { present } from './json.js';

/** Slack's refusals (docs.slack.dev/reference/methods) in the words of the port. */
const CODES: Readonly<Record<string, PlatformErrorCode>> = {
  channel_not_found: 'channel_gone',
  is_archived: 'channel_gone',
  is_inactive: 'channel_gone',
  user_not_found: 'user_gone',
  user_not_visible: 'user_gone',
  users_not_found: 'user_gone',
  user_disabled: 'user_gone',
  message_not_found: 'message_gone',
  thread_not_found: 'message_gone',
  cannot_reply_to_message: 'message_gone',
  edit_window_closed: 'invalid',
  cant_update_message: 'invalid',
  cant_delete_message: 'invalid',
  msg_too_long: 'invalid',
  msg_blocks_too_long: 'invalid',
  no_text: 'invalid',
  invalid_blocks: 'invalid',
  invalid_blocks_format: 'invalid',
  invalid_arguments: 'invalid',
  invalid_name: 'invalid',
  invalid_name_specials: 'invalid',
  too_long: 'invalid',
  too_many_users: 'invalid',
  too_many_reactions: 'invalid',
  too_many_emoji: 'invalid',
  file_not_found: 'invalid',
  file_deleted: 'invalid',
  not_in_channel: 'denied',
  not_authed: 'denied',
  invalid_auth: 'denied',
  account_inactive: 'denied',
  token_revoked: 'denied',
  token_expired: 'denied',
  missing_scope: 'denied',
  not_allowed_token_type: 'denied',
  no_permission: 'denied',
  not_authorized: 'denied',
  restricted_action: 'denied',
  ekm_access_denied: 'denied',
  org_login_required: 'denied',
  team_access_not_granted: 'denied',
  ratelimited: 'unavailable',
  rate_limited: 'unavailable',
  internal_error: 'unavailable',
  fatal_error: 'unavailable',
  service_unavailable: 'unavailable',
  request_timeout: 'unavailable',
};

/** After these nobody knows whether something was done. */
const UNCERTAIN = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout']);

/** These say that nothing works until somebody does something. */
const BROKEN: Readonly<Record<string, string>> = {
  invalid_auth: 'Slack does not know this bot token',
  not_authed: 'there is no bot token',
  account_inactive: 'the app was removed from the workspace, or its bot was deactivated',
  token_revoked: 'the bot token was revoked',
  token_expired: 'the bot token has expired',
  not_allowed_token_type: 'this is no bot token (xoxb-…)',
  team_access_not_granted: 'the app has no access to this workspace',
  org_login_required: 'the organisation is being moved by Slack, and the app cannot work meanwhile',
};

/** A refusal of Slack, with its own word for it beside ours. */
export class SlackRefusal extends PlatformError {
  constructor(
    readonly word: string,
    code: PlatformErrorCode,
    message: string,
    options: PlatformError['options'],
    /** For the admin: the adapter cannot work until this is put right. */
    readonly trouble?: string,
  ) {
    super(code, message, options);
  }
}

const RETRY_MS = 1_000;
const REFUSED_ADDRESS = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/;

/** What went wrong in a call of the Web API. */
export function slackError(method: string, error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  if (error instanceof WebAPIRateLimitedError) return rateLimited(method, error.retryAfter * 1_000);
  if (error instanceof WebAPIPlatformError) return refusal(method, error);
  if (error instanceof WebAPIHTTPError) {
    const message = `Slack answered ${method} with HTTP ${String(error.statusCode)}`;
    return new PlatformError('unavailable', message, { certainlyNotDone: false });
  }
  const reason = error instanceof WebAPIRequestError ? reasonOf(error.original) : reasonOf(error);
  // The SDK's error for a 429 without a usable Retry-After.
  if (reason.startsWith('Retry header')) return rateLimited(method, RETRY_MS);
  return new PlatformError('unavailable', `Slack does not answer ${method}: ${reason}`, {
    certainlyNotDone: REFUSED_ADDRESS.test(reason),
  });
}

export function rateLimited(method: string, retryAfterMs: number): PlatformError {
  return new SlackRefusal('ratelimited', 'unavailable', `Slack asks to call ${method} less often`, {
    certainlyNotDone: true,
    retryAfterMs: Math.max(retryAfterMs, 1),
  });
}

function refusal(method: string, { data }: WebAPIPlatformError): SlackRefusal {
  const word = data.error;
  const code = CODES[word] ?? 'invalid';
  const details = { certainlyNotDone: !UNCERTAIN.has(word) };
  if (word === 'missing_scope') {
    const needed = present((data as { needed?: unknown }).needed) ?? 'a further scope';
    const sentence = `the app needs the scope ${needed} for ${method}: add it and install the app again`;
    return new SlackRefusal(word, code, sentence, details, sentence);
  }
  if (word === 'not_in_channel') {
    const sentence = 'Causeway is not in this channel; somebody there must say: /invite @Causeway';
    return new SlackRefusal(word, code, sentence, details);
  }
  const broken = BROKEN[word];
  const more = data.response_metadata?.messages?.join('; ').slice(0, 300) ?? '';
  const message = broken ?? `Slack refused ${method}: ${word}${more === '' ? '' : ` (${more})`}`;
  return new SlackRefusal(word, code, message, details, broken);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${codeOf(cause)}${cause.message}` : error.message;
}

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? `${error.code} ` : '');
