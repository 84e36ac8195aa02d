import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { FastChat } from '../fakes/fast-chat.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { until } from '../support/until.js';

const ARRIVAL_MS = 90_000;
const CHANNEL = 'C1';
const PAGE = 500;
/** People do not write all at once: a burst is several pages of the inbox. */
const BETWEEN_MS = 100;

export type Side = 'hub' | 'participant';
export const SIDES = ['hub', 'participant'] as const;
const SERVERS = { hub: 'acme.example', participant: 'globex.example' } as const;

interface LogEvent {
  position: number;
  event_id: string;
  type: string;
  content: { body?: string };
}

interface Company {
  server: string;
  chat: FastChat;
  gateway: GatewayProcess;
}

export interface PairOptions {
  databaseUrls: Record<Side, string>;
  /** Where the other side reaches this one, when it is not the port of its gateway itself. */
  address?: (side: Side, port: number) => Promise<string>;
  env?: Record<string, string>;
  nodeOptions?: readonly string[];
}

/** Two companies that share a channel: a chat in this process and a gateway process each. What people write is counted. */
export class Pair {
  private readonly written: { side: Side; text: string }[] = [];

  private constructor(
    private readonly directory: string,
    readonly companies: Readonly<Record<Side, Company>>,
    private roomId: string,
  ) {}

  static async start({ databaseUrls, address, env = {}, nodeOptions = [] }: PairOptions): Promise<Pair> {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-faults-'));
    const make = async (side: Side): Promise<Company> => {
      const chat = await FastChat.start(side, [CHANNEL]);
      const platforms = [{ kind: 'http', workspace: side, url: chat.url, token: 'a-token-for-the-chat' }];
      const own = {
        CAUSEWAY_DATABASE_URL: databaseUrls[side],
        CAUSEWAY_PLATFORMS: JSON.stringify(platforms),
        ...env,
      };
      const options = { serverName: SERVERS[side], directory, build: 'dist-faults', env: own, nodeOptions } as const;
      return { server: SERVERS[side], chat, gateway: await GatewayProcess.prepare(options) };
    };
    const companies = { hub: await make('hub'), participant: await make('participant') };
    const peers: Record<string, string> = {};
    for (const side of SIDES) {
      const { server, gateway } = companies[side];
      const { federationPort: port } = gateway;
      peers[server] = (await address?.(side, port)) ?? `http://127.0.0.1:${String(port)}`;
    }
    for (const { gateway } of Object.values(companies))
      gateway.set({ CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers) });
    const pair = new Pair(directory, companies, '');
    await Promise.all(SIDES.map((side) => companies[side].gateway.start()));
    await pair.share();
    return pair;
  }

  /** Somebody of a side writes; the text begins with # and is unique. */
  write(side: Side, text: string): void {
    this.companies[side].chat.write(CHANNEL, 'ada', text);
    this.written.push({ side, text });
  }

  /** People write on both sides at once for as long as `going` says so, and at most `most` messages each. */
  async burst(name: string, going: () => boolean, most = 200): Promise<void> {
    for (let n = 0; n < most && going(); n++) {
      for (const side of SIDES) this.write(side, `#${name} ${side} ${String(n)}`);
      await sleep(BETWEEN_MS);
    }
  }

  /**
   * Waits until each side shows all that was ever written, and then some; then checks: nothing lost, nothing twice, each
   * author's words in their order, and one order of the log on both sides.
   */
  async settle(): Promise<void> {
    for (const side of SIDES) {
      const all = (): boolean => this.shown(side).length >= this.written.length;
      await until(`all is shown by the ${side}'s chat`, all, ARRIVAL_MS);
    }
    const logs = await this.logs();
    expect(logs.participant).toEqual(logs.hub);
    for (const side of SIDES) {
      const texts = this.shown(side);
      expect([...texts].sort()).toEqual(this.written.map(({ text }) => text).sort());
      expect([...(await this.texts(side))].sort()).toEqual([...texts].sort());
      for (const author of SIDES) {
        const words = this.written.filter((each) => each.side === author).map(({ text }) => text);
        expect(texts.filter((text) => words.includes(text))).toEqual(words);
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(SIDES.map((side) => this.companies[side].gateway.stop()));
    await Promise.all(SIDES.map((side) => this.companies[side].chat.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The hub makes the room and invites; the participant joins by the handshake. Each maps its first channel. */
  private async share(): Promise<void> {
    const { hub, participant } = this.companies;
    const { room_id: roomId } = await hub.gateway.admin<{ room_id: string }>('POST', 'rooms', { name: 'Shared' });
    this.roomId = roomId;
    const path = `rooms/${encodeURIComponent(roomId)}`;
    await hub.gateway.admin('POST', `${path}/invite`, { user_id: `@causeway:${participant.server}` });
    await participant.gateway.admin('POST', `${path}/join`, {});
    for (const side of SIDES) {
      const body = { platform: 'http', workspace: side, channel: CHANNEL, room_id: roomId };
      await this.companies[side].gateway.admin('POST', 'mappings', body);
    }
  }

  private shown(side: Side): string[] {
    const { chat } = this.companies[side];
    return chat.messages(CHANNEL).flatMap(({ text }) => (text.startsWith('#') ? [text] : []));
  }

  /** Ids of the messages in each side's log. */
  private async logs(): Promise<Record<Side, string[]>> {
    const read = async (side: Side): Promise<string[]> => (await this.messages(side)).map(({ event_id: id }) => id);
    return { hub: await read('hub'), participant: await read('participant') };
  }

  private async texts(side: Side): Promise<string[]> {
    return (await this.messages(side)).map(({ content }) => content.body ?? '');
  }

  private async messages(side: Side): Promise<LogEvent[]> {
    const all: LogEvent[] = [];
    for (let from = 0; ; from = (all.at(-1)?.position ?? -1) + 1) {
      const path = `rooms/${encodeURIComponent(this.roomId)}/events?from=${String(from)}&limit=${String(PAGE)}`;
      const { events } = await this.companies[side].gateway.admin<{ events: LogEvent[] }>('GET', path);
      all.push(...events);
      if (events.length < PAGE) return all.filter(({ type }) => type === 'm.room.message');
    }
  }
}
