import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Agent, request } from 'undici';
import { plainText } from '../../message/index.js';
import {
  type Abilities,
  type Call,
  type CapabilityDocument,
  type InboundPage,
  type NativeChannel,
  type NativeUser,
  type OutboundMessage,
  type Platform,
  PlatformError,
  type PlatformErrorCode,
  type PlatformHost,
} from '../port.js';
import { MalformedAnswer, channel, fields, id, page, user } from './http-answers.js';

const POLL_WAIT_S = 25;
const PAGE = 100;
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
const DEFAULT_MAX_TEXT_BYTES = 16_384;

const CODES: Record<string, PlatformErrorCode> = {
  unknown_channel: 'channel_gone',
  channel_archived: 'channel_gone',
  unknown_user: 'user_gone',
  too_large: 'invalid',
  invalid: 'invalid',
  unauthorized: 'denied',
};

/** The adapter for an in-house chat that implements docs/platforms/http.openapi.yaml. */
export class HttpPlatform implements Platform {
  readonly kind = 'http';
  readonly workspace: string;
  capabilities: CapabilityDocument;
  readonly can: Abilities = {};
  private readonly logger = new Logger('HttpPlatform');
  private readonly agent = new Agent({
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: ANSWER_TIMEOUT_MS + POLL_WAIT_S * 1_000,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  });
  private readonly base: string;
  private readonly stopping = new AbortController();
  private polling: Promise<void> = Promise.resolve();

  constructor({ workspace, url, token }: { workspace: string; url: URL; token: string }) {
    this.workspace = workspace;
    this.base = `${url.href.replace(/\/$/, '')}/v1`;
    this.token = token;
    this.capabilities = {
      platform: this.kind,
      workspace,
      abilities: [],
      privateNotices: false,
      richText: false,
      threads: false,
      replies: false,
      attachments: false,
      actions: false,
      personalReactions: false,
      customEmoji: false,
      maxFileBytes: 0,
      maxTextBytes: DEFAULT_MAX_TEXT_BYTES,
    };
  }

  private readonly token: string;

  start(host: PlatformHost): void {
    this.polling = this.poll(host);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.polling;
    await this.agent.destroy();
  }

  async sendMessage(channelId: string, message: OutboundMessage, { key }: Call): Promise<{ nativeId: string }> {
    const {
      kind,
      body: { blocks },
      sentAt,
      author,
      visibleTo,
    } = message;
    const body = {
      kind,
      text: plainText({ blocks }),
      ...(sentAt === undefined ? {} : { sent_at: sentAt }),
      ...(author && { author: { id: author.id, display_name: author.displayName, server: author.server } }),
      ...(visibleTo && { visible_to: visibleTo }),
    };
    const path = `channels/${encodeURIComponent(channelId)}/messages`;
    const answer = await this.call('POST', path, { body, key });
    return this.read(answer, (value) => ({ nativeId: id(fields(value, 'the answer').message_id, 'message_id') }));
  }

  async resolveChannel(channelId: string): Promise<NativeChannel> {
    return this.read(await this.call('GET', `channels/${encodeURIComponent(channelId)}`), channel);
  }

  async resolveUser(userId: string): Promise<NativeUser> {
    return this.read(await this.call('GET', `users/${encodeURIComponent(userId)}`), user);
  }

  private async poll(host: PlatformHost): Promise<void> {
    let failures = 0;
    let greeted = false;
    while (!this.stopping.signal.aborted) {
      try {
        if (!greeted) await this.greet();
        greeted = true;
        await host.accept(await this.nextPage(await host.cursor()));
        failures = 0;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        failures += 1;
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
    const answer = await this.call('GET', 'capabilities');
    this.capabilities = this.read(answer, (value) => {
      const { capabilities, limits = {} } = fields(value, 'the answer');
      const { max_text_bytes: maxTextBytes } = fields(limits, 'limits');
      return {
        ...this.capabilities,
        privateNotices: fields(capabilities, 'capabilities').private_notices === true,
        maxTextBytes: Number.isSafeInteger(maxTextBytes) ? Number(maxTextBytes) : DEFAULT_MAX_TEXT_BYTES,
      };
    });
  }

  private async nextPage(cursor: string | undefined): Promise<InboundPage> {
    const query =
      cursor === undefined
        ? 'cursor=latest'
        : `cursor=${encodeURIComponent(cursor)}&limit=${String(PAGE)}&wait=${String(POLL_WAIT_S)}`;
    return this.read(await this.call('GET', `events?${query}`), page);
  }

  private read<T>(answer: unknown, parse: (value: unknown) => T): T {
    try {
      return parse(answer);
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error;
      throw new PlatformError('unavailable', `the chat breaks the contract: ${error.message}`, {
        certainlyNotDone: false,
      });
    }
  }

  private async call(method: 'GET' | 'POST', path: string, post?: { body: unknown; key: string }): Promise<unknown> {
    let status: number;
    let answer: unknown;
    try {
      const response = await request(`${this.base}/${path}`, {
        method,
        dispatcher: this.agent,
        signal: this.stopping.signal,
        headers: {
          authorization: `Bearer ${this.token}`,
          ...(post && { 'content-type': 'application/json', 'idempotency-key': post.key }),
        },
        ...(post && { body: JSON.stringify(post.body) }),
      });
      status = response.statusCode;
      answer = await response.body.json();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new PlatformError('unavailable', `the chat does not answer: ${reason}`, { certainlyNotDone: false });
    }
    if (status === 200 || status === 201) return answer;
    throw refusal(status, answer);
  }
}

function refusal(status: number, answer: unknown): PlatformError {
  const { error } = typeof answer === 'object' && answer !== null ? (answer as { error?: unknown }) : {};
  const { code, message, retry_after_ms: wait } = (error ?? {}) as Record<string, unknown>;
  const known = status >= 400 && status < 500 && typeof code === 'string' ? CODES[code] : undefined;
  const reason = typeof message === 'string' ? message.slice(0, 300) : '';
  return new PlatformError(known ?? 'unavailable', `the chat answered ${String(status)} ${String(code)}: ${reason}`, {
    certainlyNotDone: status < 500,
    ...(typeof wait === 'number' && wait >= 0 ? { retryAfterMs: wait } : {}),
  });
}
