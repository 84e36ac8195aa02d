import type { Conversations } from './conversations.js';
import type { Delivery } from './deliveries.js';
import { type Channel, type Json, type Message, type User, jsonList, textOf } from './model.js';
import { normalise } from './mrkdwn.js';
import type { Outbox } from './outbox.js';
import type { ResponseUrls } from './pages.js';
import { messageJson } from './shapes.js';
import type { Workspace } from './workspace.js';

interface Context {
  readonly user: User;
  readonly channel: Channel;
  /** The app's verification token. */
  readonly token: string;
}

const NAMES = { im: 'directmessage', group: 'privategroup', mpim: 'privategroup' } as const;

/** A command or a button that somebody used, and what the app answered to it. */
export class SlashCall {
  /** What came to the response_url. */
  private readonly later: Json[] = [];

  private constructor(
    private readonly workspace: Workspace,
    private readonly conversations: Conversations,
    private readonly context: Context,
    public delivery: Delivery | undefined,
  ) {}

  static make(
    workspace: Workspace,
    conversations: Conversations,
    outbox: Outbox,
    responses: ResponseUrls,
    context: Context & { command: string; text: string },
  ): SlashCall {
    const { user, channel, command, text, token } = context;
    const call = new SlashCall(workspace, conversations, context, undefined);
    call.delivery = outbox.ask('slash_commands', {
      token,
      team_id: workspace.id,
      team_domain: workspace.domain,
      channel_id: channel.id,
      channel_name: channel.kind === 'channel' ? channel.name : NAMES[channel.kind],
      user_id: user.id,
      user_name: user.name,
      command,
      text,
      api_app_id: workspace.app.appId,
      is_enterprise_install: 'false',
      response_url: call.responseUrl(responses),
      trigger_id: triggerId(workspace),
    });
    return call;
  }

  static started(
    workspace: Workspace,
    conversations: Conversations,
    responses: ResponseUrls,
    context: Context,
    start: (responseUrl: string) => Delivery,
  ): SlashCall {
    const call = new SlashCall(workspace, conversations, context, undefined);
    call.delivery = start(call.responseUrl(responses));
    return call;
  }

  /** Everything that the app answered, in its order: with the acknowledgement first. */
  get answers(): Json[] {
    const first = this.delivery?.answer;
    return [...(first === undefined ? [] : [first]), ...this.later];
  }

  /** The texts of the answers. */
  get texts(): string[] {
    return this.answers.map((answer) => textOf(answer.text));
  }

  private responseUrl(responses: ResponseUrls): string {
    return `${this.workspace.origin()}${responses.create((message) => this.take(message))}`;
  }

  private take(message: Json): void {
    this.later.push(message);
    const { user, channel } = this.context;
    const text = normalise(textOf(message.text));
    const blocks = jsonList(message.blocks);
    if (message.response_type !== 'in_channel') {
      channel.ephemerals.push({ ts: this.workspace.nextTs(channel), user: user.id, text, blocks });
      return;
    }
    const { appId, botId, botUser } = this.workspace.app;
    this.conversations.post(channel, { user: botUser, appId, botId, text, blocks });
  }
}

const triggerId = (workspace: Workspace): string => `${workspace.seconds()}.${workspace.id}.${workspace.newId('t')}`;

export function pressed(
  workspace: Workspace,
  conversations: Conversations,
  outbox: Outbox,
  responses: ResponseUrls,
  use: Context & { message: Message; actionId: string; blockId?: string; value?: string },
): SlashCall {
  const { user, channel, message, token } = use;
  return SlashCall.started(workspace, conversations, responses, use, (responseUrl) =>
    outbox.ask('interactive', {
      type: 'block_actions',
      user: personJson(user),
      api_app_id: workspace.app.appId,
      token,
      container: { type: 'message', message_ts: message.ts, channel_id: channel.id, is_ephemeral: false },
      trigger_id: triggerId(workspace),
      team: { id: workspace.id, domain: workspace.domain },
      enterprise: null,
      is_enterprise_install: false,
      channel: { id: channel.id, name: channel.kind === 'channel' ? channel.name : NAMES[channel.kind] },
      message: messageJson(workspace, channel, message),
      state: { values: {} },
      response_url: responseUrl,
      actions: [
        {
          action_id: use.actionId,
          block_id: use.blockId ?? '',
          value: use.value ?? '',
          type: 'button',
          action_ts: workspace.eventTs(),
        },
      ],
    }),
  );
}

const personJson = (user: User): Json => ({ id: user.id, username: user.name, name: user.name, team_id: user.teamId });

export const shortcut = (workspace: Workspace, user: User, callbackId: string, token: string): Json => ({
  type: 'shortcut',
  token,
  action_ts: workspace.eventTs(),
  team: { id: workspace.id, domain: workspace.domain },
  user: { id: user.id, username: user.name, team_id: user.teamId },
  is_enterprise_install: false,
  enterprise: null,
  callback_id: callbackId,
  trigger_id: triggerId(workspace),
});
