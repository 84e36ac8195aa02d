import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { request } from 'undici';
import {
  type Abilities,
  type Ability,
  type Call,
  type CapabilityDocument,
  type NativeChannel,
  type NativeUser,
  type OutboundMessage,
  type Platform,
  PlatformError,
  type PlatformHost,
  type RemoteFile,
} from '../port.js';
import { SlackConversations } from './conversations.js';
import { Directory } from './directory.js';
import type { SlackEdge } from './edge.js';
import { Events, type Payload } from './events.js';
import type { Identity } from './own-and-others.js';
import { Files, MAX_FILE_BYTES } from './files.js';
import { Intake } from './intake.js';
import { SlackInstallation } from './installation.js';
import { type Json, text } from './json.js';
import type { Pace } from './lanes.js';
import type { Receiver } from './receiver.js';
import { Reconciliation } from './reconciliation.js';
import { Sender, isMessageOf } from './sender.js';
import { Stream } from './stream.js';
import { type TokenSource, WebApi } from './web-api.js';

export interface SlackOptions {
  workspace: string;
  /** A bot token, or how the app is installed. */
  tokens: TokenSource | SlackInstallation;
  signingSecret?: string;
  /** xapp-…: Socket Mode. */
  appToken?: string;
  /** `@channel` of other companies notifies people here. */
  mentionEveryone?: boolean;
  /** Of tests. */
  slackApiUrl?: string;
  pace?: Pace;
}

/** A message of Slack holds some 13,000 characters in its blocks before it refuses them. */
const MAX_TEXT_BYTES = 11_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
const RESPOND_MS = 10_000;

