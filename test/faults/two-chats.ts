import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Chat, startChat } from '../../demo/chat/server.js';
import { GatewayProcess } from '../support/gateway-process.js';
import { FlakyFront } from './flaky-front.js';

export const SIDES = ['acme', 'globex'] as const;
export type Side = (typeof SIDES)[number];
const PEOPLE = { acme: ['ada', 'alan'], globex: ['grace', 'guido'] } as const;
const TOKEN = 'a-token-for-the-chat';
const EMOJI = [
  ['+1', '👍'],
  ['tada', '🎉'],
  ['heart', '❤️'],
] as const;
const SETTLE_MS = 240_000;

interface View {
  id: string;
  position: number;
  kind: 'message' | 'notice';
  author?: { id: string; display_name: string; server?: string };
  text: string;
  reply_to?: string;
  thread_root?: string;
  in_channel: boolean;
  reactions: { unicode?: string; shortcode: string; people: { id: string; display_name: string; server?: string }[] }[];
}

/** A message as people see it, whichever side they are on. */
export interface Visible {
  /** What never changes of it: `#17`. */
  name: string;
  author: string;
  text: string;
  thread: string;
  answers: string;
  reactions: string[];
}

interface Written {
  name: string;
  /** Of the thread's first message; '' in none. Without that a thread is seen by nobody, or its messages alone: as it came. */
  root: string;
  side: Side;
  person: string;
  id: string;
}

interface Company {
  chat: Chat;
  front: FlakyFront;
  gateway: GatewayProcess;
}

/** Two companies with a demo chat and a gateway process each, whose people do anything at random. */
export class TwoChats {
  private readonly written: Written[] = [];
  private readonly gone = new Set<string>();
  private count = 0;
  readonly did = new Map<string, number>();
  kills = 0;

  private constructor(
    private readonly directory: string,
    readonly companies: Readonly<Record<Side, Company>>,
    private readonly random: () => number,
  ) {}

  static async start(random: () => number, failing: number): Promise<TwoChats> {
    const directory = mkdtempSync(join(tmpdir(), 'causeway-conversation-'));
    const make = async (side: Side): Promise<Company> => {
      const chat = await startChat({
        port: 0,
        databasePath: join(directory, `${side}-chat.sqlite`),
        workspace: { id: side, name: side },
        token: TOKEN,
        people: PEOPLE[side].map((username) => ({ username, displayName: username })),
        channels: ['shared'],
      });
      const front = await FlakyFront.start(chat.url, failing, random);
      const platforms = [{ kind: 'http', workspace: side, url: `${front.url}/causeway`, token: TOKEN }];
      const env = {
        CAUSEWAY_DATABASE_URL: `sqlite:${side}.sqlite`,
        CAUSEWAY_PLATFORMS: JSON.stringify(platforms),
      };
      const options = { serverName: `${side}.example`, directory, build: 'dist-faults', env } as const;
      return { chat, front, gateway: await GatewayProcess.prepare(options) };
    };
    const companies = { acme: await make('acme'), globex: await make('globex') };
    const peers = Object.fromEntries(
      SIDES.map((side) => [`${side}.example`, `http://127.0.0.1:${String(companies[side].gateway.federationPort)}`]),
    );
    for (const side of SIDES) companies[side].gateway.set({ CAUSEWAY_FEDERATION_PEERS: JSON.stringify(peers) });
    await Promise.all(SIDES.map((side) => companies[side].gateway.start()));
    const { acme, globex } = companies;
    const { room_id: roomId } = await acme.gateway.admin<{ room_id: string }>('POST', 'rooms', { name: 'Shared' });
    const room = `rooms/${encodeURIComponent(roomId)}`;
    await acme.gateway.admin('POST', `${room}/invite`, { user_id: '@causeway:globex.example' });
    await globex.gateway.admin('POST', `${room}/join`, {});
    for (const side of SIDES) {
      const body = { platform: 'http', workspace: side, channel: 'C1', room_id: roomId };
      await companies[side].gateway.admin('POST', 'mappings', body);
    }
    return new TwoChats(directory, companies, random);
  }

