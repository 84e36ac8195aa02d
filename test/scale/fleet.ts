import { setTimeout as sleep } from 'node:timers/promises';
import { FastChat } from '../fakes/fast-chat.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { Balancer } from './balancer.js';

const CHAT_TOKEN = 'a-token-for-the-chat';

/** Several gateway processes of one company, on one database, behind a load balancer, and its chat. */
export class Fleet {
  private readonly members: GatewayProcess[] = [];
  private balancer!: Balancer;
  chat!: FastChat;
  kills = 0;

  constructor(
    readonly server: string,
    private readonly options: { databaseUrl: string; directory: string; channels: readonly string[] },
  ) {}

  get url(): string {
    return this.balancer.url;
  }

  /** Opens the ports; the gateways start later, when they can know where the other company is. */
  async open(size: number): Promise<this> {
    this.chat = await FastChat.start(this.workspace, this.options.channels);
    const { databaseUrl, directory } = this.options;
    const platforms = [{ kind: 'http', workspace: this.workspace, url: this.chat.url, token: CHAT_TOKEN }];
    const env = { CAUSEWAY_DATABASE_URL: databaseUrl, CAUSEWAY_PLATFORMS: JSON.stringify(platforms) };
    for (let n = 0; n < size; n++) {
      const name = `${this.server}-${String(n)}`;
      this.members.push(await GatewayProcess.prepare({ serverName: this.server, name, directory, env: { ...env } }));
    }
    this.balancer = await Balancer.start(this.members.map(({ federationPort }) => federationPort));
    return this;
  }

  async start(peers: Record<string, string>): Promise<void> {
    for (const member of this.members) member.set({ CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers) });
    await Promise.all(this.members.map((member) => member.start()));
  }

  /** Ends one process by SIGKILL and starts it again after a while. */
  async killOne(downMs: number): Promise<void> {
    const member = this.members[Math.floor(Math.random() * this.members.length)];
    if (member === undefined) return;
    await member.stop('SIGKILL');
    this.kills += 1;
    await sleep(downMs);
    await member.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await this.balancer.close();
    await this.chat.close();
  }

  admin<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    const [member] = this.members;
    if (member === undefined) throw new Error(`${this.server} has no gateway`);
    return member.admin<T>(method, path, body);
  }

  map(channel: string, roomId: string): Promise<unknown> {
    return this.admin('POST', 'mappings', { platform: 'http', workspace: this.workspace, channel, room_id: roomId });
  }

  get workspace(): string {
    return this.server.split('.')[0] ?? '';
  }
}
