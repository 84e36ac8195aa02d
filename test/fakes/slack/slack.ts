import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from './clock.js';
import { Conversations } from './conversations.js';
import { Timers, type Transport } from './deliveries.js';
import { type Addresses, EventsApi } from './events-api.js';
import { Faults } from './faults.js';
import { requestOf } from './http.js';
import { type AppSettings, Installation } from './installation.js';
import { Limits } from './limits.js';
import { ALL_SCOPES } from './methods-table.js';
import { CHAT } from './methods/chat.js';
import { CONVERSATIONS } from './methods/conversations.js';
import { fileMethods } from './methods/files.js';
import { PEOPLE } from './methods/people.js';
import { REACTIONS } from './methods/reactions.js';
import { Outbox } from './outbox.js';
import { People } from './people.js';
import { Pages } from './pages.js';
import { SocketMode } from './socket-mode.js';
import { Uploads } from './uploads.js';
import { type VisibleMessage, visible } from './visible.js';
import { type Outcome, type Team, WebApi } from './web-api.js';
import { Workspace } from './workspace.js';

export interface FakeSlackOptions {
  /** Real ms for each ms of Slack's time to acknowledge, and of its other times. */
  scale?: number;
  /** The same for the times between retries; the scale when it is left out. */
  retryScale?: number;
  scopes?: readonly string[];
  tokenRotation?: boolean;
  clock?: FakeClock;
}

/** One workspace with all that a test does to it. */
export interface FakeTeam extends Team {
  /** What people do, with the events that it causes. */
  readonly people: People;
  /** A bot token with the app's scopes. */
  readonly botToken: string;
  /** The conversation as a person sees it, by id or name. */
  visible(channel: string): VisibleMessage[];
}

/** Slack in memory: workspaces, the Web API, the Events API, Socket Mode, files. One app, Causeway. */
export class FakeSlack {
  readonly faults = new Faults();
  readonly limits = new Limits();
  readonly installation: Installation;
  readonly socketMode: SocketMode;
  readonly outbox: Outbox;
  readonly api: WebApi;
  readonly app: AppSettings;
  private readonly teams = new Map<string, FakeTeam>();
  private readonly timers: Timers;
  private readonly pages: Pages;
  private readonly http: Server;
  private eventsApi: EventsApi | undefined;

  private constructor(
    options: FakeSlackOptions,
    readonly clock: FakeClock,
  ) {
    this.timers = new Timers(options.scale ?? 1, options.retryScale ?? options.scale ?? 1);
    this.app = {
      id: 'A0CAUSEWAY',
      name: 'Causeway',
      clientId: '1234567890.9876543210',
      clientSecret: secret(),
      signingSecret: secret(),
      verificationToken: secret(),
      appToken: `xapp-1-A0CAUSEWAY-${secret()}`,
      scopes: [...(options.scopes ?? ALL_SCOPES)],
      redirectUrls: [],
      tokenRotation: options.tokenRotation ?? false,
    };
    this.installation = new Installation(this.app, clock);
    this.socketMode = new SocketMode(this.app.id, this.timers);
    this.outbox = new Outbox(
      () => this.transport(),
      (workspace) => this.installation.scopesOf(workspace),
      this.app,
      this.timers,
    );
    const uploads = new Uploads();
    const methods = { ...CHAT, ...CONVERSATIONS, ...PEOPLE, ...REACTIONS, ...fileMethods(uploads, this.timers) };
    this.api = new WebApi(
      methods,
      this.installation,
      (id) => this.teams.get(id),
      this.limits,
      this.faults,
      () => this.socketMode.ticket(this.origin),
    );
    this.pages = new Pages(this.installation, uploads, () => [...this.teams.values()]);
    this.http = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    this.http.on('upgrade', (request, socket) => this.socketMode.accept(request, socket));
  }

  static async start(options: FakeSlackOptions = {}): Promise<FakeSlack> {
    const slack = new FakeSlack(options, options.clock ?? new FakeClock());
    slack.http.listen(0, '127.0.0.1');
    await once(slack.http, 'listening');
    return slack;
  }

  get origin(): string {
    return `http://127.0.0.1:${String((this.http.address() as AddressInfo).port)}`;
  }

  /** `slackApiUrl` of the official SDK. */
  get apiUrl(): string {
    return `${this.origin}/api/`;
  }

  /** A new workspace with the app installed. */
  addTeam(domain: string, name = domain): FakeTeam {
    const id = `T0${String(this.teams.size + 1).padStart(3, '0')}`;
    const workspace = new Workspace(id, domain, name, this.clock, this.app.id, this.app.name, () => this.origin);
    const conversations = new Conversations(workspace);
    workspace.onEvent((from, event, channel) => this.outbox.accept(from, event, channel));
    const people = new People(workspace, conversations, this.outbox, this.installation, this.pages.responses);
    const botToken = this.installation.tokenFor(workspace);
    const team: FakeTeam = {
      workspace,
      conversations,
      people,
      botToken,
      visible: (channel) => visible(workspace, people.channel(channel)),
    };
    this.teams.set(id, team);
    return team;
  }

  /** Events go to these addresses from now on, instead of Socket Mode. Resolves to whether the app gave the challenge back. */
  async useEventsApi(addresses: Addresses): Promise<boolean> {
    const { signingSecret, verificationToken } = this.app;
    this.eventsApi = new EventsApi(addresses, signingSecret, verificationToken, this.clock, this.timers);
    return this.eventsApi.verifyAddress();
  }

  async close(): Promise<void> {
    this.timers.close();
    this.socketMode.close();
    this.eventsApi?.close();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  private transport(): Transport {
    return this.eventsApi ?? this.socketMode;
  }

  private async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await requestOf(message, this.origin);
    const method = /^\/api\/([\w.]+)$/.exec(request.url.pathname)?.[1];
    const outcome: Outcome = method === undefined ? this.pages.answer(request) : await this.api.answer(method, request);
    if (outcome === undefined) message.socket.resetAndDestroy();
    else response.writeHead(outcome.status, outcome.headers).end(outcome.body);
  }
}

const secret = (): string => randomBytes(16).toString('hex');