  async stop(): Promise<void> {
    for (const side of SIDES) {
      const { gateway, front, chat } = this.companies[side];
      await gateway.stop();
      await front.close();
      await chat.close();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A gateway dies as it is, and starts again. */
  async kill(side: Side): Promise<void> {
    this.kills += 1;
    const { gateway } = this.companies[side];
    await gateway.stop('SIGKILL');
    await gateway.start();
  }

  /** Somebody of either side does something. */
  async act(): Promise<void> {
    const side = this.pick(SIDES);
    const person = this.pick(PEOPLE[side]);
    const dice = this.random();
    const own = this.written.filter(
      (each) => each.side === side && each.person === person && !this.gone.has(each.name),
    );
    if (dice < 0.45 || own.length === 0) return this.write(side, person);
    const chosen = this.pick(own.slice(-30));
    if (dice < 0.62) return this.edit(chosen);
    if (dice < 0.7) return this.remove(chosen);
    return this.react(side, person);
  }

  /** Waits until both sides show the same, or gives what they show when they do not. */
  async settled(): Promise<{ acme: Visible[]; globex: Visible[]; expected: number }> {
    const expected = this.written.filter((each) => this.isSure(each)).length;
    let shown: { acme: Visible[]; globex: Visible[] } | undefined;
    const same = async (): Promise<boolean> => {
      shown = { acme: await this.visible('acme'), globex: await this.visible('globex') };
      const [one, other] = [shown.acme, shown.globex];
      return one.length === expected && JSON.stringify(one) === JSON.stringify(other);
    };
    const end = Date.now() + SETTLE_MS;
    while (!(await same()) && Date.now() < end) await sleep(500);
    return { ...(shown ?? { acme: [], globex: [] }), expected };
  }

  /** It stands, and so does the message under which it hangs. */
  private isSure({ name, root }: Pick<Written, 'name' | 'root'>): boolean {
    return !this.gone.has(name) && !this.gone.has(root);
  }

  private async write(side: Side, person: string): Promise<void> {
    const name = `#${String(++this.count)}#`;
    const there = await this.views(side);
    const target = there.length > 0 && this.random() < 0.4 ? this.pick(there.slice(-20)) : undefined;
    const inThread = this.random() < 0.5;
    const place =
      target === undefined
        ? {}
        : inThread
          ? { thread: target.thread_root ?? target.id, also_to_channel: this.random() < 0.3 }
          : { reply_to: target.id };
    const kind = target === undefined ? 'message' : inThread ? 'thread' : 'answer';
    const text = `${name} by **${person}** with \`code\``;
    const posted = (await this.page(side, person, 'POST', 'messages', { client_id: name, text, ...place })) as
      { id: string } | undefined;
    if (posted === undefined) return;
    const rootId = inThread ? (target?.thread_root ?? target?.id) : undefined;
    const root = nameIn(there.find(({ id }) => id === rootId)?.text ?? '') ?? '';
    this.written.push({ name, root, side, person, id: posted.id });
    this.note(kind);
  }

  private async edit({ name, side, person, id }: Written): Promise<void> {
    const text = `${name} edited *${String(Math.floor(this.random() * 1_000))}*`;
    await this.page(side, person, 'PUT', `messages/${id}`, { text });
    this.note('edit');
  }

  private async remove({ name, side, person, id }: Written): Promise<void> {
    await this.page(side, person, 'DELETE', `messages/${id}`);
    this.gone.add(name);
    this.note('delete');
  }

  private async react(side: Side, person: string): Promise<void> {
    const there = await this.views(side);
    if (there.length === 0) return;
    const { id, reactions } = this.pick(there.slice(-30));
    const [shortcode, unicode] = this.pick(EMOJI);
    const mine = reactions.some(
      (reaction) => reaction.shortcode === shortcode && reaction.people.some((each) => each.display_name === person),
    );
    const body = { change: mine ? 'remove' : 'add', emoji: { shortcode, unicode } };
    await this.page(side, person, 'POST', `messages/${id}/reactions`, body);
    this.note('reaction');
  }

  private note(what: string): void {
    this.did.set(what, (this.did.get(what) ?? 0) + 1);
  }

  private pick<T>(list: readonly T[]): T {
    const chosen = list[Math.floor(this.random() * list.length)];
    if (chosen === undefined) throw new Error('there is nothing to choose from');
    return chosen;
  }

  private async page(side: Side, person: string, method: string, path: string, body?: unknown): Promise<unknown> {
    const { url } = this.companies[side].chat;
    const response = await fetch(`${url}/api/channels/C1/${path}${path.includes('?') ? '&' : '?'}as=${person}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    if (response.status === 204) return undefined;
    if (response.ok) return response.json();
    if (response.status === 404) return undefined; // somebody was quicker, and took it away
    throw new Error(`${method} ${path}: ${String(response.status)} ${await response.text()}`);
  }

  /** The newest page, as somebody sees it. */
  private async views(side: Side, before = ''): Promise<View[]> {
    const path = `messages?limit=200${before}`;
    const { messages } = (await this.page(side, PEOPLE[side][0], 'GET', path)) as { messages: View[] };
    return messages.filter(({ kind }) => kind === 'message');
  }

  /** All that a side shows, in the channel and in threads, by name. */
  private async visible(side: Side): Promise<Visible[]> {
    const all = new Map<string, View>();
    for (let before = '', more = true; more;) {
      const path = `messages?limit=200${before}`;
      const page = (await this.page(side, PEOPLE[side][0], 'GET', path)) as { messages: View[]; more: boolean };
      for (const view of page.messages) all.set(view.id, view);
      before = `&before=${String(page.messages[0]?.position ?? 1)}`;
      more = page.more;
    }
    for (const { id, replies } of [...all.values()] as (View & { replies: number })[]) {
      if (replies === 0) continue;
      const thread = (await this.page(side, PEOPLE[side][0], 'GET', `threads/${id}`)) as
        { messages: View[] } | undefined;
      for (const view of thread?.messages ?? []) all.set(view.id, view);
    }
    const sure = new Set(this.written.filter((each) => this.isSure(each)).map(({ name }) => name));
    const nameOf = (id: string | undefined): string => {
      const name = nameIn(all.get(id ?? '')?.text ?? '') ?? '';
      return sure.has(name) ? name : '';
    };
    return [...all.values()]
      .filter(({ id, kind }) => kind === 'message' && nameOf(id) !== '')
      .map((view) => ({
        name: nameOf(view.id),
        author: view.author?.display_name ?? '',
        text: view.text.replace(/[*`]/g, ''), // what one typed is Markdown, what comes from outside is not
        thread: nameOf(view.thread_root),
        answers: nameOf(view.reply_to),
        reactions: view.reactions
          .flatMap(({ shortcode, people }) => people.map((person) => `${shortcode} ${person.display_name}`))
          .sort(),
      }))
      .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }
}

const nameIn = (text: string): string | undefined => /#\d+#/.exec(text)?.[0];
