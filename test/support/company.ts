import { type Chat, startChat } from '../../demo/chat/server.js';
import { Bridge } from '../../src/bridge/bridge.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import { type TestGateway, startGateway, until } from './gateway.js';

const TOKEN = 'token-between-chat-and-gateway';

export interface NativeMessage {
  text: string;
  author?: { display_name?: string; server?: string };
}

/** A chat and a gateway in this process. The chat's first channel is C1; its people are `ada` and `bob`. */
export class TestCompany {
  gateway!: TestGateway;
  chat!: Chat;

  constructor(
    readonly server: string,
    private readonly workspace: string,
    private readonly directory: string,
    private readonly peers: Record<string, string> = {},
  ) {}

  async start(): Promise<this> {
    await this.startChat();
    await this.startGateway();
    return this;
  }

  async startChat(port = 0): Promise<void> {
    this.chat = await startChat({
      port,
      databasePath: `${this.directory}/${this.workspace}-chat.sqlite`,
      workspace: { id: this.workspace, name: this.workspace },
      token: TOKEN,
      people: [
        { username: 'ada', displayName: `Ada of ${this.workspace}` },
        { username: 'bob', displayName: `Bob of ${this.workspace}` },
      ],
      channels: ['shared', 'general'],
    });
  }

  async startGateway(env: Record<string, string> = {}): Promise<void> {
    const url = `${this.chat.url}/causeway`;
    this.gateway = await startGateway(this.server, this.peers, {
      directory: this.directory,
      env: {
        CAUSEWAY_DATABASE_URL: `sqlite:${this.workspace}.sqlite`,
        CAUSEWAY_PLATFORMS: JSON.stringify([{ kind: 'http', workspace: this.workspace, url, token: TOKEN }]),
        ...env,
      },
    });
  }

  /** Somebody writes on the page. */
  async write(text: string, username = 'ada', channel = 'C1'): Promise<void> {
    const response = await fetch(`${this.chat.url}/api/channels/${channel}/messages?as=${username}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: `${text}-${username}`, text }),
    });
    if (!response.ok) throw new Error(`the chat answered ${String(response.status)} ${await response.text()}`);
  }

  /** All that a channel shows to a person, oldest first. */
  async messages(username = 'ada', channel = 'C1'): Promise<NativeMessage[]> {
    const all: (NativeMessage & { position: number })[] = [];
    for (let more = true; more;) {
      const before = all[0] === undefined ? '' : `&before=${String(all[0].position)}`;
      const path = `/api/channels/${channel}/messages?as=${username}&limit=200${before}`;
      const page = (await (await fetch(`${this.chat.url}${path}`)).json()) as { messages: typeof all; more: boolean };
      all.unshift(...page.messages);
      more = page.more;
    }
    return all;
  }

  async texts(username = 'ada', channel = 'C1'): Promise<string[]> {
    return (await this.messages(username, channel)).map(({ text }) => text);
  }

  map(roomId: RoomId, channel = 'C1') {
    return this.gateway.app.get(Bridge).map('http', this.workspace, channel, roomId);
  }

  async close(): Promise<void> {
    await this.gateway.close({ keepData: true });
    await this.chat.close();
  }
}

/** Maps the first channel of each to one room: `hub` makes it, `participant` is invited and joins by the handshake. */
export async function share(hub: TestCompany, participant: TestCompany): Promise<RoomId> {
  const roomId = await hub.gateway.rooms.create({ name: 'Shared' });
  await hub.map(roomId);
  await hub.gateway.rooms.invite(roomId, `@causeway:${participant.server}` as UserId);
  await until('the invite', async () => (await participant.gateway.rooms.invites()).length > 0);
  await participant.gateway.rooms.join(roomId);
  await participant.map(roomId);
  return roomId;
}
