import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { FastChat } from '../fakes/fast-chat.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { until } from '../support/until.js';

const ARRIVAL_MS = 90_000;
export const CHANNEL = 'C1';
const PAGE = 500;
/** People do not write all at once: a burst is several pages of the inbox. */
const BETWEEN_MS = 100;

export type Side = 'hub' | 'participant';
export const SIDES = ['hub', 'participant'] as const;
export const SERVERS = { hub: 'acme.example', participant: 'globex.example' } as const;

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
  /** The channels of each chat; the first is the shared one. */
  channels?: readonly string[];
  env?: Record<string, string>;
  nodeOptions?: readonly string[];
}

/** Two companies that share a channel: a chat in this process and a gateway process each. What people write is counted. */
export class Pair {
  private bursts = 0;
  private readonly written: { side: Side; text: string }[] = [];

  private constructor(
    private readonly directory: string,
    readonly companies: Readonly<Record<Side, Company>>,
    private roomId: string,
  ) {}

  static async start({
    databaseUrls,
    address,
    channels = [CHANNEL],
    env = {},
    nodeOptions = [],
  }: PairOptions): Promise<Pair> {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-faults-'));
    const make = async (side: Side): Promise<Company> => {
      const chat = await FastChat.start(side, channels);
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
    pair.roomId = await pair.invite();
    await pair.join(pair.roomId);
    for (const side of SIDES) await pair.map(side, CHANNEL, pair.roomId);
    return pair;
  }

  /** Somebody of a side writes; the text begins with # and is unique. */
  write(side: Side, text: string): void {
    this.companies[side].chat.write(CHANNEL, 'ada', text);
    this.written.push({ side, text });
  }

  /** People write on both sides at once for as long as `going` says so, and at most `most` messages each. */
  async burst(name: string, going: () => boolean, most = 200): Promise<void> {
    const burst = String(++this.bursts);
    for (let n = 0; n < most && going(); n++) {
      for (const side of SIDES) this.write(side, `#${burst} ${name} ${side} ${String(n)}`);
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
    const written = this.written.map(({ text }) => text);
    const texts = await this.sameLogs(this.roomId, written);
    for (const order of [texts, ...SIDES.map((side) => this.shown(side))]) {
      expect([...order].sort()).toEqual([...written].sort());
      for (const author of SIDES) {
        const words = new Set(this.written.filter(({ side }) => side === author).map(({ text }) => text));
        expect(order.filter((text) => words.has(text))).toEqual([...words]);
      }
    }
  }

  /** Waits until a room's log holds what was written, on both sides; checks that it is one log. Its messages, in order. */
  async sameLogs(roomId: string, written: readonly string[]): Promise<string[]> {
    const holdsAll = async (side: Side): Promise<boolean> =>
      (await this.messages(side, roomId)).length >= written.length;
    for (const side of SIDES) await until(`all is in the ${side}'s log`, () => holdsAll(side), ARRIVAL_MS);
    const [hub, participant] = [await this.messages('hub', roomId), await this.messages('participant', roomId)];
    const ids = new Set(participant.map(({ event_id: id }) => id));
    // What was said before the participant was there, it does not have.
    expect(participant.map(({ event_id: id }) => id)).toEqual(
      hub.map(({ event_id: id }) => id).filter((id) => ids.has(id)),
    );
    const texts = participant.map(({ content }) => content.body ?? '');
    expect([...texts].sort()).toEqual([...written].sort());
    return texts;
  }

  async stop(): Promise<void> {
    await Promise.all(SIDES.map((side) => this.companies[side].gateway.stop()));
    await Promise.all(SIDES.map((side) => this.companies[side].chat.close()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The hub makes a room and invites the other side. */
  async invite(): Promise<string> {
    const { hub, participant } = this.companies;
    const { room_id: roomId } = await hub.gateway.admin<{ room_id: string }>('POST', 'rooms', { name: 'Shared' });
    const body = { user_id: `@causeway:${participant.server}` };
    await hub.gateway.admin('POST', `rooms/${encodeURIComponent(roomId)}/invite`, body);
    return roomId;
  }

  /** The participant joins by the handshake. */
  async join(roomId: string): Promise<void> {
    await this.companies.participant.gateway.admin('POST', `rooms/${encodeURIComponent(roomId)}/join`, {});
  }

  async map(side: Side, channel: string, roomId: string): Promise<void> {
    const body = { platform: 'http', workspace: side, channel, room_id: roomId };
    await this.companies[side].gateway.admin('POST', 'mappings', body);
  }

  /** Events of the hub's rooms that the participant has not acknowledged. */
  async behind(): Promise<number> {
    const { destinations } = await this.companies.hub.gateway.admin<{
      destinations: { rooms: { behind: number }[] }[];
    }>('GET', 'destinations');
    return destinations.flatMap(({ rooms }) => rooms).reduce((sum, { behind }) => sum + behind, 0);
  }

  /** What a channel shows of what was written by `write`, or begins with # as well. */
  shown(side: Side, channel = CHANNEL): string[] {
    const { chat } = this.companies[side];
    return chat.messages(channel).flatMap(({ text }) => (text.startsWith('#') ? [text] : []));
  }

  private async messages(side: Side, roomId: string): Promise<LogEvent[]> {
    const all: LogEvent[] = [];
    for (let from = 0; ; from = (all.at(-1)?.position ?? -1) + 1) {
      const path = `rooms/${encodeURIComponent(roomId)}/events?from=${String(from)}&limit=${String(PAGE)}`;
      const { events } = await this.companies[side].gateway.admin<{ events: LogEvent[] }>('GET', path);
      all.push(...events);
      if (events.length < PAGE) return all.filter(({ type }) => type === 'm.room.message');
    }
  }
}