/** One workspace of Slack, by its official SDK (docs/platforms/slack.md). */
export class SlackPlatform implements Platform {
  readonly kind = 'slack';
  readonly workspace: string;
  readonly ready = true;
  readonly capabilities: CapabilityDocument;
  readonly can: Abilities;
  private readonly logger = new Logger('SlackPlatform');
  private readonly stopping = new AbortController();
  private readonly api: WebApi;
  private readonly directory: Directory;
  private readonly events: Events;
  private readonly sender: Sender;
  private readonly stream: Stream;
  private readonly intake: Intake;
  private readonly receiver: Receiver;
  private readonly troubles = new Map<string, string>();
  private told: string | undefined;
  private host: PlatformHost | undefined;
  private us: Identity | undefined;
  private greeting: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: SlackOptions,
    private readonly edge: SlackEdge,
  ) {
    const { workspace, tokens, slackApiUrl, pace, mentionEveryone = false } = options;
    this.workspace = workspace;
    this.api = new WebApi({
      tokens,
      ...(slackApiUrl === undefined ? {} : { slackApiUrl }),
      ...(pace === undefined ? {} : { pace }),
      trouble: (source, problem) => this.trouble(source, problem),
    });
    this.directory = new Directory(this.api, () => this.us?.teamId);
    this.events = new Events(this.directory, (problem) => this.trouble('token', problem));
    const files = new Files(this.api, (mxc, max) => this.openRemote(mxc, max), { slackApiUrl });
    this.sender = new Sender({
      api: this.api,
      files,
      reconciliation: new Reconciliation(this.api, isMessageOf, () => this.us?.botId),
      rights: { mentionEveryone },
      avatarUrl: (mxc) => this.host?.avatarUrl(mxc),
      respond: (channel, user, message) => this.respond(channel, user, message),
      weDelete: (channel, ts) => this.events.weDeleted(channel, ts),
    });
    const conversations = new SlackConversations(this.api, this.directory, this.events, () => this.identity());
    this.stream = new Stream({
      api: this.api,
      directory: this.directory,
      events: this.events,
      identity: async () => {
        await this.greeting;
        return this.identity();
      },
      signal: this.stopping.signal,
    });
    this.intake = new Intake(
      workspace,
      async (payload) => this.events.inbound(payload, await this.identity()),
      (events) => this.stream.accept(events),
      (since) => this.stream.missed(since),
    );
    this.receiver = this.asReceiver();
    this.can = {
      edit: (message, to) => this.sender.edit(message, to),
      delete: (message) => this.sender.delete(message),
      react: (message, emoji, change) => this.sender.react(message, emoji, change),
      setTopic: (channelId, topic) => conversations.setTopic(channelId, topic),
      rename: (channelId, name) => conversations.rename(channelId, name),
      openFile: (nativeId) => files.open(nativeId),
      history: (channelId, before, limit) => conversations.history(channelId, before, limit),
      members: (channelId) => conversations.members(channelId),
      openConversation: (conversation, call) => conversations.open(conversation, call),
    };
    this.capabilities = {
      platform: this.kind,
      workspace,
      abilities: Object.keys(this.can) as Ability[],
      privateNotices: true,
      richText: true,
      threads: true,
      replies: false,
      attachments: true,
      actions: true,
      personalReactions: false,
      customEmoji: false,
      maxTextBytes: MAX_TEXT_BYTES,
      maxFileBytes: MAX_FILE_BYTES,
    };
  }

  start(host: PlatformHost): void {
    this.host = host;
    this.edge.join(this.receiver);
    this.greeting = this.greet();
    this.stream.start(host);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const edge = this.edge.leave(this.receiver);
    await this.intake.stop();
    this.api.stop();
    if (this.options.tokens instanceof SlackInstallation) this.options.tokens.stop();
    await Promise.all([edge, this.greeting, this.stream.stop()]);
  }

  sendMessage(channelId: string, message: OutboundMessage, call: Call): Promise<{ nativeId: string }> {
    return this.sender.send(channelId, message, call);
  }

  async resolveChannel(channelId: string): Promise<NativeChannel> {
    const channel = await this.directory.freshChannel(channelId);
    if (channel.archived !== true) return channel;
    throw new PlatformError('channel_gone', `#${channel.name} is archived`, { certainlyNotDone: true });
  }

  resolveUser(userId: string): Promise<NativeUser> {
    return this.directory.user(userId);
  }

  private asReceiver(): Receiver {
    const { signingSecret, appToken, slackApiUrl, tokens } = this.options;
    const teamId = (): string | undefined => this.us?.teamId;
    return {
      signingSecret,
      appToken,
      slackApiUrl,
      installation: tokens instanceof SlackInstallation ? tokens : undefined,
      installed: () => this.installed(),
      get teamId() {
        return teamId();
      },
      take: (payload: Payload) => this.intake.take(payload),
      missed: (since) => this.stream.missed(since),
      trouble: (problem) => this.trouble('events', problem),
    };
  }

  private installed(): void {
    this.us = undefined;
    this.greeting = Promise.all([this.greeting, this.greet()]).then(() => undefined);
  }

  /** Asks who we are until Slack says so. */
  private async greet(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted; failures += 1) {
      try {
        await this.identity();
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.warn(
          { workspace: this.workspace, reason, failures },
          'Slack does not say who we are; asking again',
        );
        const wait = Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
        await sleep(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private async identity(): Promise<Identity> {
    if (this.us !== undefined) return this.us;
    const { team_id: teamId, user_id: botUserId, bot_id: botId } = await this.api.call('auth.test', {});
    const us = { teamId: text(teamId), botUserId: text(botUserId), botId: text(botId) };
    if (us.teamId !== '' && us.botUserId !== '' && us.botId !== '') return (this.us = us);
    const sentence = 'the token is not that of a bot (xoxb-…)';
    this.trouble('token', sentence);
    throw new PlatformError('denied', sentence, { certainlyNotDone: true });
  }

  private openRemote(mxc: string, maxBytes: number): Promise<RemoteFile> {
    if (this.host !== undefined) return this.host.openFile(mxc, maxBytes);
    throw new PlatformError('unavailable', 'the gateway has not started', { certainlyNotDone: true });
  }

  private async respond(channelId: string, userId: string, message: Json): Promise<boolean> {
    const url = this.events.responseUrls.get(`${channelId} ${userId}`);
    if (url === undefined) return false;
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ ...message, response_type: 'ephemeral' }),
      signal: AbortSignal.any([this.stopping.signal, AbortSignal.timeout(RESPOND_MS)]),
    }).catch(() => undefined);
    await response?.body.dump();
    return response?.statusCode === 200;
  }

  /** The first problem of any source is told, and when none is left, that. */
  private trouble(source: string, problem: string | undefined): void {
    if (problem === undefined) this.troubles.delete(source);
    else this.troubles.set(source, problem);
    const now = this.troubles.values().next().value;
    if (now === this.told) return;
    this.told = now;
    this.host?.trouble(now);
  }
}
