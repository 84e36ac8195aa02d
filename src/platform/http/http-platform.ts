import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import {
  type Abilities,
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
import { channel, fields, id, user, users } from './http-answers.js';
import { ablest, capabilitiesOf } from './http-capabilities.js';
import { HttpClient } from './http-client.js';
import { eventsPage, historyPage } from './http-events.js';
import { fileOf } from './http-files.js';
import { authorOf, outgoing } from './http-messages.js';

const POLL_WAIT_S = 25;
const PAGE = 100;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
/** How long what a chat said of itself is taken for true. */
const GREET_EVERY_MS = 15 * 60_000;
const UNKNOWN = { capabilities: {} };

const segment = encodeURIComponent;

/** The adapter for an in-house chat that implements docs/platforms/http.openapi.yaml. */
export class HttpPlatform implements Platform {
  readonly kind = 'http';
  readonly workspace: string;
  capabilities: CapabilityDocument;
  can: Abilities = {};
  ready = false;
  private readonly logger = new Logger('HttpPlatform');
  private readonly client: HttpClient;
  private readonly stopping = new AbortController();
  private polling: Promise<void> = Promise.resolve();
  private host: PlatformHost | undefined;

  constructor({ workspace, url, token }: { workspace: string; url: URL; token: string }) {
    this.workspace = workspace;
    this.client = new HttpClient(url, token, this.stopping.signal, POLL_WAIT_S * 1_000);
    this.capabilities = capabilitiesOf(UNKNOWN, workspace);
  }

  start(host: PlatformHost): void {
    this.host = host;
    this.polling = this.poll(host);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.polling;
    await this.client.close();
  }

  async sendMessage(channelId: string, message: OutboundMessage, call: Call): Promise<{ nativeId: string }> {
    const body = await this.withFiles(message, call);
    const path = `channels/${segment(channelId)}/messages`;
    return this.client.ask({ method: 'POST', path, body, key: call.key }, (value) => ({
      nativeId: id(fields(value, 'the answer').message_id, 'message_id'),
    }));
  }

  resolveChannel(channelId: string): Promise<NativeChannel> {
    return this.client.ask({ method: 'GET', path: `channels/${segment(channelId)}` }, channel);
  }

  resolveUser(userId: string): Promise<NativeUser> {
    return this.client.ask({ method: 'GET', path: `users/${segment(userId)}` }, user);
  }

  private async poll(host: PlatformHost): Promise<void> {
    let failures = 0;
    let greetedAt: number | undefined;
    while (!this.stopping.signal.aborted) {
      try {
        if (greetedAt === undefined || performance.now() - greetedAt > GREET_EVERY_MS) {
          await this.greet();
          greetedAt = performance.now();
        }
        const { ephemeral, ...page } = await this.nextPage(await host.cursor());
        await host.accept(page);
        for (const event of ephemeral) host.ephemeral(event);
        failures = 0;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        failures += 1;
        greetedAt = undefined; // it may be another version when it is back
        const wait = Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS) * (0.8 + 0.4 * Math.random());
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.warn(
          { workspace: this.workspace, reason, failures },
          'the chat gives no events; asking again later',
        );
        await sleep(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private async greet(): Promise<void> {
    this.capabilities = await this.client.ask({ method: 'GET', path: 'capabilities' }, (value) =>
      capabilitiesOf(value, this.workspace),
    );
    this.can = ablest(this.abilities, this.capabilities);
    this.ready = true;
  }

  private nextPage(cursor: string | undefined): Promise<ReturnType<typeof eventsPage>> {
    const query =
      cursor === undefined
        ? 'cursor=latest'
        : `cursor=${segment(cursor)}&limit=${String(PAGE)}&wait=${String(POLL_WAIT_S)}`;
    return this.client.ask({ method: 'GET', path: `events?${query}` }, eventsPage);
  }

  private readonly avatarUrl = (mxc: string): string | undefined => this.host?.avatarUrl(mxc);

  /** Everything that the contract can say; {@link can} is what this chat does of it. */
  private readonly abilities: Required<Abilities> = {
    edit: async ({ channelId, nativeId }, to, call) => {
      const body = await this.withFiles(to, call);
      await this.client.tell({ method: 'PUT', path: message(channelId, nativeId), body, key: call.key });
    },
    delete: async ({ channelId, nativeId }, { key }) => {
      try {
        await this.client.tell({ method: 'DELETE', path: message(channelId, nativeId), key });
      } catch (error) {
        if (!(error instanceof PlatformError) || error.code !== 'message_gone') throw error;
      }
    },
    react: ({ channelId, nativeId }, { shortcode, unicode }, change, author, { key }) => {
      const emoji = { shortcode, ...(unicode === undefined ? {} : { unicode }) };
      const body = { change, emoji, author: authorOf(author, this.avatarUrl) };
      return this.client.tell({ method: 'POST', path: `${message(channelId, nativeId)}/reactions`, body, key });
    },
    showMember: (channelId, member, change, { key }) => {
      const body = { change, member: authorOf(member, this.avatarUrl) };
      return this.client.tell({ method: 'POST', path: `channels/${segment(channelId)}/members`, body, key });
    },
    setTopic: (channelId, topic, { key }) =>
      this.client.tell({ method: 'PUT', path: `channels/${segment(channelId)}/topic`, body: { topic }, key }),
    rename: (channelId, name, { key }) =>
      this.client.tell({ method: 'PUT', path: `channels/${segment(channelId)}/name`, body: { name }, key }),
    showTyping: (channelId, author, typing) => {
      const body = { author: authorOf(author, this.avatarUrl), typing };
      return this.client.tell({ method: 'POST', path: `channels/${segment(channelId)}/typing`, body });
    },
    showRead: ({ channelId, nativeId }, author) => {
      const body = { author: authorOf(author, this.avatarUrl), message_id: nativeId };
      return this.client.tell({ method: 'POST', path: `channels/${segment(channelId)}/read`, body });
    },
    openFile: (nativeId) => this.openFile(nativeId),
    history: (channelId, before, limit) => {
      const from = before === undefined ? '' : `&before=${segment(before)}`;
      const path = `channels/${segment(channelId)}/messages?limit=${String(limit)}${from}`;
      return this.client.ask({ method: 'GET', path }, historyPage);
    },
    members: (channelId) => this.client.ask({ method: 'GET', path: `channels/${segment(channelId)}/members` }, users),
    openConversation: ({ name, users: people, remote }, { key }) => {
      const body = { name, users: people, remote: remote.map((author) => authorOf(author, this.avatarUrl)) };
      return this.client.ask({ method: 'POST', path: 'conversations', body, key }, channel);
    },
  };

  private async openFile(nativeId: string): Promise<RemoteFile> {
    const { stream, headers } = await this.client.download(`files/${segment(nativeId)}`);
    return fileOf(stream, headers);
  }

  /** The message as the chat takes it, with its files uploaded before it. */
  private async withFiles(said: OutboundMessage, { key }: Call): Promise<Record<string, unknown>> {
    const files: (string | undefined)[] = [];
    for (const [n, { source }] of said.body.attachments.entries()) {
      files.push('mxc' in source ? await this.upload(source.mxc, `${key}/${String(n)}`) : undefined);
    }
    return outgoing(said, files, this.avatarUrl);
  }

  /** Undefined for a file that is gone or too large: it is named instead. */
  private async upload(mxc: string, key: string): Promise<string | undefined> {
    if (this.host === undefined || !this.capabilities.attachments) return undefined;
    try {
      const { stream, name } = await this.host.openFile(mxc, this.capabilities.maxFileBytes);
      const path = `files?name=${segment(name)}`;
      return await this.client.ask({ method: 'POST', path, file: stream, key }, (value) =>
        id(fields(value, 'the answer').file_id, 'file_id'),
      );
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'invalid') return undefined;
      throw error;
    }
  }
}

const message = (channelId: string, nativeId: string): string =>
  `channels/${segment(channelId)}/messages/${segment(nativeId)}`;
