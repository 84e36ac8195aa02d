import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Logger } from '@nestjs/common';
import { plainBody } from '../../../src/message/index.js';
import type {
  Call,
  InboundEvent,
  InboundPage,
  OutboundMessage,
  PlatformHost,
  RemoteAuthor,
} from '../../../src/platform/port.js';
import { SlackEdge } from '../../../src/platform/slack/edge.js';
import { SCOPES } from '../../../src/platform/slack/scopes.js';
import { SlackPlatform } from '../../../src/platform/slack/slack-platform.js';
import type { Channel, User } from '../../fakes/slack/model.js';
import { FakeSlack, type FakeSlackOptions, type FakeTeam } from '../../fakes/slack/slack.js';
import { until } from '../../support/until.js';

Logger.overrideLogger(false);

export const GRACE: RemoteAuthor = { id: '@grace:globex.example', displayName: 'Grace', server: 'globex.example' };

/** What the gateway is for the adapter: it keeps what it accepts, and fails on demand. */
export class FakeHost implements PlatformHost {
  readonly events: InboundEvent[] = [];
  readonly troubles: (string | undefined)[] = [];
  readonly files = new Map<string, { bytes: Buffer; mimeType: string; name: string }>();
  /** So many pages are refused, as by a database that is down. */
  failures = 0;
  /** ms before a page is durable. */
  slowMs = 0;
  /** Where the stream was left. */
  left: string | undefined;
  private readonly known = new Set<string>();

  cursor(): Promise<string | undefined> {
    return Promise.resolve(this.left);
  }

  async accept({ events, cursor }: InboundPage): Promise<void> {
    if (this.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, this.slowMs));
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the database is down');
    }
    for (const event of events) {
      if (this.known.has(event.nativeEventId)) continue;
      this.known.add(event.nativeEventId);
      this.events.push(event);
    }
    if (cursor !== undefined) this.left = cursor;
  }

  ephemeral(): void {
    // nothing of Slack is ephemeral
  }

  openFile(mxc: string) {
    const file = this.files.get(mxc);
    if (file === undefined) return Promise.reject(new Error(`no ${mxc}`));
    const { bytes, mimeType, name } = file;
    return Promise.resolve({ stream: Readable.from([bytes]), mimeType, size: bytes.length, name });
  }

  avatarUrl(mxc: string): string {
    return `https://acme.example/avatars/${createHash('sha256').update(mxc).digest('hex')}.png`;
  }

  trouble(problem: string | undefined): void {
    this.troubles.push(problem);
  }

  of<T extends InboundEvent['type']>(type: T): Extract<InboundEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<InboundEvent, { type: T }> => event.type === type);
  }
}

export interface SlackWorld {
  slack: FakeSlack;
  team: FakeTeam;
  ada: User;
  general: Channel;
  host: FakeHost;
  platform: SlackPlatform;
  edge: SlackEdge;
  close(): Promise<void>;
}

export interface WorldOptions extends FakeSlackOptions {
  events?: 'http' | 'socket';
  messageMs?: number;
  mentionEveryone?: boolean;
}

/** A workspace with Ada and the app in #general, and the adapter that stands by. */
export async function slackWorld(options: WorldOptions = {}): Promise<SlackWorld> {
  const { events = 'socket', messageMs = 1, mentionEveryone = false, ...fake } = options;
  const slack = await FakeSlack.start({ scale: 0.2, retryScale: 0.001, scopes: Object.keys(SCOPES), ...fake });
  const team = slack.addTeam('acme', 'Acme');
  const ada = team.workspace.addUser({ name: 'ada', realName: 'Ada Lovelace' });
  const general = team.workspace.addChannel({ name: 'general', members: [ada.id, team.workspace.app.botUser] });
  const host = new FakeHost();
  const edge = new SlackEdge(events === 'http' ? { host: '127.0.0.1', port: 0 } : undefined);
  const platform = platformOf(slack, team, edge, { events, messageMs, mentionEveryone });
  platform.start(host);
  if (events === 'http') {
    await until('Slack can reach us', () => edge.port !== undefined);
    const address = `http://127.0.0.1:${String(edge.port)}/slack`;
    const given = await slack.useEventsApi({
      events: `${address}/events`,
      commands: `${address}/commands`,
      interactivity: `${address}/interactivity`,
    });
    if (!given) throw new Error('the challenge was not given back');
  } else {
    await until('two connections stand', () => slack.socketMode.size === 2);
  }
  const close = async (): Promise<void> => {
    await platform.stop();
    await slack.close();
  };
  return { slack, team, ada, general, host, platform, edge, close };
}

export function platformOf(
  slack: FakeSlack,
  team: FakeTeam,
  edge: SlackEdge,
  {
    events,
    messageMs,
    mentionEveryone = false,
  }: { events: 'http' | 'socket'; messageMs: number; mentionEveryone?: boolean },
): SlackPlatform {
  return new SlackPlatform(
    {
      workspace: 'acme',
      tokens: { token: () => Promise.resolve(team.botToken) },
      mentionEveryone,
      slackApiUrl: slack.apiUrl,
      pace: { now: () => performance.now(), messageMs, patienceMs: 3_000 },
      ...(events === 'http' ? { signingSecret: slack.app.signingSecret } : { appToken: slack.app.appToken }),
    },
    edge,
  );
}

export const says = (text: string, more: Partial<OutboundMessage> = {}): OutboundMessage => ({
  kind: 'message',
  body: plainBody(text),
  author: GRACE,
  sentAt: Date.now(),
  ...more,
});

export const first = (key: string = randomUUID()): Call => ({ key, repeated: false });
export const again = (key: string): Call => ({ key, repeated: true });
