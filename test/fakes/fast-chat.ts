import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';

export interface ChatMessage {
  text: string;
  kind: 'message' | 'notice';
  /** undefined: written by somebody of this company. */
  key?: string;
}

interface ChatEvent {
  id: string;
  type: 'message';
  time: number;
  channel: { id: string; name: string };
  author: { id: string; username: string; display_name: string };
  message: { id: string; text: string };
}

type Answer = [status: number, body: unknown];

/**
 * A chat that speaks docs/platforms/http.openapi.yaml out of this process's memory, for loads that the demo chat would brake.
 * It outlives the gateways, and remembers what it took under which idempotency key.
 */
export class FastChat {
  private readonly channels = new Map<string, ChatMessage[]>();
  private readonly events: ChatEvent[] = [];
  private readonly keys = new Map<string, string>();
  private waiting: (() => void)[] = [];
  private readonly http: Server;
  /** Calls under a key that was taken before. */
  repeated = 0;

  private constructor(
    private readonly workspace: string,
    channels: readonly string[],
  ) {
    for (const channel of channels) this.channels.set(channel, []);
    this.http = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    this.http.keepAliveTimeout = 60_000;
  }

  static async start(workspace: string, channels: readonly string[]): Promise<FastChat> {
    const chat = new FastChat(workspace, channels);
    chat.http.listen(0, '127.0.0.1');
    await once(chat.http, 'listening');
    return chat;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  /** Somebody of this company writes. */
  write(channel: string, username: string, text: string): void {
    const id = String(this.events.length + 1);
    this.messages(channel).push({ text, kind: 'message' });
    this.events.push({
      id: `evt-${id}`,
      type: 'message',
      time: 1_700_000_000_000 + this.events.length,
      channel: { id: channel, name: channel },
      author: { id: `U-${username}`, username, display_name: username },
      message: { id: `in-${id}`, text },
    });
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** All that a channel shows, oldest first. */
  messages(channel: string): ChatMessage[] {
    const messages = this.channels.get(channel);
    if (messages === undefined) throw new Error(`there is no channel ${channel}`);
    return messages;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [status, body] = await this.route(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  private async route(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? '', this.url);
    const [, , resource, id = '', rest] = url.pathname.split('/').map(decodeURIComponent);
    if (resource === 'capabilities') return [200, this.capabilities()];
    if (resource === 'events') return this.page(url.searchParams);
    if (resource !== 'channels' || !this.channels.has(id)) return [404, failure('unknown_channel')];
    if (rest === undefined) return [200, { id, name: id }];
    const body = (await readJson(request)) as { text: string; kind: ChatMessage['kind'] };
    return this.post(id, String(request.headers['idempotency-key']), body);
  }

  private capabilities(): unknown {
    const workspace = { id: this.workspace, name: this.workspace };
    return { contract: '1.0', workspace, capabilities: { private_notices: true } };
  }

  private async page(query: URLSearchParams): Promise<Answer> {
    if (query.get('cursor') === 'latest') return [200, { events: [], cursor: String(this.events.length) }];
    const from = Number(query.get('cursor'));
    if (this.events.length <= from) await this.somethingNew(Number(query.get('wait')) * 1_000);
    const events = this.events.slice(from, from + Number(query.get('limit') ?? 100));
    return [200, { events, cursor: String(from + events.length) }];
  }

  private somethingNew(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private post(channel: string, key: string, { text, kind }: { text: string; kind: ChatMessage['kind'] }): Answer {
    const known = this.keys.get(key);
    if (known !== undefined) {
      this.repeated += 1;
      return [200, { message_id: known }];
    }
    const id = `out-${String(this.keys.size + 1)}`;
    this.keys.set(key, id);
    this.messages(channel).push({ text, kind, key });
    return [201, { message_id: id }];
  }
}

const failure = (code: string): unknown => ({ error: { code, message: code } });
