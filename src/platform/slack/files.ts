import { setTimeout as sleep } from 'node:timers/promises';
import { type Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { request } from 'undici';
import type { Attachment } from '../../message/index.js';
import { PlatformError, type RemoteFile } from '../port.js';
import { type Json, count, json, objects, present, text, timestamp } from './json.js';
import { SlackRefusal } from './slack-errors.js';
import type { WebApi } from './web-api.js';

export const MAX_FILE_BYTES = 100 * 1024 * 1024;
const TRANSFER_MS = 60_000;
/** Slack shares a file some time after it says so. */
const SHARE_WAITS_MS = [50, 150, 300, 500, 1_000, 2_000, 4_000, 8_000];
const MAX_REMEMBERED = 10_000;

interface Uploaded {
  id: string;
  title: string;
}

/** Files both ways: by the external upload flow into Slack, by the private address out of it. All reject with PlatformError. */
export class Files {
  /** Files of messages that this process posted; none of those that have none any more. */
  private readonly ofMessages = new LRUCache<string, string[]>({ max: MAX_REMEMBERED });
  /** Files of calls whose message has not been seen yet. */
  private readonly completing = new LRUCache<string, string[]>({ max: 1_000 });

  constructor(
    private readonly api: WebApi,
    private readonly openRemote: (mxc: string, maxBytes: number) => Promise<RemoteFile>,
    private readonly botFetch: { slackApiUrl: string | undefined },
  ) {}

  /** One message with all these files; resolves with its ts. The same key is not shared twice by this process. */
  async share(channelId: string, attachments: readonly Attachment[], rest: Json, key: string): Promise<string> {
    const before = this.completing.get(key);
    const found = before === undefined ? undefined : await this.shared(before[0] ?? '', channelId);
    if (before !== undefined && found !== undefined) return this.keep(channelId, found, before, key);
    const uploaded: Uploaded[] = [];
    for (const attachment of attachments) uploaded.push(await this.upload(attachment));
    const files = uploaded.map(({ id, title }) => ({ id, title }));
    const ids = uploaded.map(({ id }) => id);
    this.completing.set(key, ids);
    await this.api.call('files.completeUploadExternal', { channel_id: channelId, files, ...rest });
    const ts = await this.shared(ids[0] ?? '', channelId);
    if (ts === undefined) throw noAnswer('Slack took the files, and does not show them yet', false);
    return this.keep(channelId, ts, ids, key);
  }

  private keep(channelId: string, ts: string, ids: string[], key: string): string {
    this.ofMessages.set(`${channelId} ${ts}`, ids);
    this.completing.delete(key);
    return ts;
  }

  /** Takes away the files of a message of ours, before the message: what is taken back must not stay readable. */
  async deleteOf(channelId: string, ts: string): Promise<void> {
    const key = `${channelId} ${ts}`;
    for (const file of this.ofMessages.get(key) ?? (await this.find(channelId, ts))) {
      try {
        await this.api.call('files.delete', { file });
      } catch (error) {
        if (!(error instanceof SlackRefusal) || !GONE.has(error.word)) throw error;
      }
    }
    this.ofMessages.set(key, []);
  }

  /** Files of a message that this process did not post. */
  private async find(channelId: string, ts: string): Promise<string[]> {
    try {
      const range = { oldest: ts, latest: ts, inclusive: true, limit: 2 };
      const { messages } = await this.api.call('conversations.replies', { channel: channelId, ts, ...range });
      const message = objects(messages).find((each) => each.ts === ts);
      return objects(message?.files).flatMap(({ id }) => present(id) ?? []);
    } catch (error) {
      if (error instanceof SlackRefusal && NO_MESSAGE.has(error.word)) return [];
      throw error;
    }
  }

  /** A file of a native message. */
  async open(id: string): Promise<RemoteFile> {
    const file = json((await this.api.call('files.info', { file: id })).file);
    const address = present(file.url_private_download) ?? present(file.url_private);
    if (address === undefined) throw gone('Slack gives no address for this file');
    const url = this.trusted(address);
    const response = await this.fetch(url, { authorization: `Bearer ${await this.api.token()}` });
    if (response.statusCode !== 200) {
      await response.body.dump();
      throw response.statusCode >= 500
        ? noAnswer(`HTTP ${String(response.statusCode)}`, true)
        : gone('Slack does not give this file out');
    }
    const mimeType = present(file.mimetype) ?? 'application/octet-stream';
    const given = text(response.headers['content-type']);
    // Without the right to read files Slack answers with the page to sign in.
    if (given.startsWith('text/html') && !mimeType.startsWith('text/')) {
      await response.body.dump();
      const sentence = 'the app may not read files: it needs the scope files:read';
      throw new PlatformError('denied', sentence, { certainlyNotDone: true });
    }
    return { stream: response.body, mimeType, size: count(file.size) ?? 0, name: present(file.name) ?? 'file' };
  }

  private async upload({ source, name, alt }: Attachment): Promise<Uploaded> {
    if (!('mxc' in source)) throw gone('this file is not of the room');
    const file = await this.openRemote(source.mxc, MAX_FILE_BYTES);
    try {
      const filename = (name === '' ? file.name : name).slice(0, 200);
      const wanted = { filename, length: file.size, ...(alt === undefined ? {} : { alt_txt: alt.slice(0, 1_000) }) };
      const { upload_url: address, file_id: id } = await this.api.call('files.getUploadURLExternal', wanted);
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(file.size) };
      const response = await this.fetch(this.trusted(text(address)), headers, file.stream);
      await response.body.dump();
      if (response.statusCode !== 200) throw noAnswer(`an upload gave HTTP ${String(response.statusCode)}`, true);
      return { id: text(id), title: filename };
    } finally {
      file.stream.destroy();
    }
  }

  /** Slack tells in which message a file is only when it is asked. Undefined: in none. */
  private async shared(id: string, channelId: string): Promise<string | undefined> {
    for (const wait of SHARE_WAITS_MS) {
      await sleep(wait);
      const file = await this.info(id);
      if (file === undefined) return undefined;
      const { shares } = file;
      const all = { ...json(json(shares).public), ...json(json(shares).private) };
      const ts = timestamp(objects(all[channelId])[0]?.ts);
      if (ts !== undefined) return ts;
    }
    return undefined;
  }

  /** Undefined: there is none, or its upload was not completed. */
  private async info(id: string): Promise<Json | undefined> {
    try {
      return json((await this.api.call('files.info', { file: id })).file);
    } catch (error) {
      if (error instanceof SlackRefusal && GONE.has(error.word)) return undefined;
      throw error;
    }
  }

  /** Our token goes to Slack alone. */
  private trusted(address: string): URL {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    const slack = url?.protocol === 'https:' && /(?:^|\.)slack(?:-edge|-files|-gov)?\.com$/.test(url.hostname);
    const { slackApiUrl } = this.botFetch;
    const test = slackApiUrl !== undefined && url?.origin === new URL(slackApiUrl).origin;
    if (url !== undefined && (slack || test)) return url;
    throw gone('this file is not at Slack');
  }

  private async fetch(url: URL, headers: Record<string, string>, body?: Readable): ReturnType<typeof request> {
    try {
      return await request(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        headersTimeout: TRANSFER_MS,
        bodyTimeout: TRANSFER_MS,
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      throw noAnswer(error instanceof Error ? error.message : String(error), true);
    }
  }
}

const GONE = new Set(['file_not_found', 'file_deleted', 'cant_delete_file']);

const NO_MESSAGE = new Set(['thread_not_found', 'message_not_found', 'channel_not_found', 'not_in_channel']);

const gone = (message: string): PlatformError => new PlatformError('invalid', message, { certainlyNotDone: true });

const noAnswer = (reason: string, certainlyNotDone: boolean): PlatformError =>
  new PlatformError('unavailable', `Slack's files do not answer: ${reason}`, { certainlyNotDone });
