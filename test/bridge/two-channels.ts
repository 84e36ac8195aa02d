import { Bridge } from '../../src/bridge/bridge.js';
import { Inbox } from '../../src/bridge/inbox.js';
import { Platforms } from '../../src/platform/platforms.js';
import type { RoomId, UserId } from '../../src/protocol/index.js';
import type { StoredEvent } from '../../src/rooms/room-reader.js';
import { FastChat } from '../fakes/fast-chat.js';
import { type Capable, VisibleChannel } from '../fakes/visible-channel.js';
import { type TestGateway, freePort, startGateway, until } from '../support/gateway.js';

/** One company: a gateway whose chat is a channel that everybody sees. */
export class Side {
  gateway!: TestGateway;
  readonly channel: VisibleChannel;

  private constructor(
    readonly server: string,
    private readonly chat: FastChat,
    private readonly peers: Record<string, string>,
    private readonly env: Record<string, string>,
    private readonly capable: Capable,
  ) {
    this.channel = new VisibleChannel('C1');
  }

  static async start(
    server: string,
    peers: Record<string, string>,
    env: Record<string, string>,
    capable: Capable,
  ): Promise<Side> {
    const side = new Side(server, await FastChat.start(server, ['C1']), peers, env, capable);
    await side.startGateway();
    return side;
  }

  async startGateway(directory?: string): Promise<void> {
    const workspace = this.server;
    this.gateway = await startGateway(this.server, this.peers, {
      ...(directory === undefined ? {} : { directory }),
      env: {
        CAUSEWAY_FEDERATION_LISTEN: (this.peers[this.server] ?? '').replace('http://', ''),
        CAUSEWAY_PLATFORMS: JSON.stringify([{ kind: 'http', workspace, url: this.chat.url, token: 't' }]),
        ...this.env,
      },
    });
    const { accept } = this.gateway.app.get(Inbox).sinkFor('http', workspace);
    const [platform] = this.gateway.app.get(Platforms).all;
    if (platform === undefined) throw new Error('there is no platform');
    this.channel.takeOver(platform, accept, this.capable);
  }

  async restart(): Promise<void> {
    const { directory } = this.gateway;
    await this.gateway.close({ keepData: true });
    await this.startGateway(directory);
  }

  map(roomId: RoomId) {
    return this.gateway.app.get(Bridge).map('http', this.server, 'C1', roomId);
  }

  user(name: string): UserId {
    return `@${name}:${this.server}` as UserId;
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await this.chat.close();
  }
}

/** A room between a hub and a participant, with a channel in each. */
export class TwoChannels {
  private constructor(
    readonly hub: Side,
    readonly participant: Side,
    readonly roomId: RoomId,
  ) {}

  /** `envs`, `capables`: of the hub and of the participant. */
  static async start(
    envs: [Record<string, string>, Record<string, string>] = [{}, {}],
    capables: [Capable, Capable] = [{}, {}],
  ): Promise<TwoChannels> {
    const names = ['acme.example', 'globex.example'] as const;
    const ports = [await freePort(), await freePort()];
    const peers = Object.fromEntries(names.map((name, n) => [name, `http://127.0.0.1:${String(ports[n])}`]));
    const hub = await Side.start(names[0], peers, envs[0], capables[0]);
    const participant = await Side.start(names[1], peers, envs[1], capables[1]);
    const roomId = await hub.gateway.rooms.create({ name: 'Shared' });
    await hub.map(roomId);
    await hub.gateway.rooms.invite(roomId, participant.user('causeway'));
    await until('the invite', async () => (await participant.gateway.rooms.invites()).length > 0);
    await participant.gateway.rooms.join(roomId);
    await participant.map(roomId);
    await until('the join is told', () => hub.channel.texts().length > 0);
    hub.channel.shown.length = 0;
    return new TwoChannels(hub, participant, roomId);
  }

  /** Events of some types that a side has, oldest first. */
  async events(side: Side, ...types: string[]): Promise<StoredEvent[]> {
    const events = await side.gateway.reader.eventsAfter(this.roomId, -1, 10_000);
    return events.filter(({ pdu, rejected }) => types.includes(pdu.type) && !rejected);
  }

  /** Everything that was said has been carried everywhere. */
  async settled(): Promise<void> {
    await until('the last word', async () => {
      const heads = await Promise.all(
        [this.hub, this.participant].map(async (side) => (await side.gateway.reader.room(this.roomId))?.headPosition),
      );
      return heads[0] === heads[1] && (await isIdle(this.hub)) && (await isIdle(this.participant));
    });
  }

  async close(): Promise<void> {
    await this.hub.close();
    await this.participant.close();
  }
}

async function isIdle({ gateway }: Side): Promise<boolean> {
  const queries = [
    `SELECT COUNT(*) AS n FROM inbox WHERE state IN ('waiting', 'submitted')`,
    `SELECT COUNT(*) AS n FROM delivery WHERE state = 'intent'`,
    `SELECT COUNT(*) AS n FROM room_mapping m JOIN room r ON r.room_id = m.room_id WHERE m.carried_position < r.head_position`,
  ];
  for (const sql of queries) {
    const [row] = await gateway.database.read.query<{ n: number | string }[]>(sql);
    if (Number(row?.n) > 0) return false;
  }
  return true;
}
