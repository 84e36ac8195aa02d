import { randomUUID } from 'node:crypto';
import { seeded } from './clock.js';
import type { Delivery, Timers, Transport } from './deliveries.js';
import { scopeOfEvent } from './methods-table.js';
import type { Channel, Json } from './model.js';
import { textOf } from './model.js';
import type { Workspace } from './workspace.js';

/** Told to the app although it is not in the channel, when the channel is public. */
const TOLD_TO_ALL = new Set([
  'channel_created',
  'channel_rename',
  'channel_archive',
  'channel_unarchive',
  'channel_deleted',
  'channel_id_changed',
  'channel_shared',
  'channel_unshared',
]);
/** Sent whatever the scopes are. */
const ALWAYS = new Set(['app_uninstalled', 'tokens_revoked', 'app_rate_limited']);

export interface Disorder {
  seed: number;
  /** How many events at most wait while others overtake them; those of one channel keep their order. */
  window: number;
}

/** Decides which events the app is sent, wraps them, and hands them to Socket Mode or the Events API. */
export class Outbox {
  /** Everything that was sent, oldest first. */
  readonly sent: Delivery[] = [];
  private duplicates: { rate: number; random: () => number } | undefined;
  private disorder: (Disorder & { random: () => number }) | undefined;
  private waiting: { channel: string; delivery: Delivery }[] = [];
  private paused = false;

  constructor(
    private readonly transport: () => Transport | undefined,
    private readonly scopesOf: (workspace: Workspace) => readonly string[],
    private readonly identity: { id: string; verificationToken: string },
    private readonly timers: Timers,
  ) {}

  /** Each event comes again with this probability, under the same event_id. 0: never. */
  duplicate(rate: number, seed = 1): void {
    this.duplicates = rate === 0 ? undefined : { rate, random: seeded(seed) };
  }

  /** Events of different channels overtake each other. undefined: no more. */
  reorder(disorder: Disorder | undefined): void {
    this.disorder = disorder === undefined ? undefined : { ...disorder, random: seeded(disorder.seed) };
    if (disorder === undefined) this.release(0);
  }

  /** Nothing is sent until resume; then all that waited, in order. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.release(0);
  }

  accept(workspace: Workspace, event: Json, channel: Channel | undefined): void {
    if (!this.wanted(workspace, event, channel)) return;
    const delivery: Delivery = {
      type: 'events_api',
      payload: this.envelope(workspace, event, channel),
      attempts: [],
      state: 'waiting',
    };
    this.waiting.push({ channel: channel?.id ?? '', delivery });
    if (this.paused) return;
    this.release(this.disorder?.window ?? 0);
    // What is held back for its disorder goes in the end also when nothing follows.
    if (this.waiting.length > 0) this.timers.after(100, () => !this.paused && this.release(0));
  }

  /** A command or an interaction: sent at once, never duplicated. */
  ask(type: 'slash_commands' | 'interactive', payload: Json): Delivery {
    const delivery: Delivery = { type, payload, attempts: [], state: 'waiting' };
    this.send(delivery);
    return delivery;
  }

  private release(keep: number): void {
    while (this.waiting.length > keep) {
      const heads = this.waiting.filter(
        (each, index) => this.waiting.findIndex((x) => x.channel === each.channel) === index,
      );
      const pick = heads[Math.floor((this.disorder?.random() ?? 0) * heads.length)] ?? heads[0];
      if (pick === undefined) return;
      this.waiting.splice(this.waiting.indexOf(pick), 1);
      this.send(pick.delivery);
      if (this.duplicates !== undefined && this.duplicates.random() < this.duplicates.rate) {
        this.send({ ...pick.delivery, attempts: [] });
      }
    }
  }

  private send(delivery: Delivery): void {
    this.sent.push(delivery);
    const transport = this.transport();
    if (transport === undefined) delivery.state = 'lost';
    else transport.deliver(delivery);
  }

  private wanted(workspace: Workspace, event: Json, channel: Channel | undefined): boolean {
    const type = textOf(event.type);
    if (ALWAYS.has(type)) return true;
    if (!workspace.installed) return false;
    const scope = scopeOfEvent(type, channel?.kind);
    if (scope !== undefined && !this.scopesOf(workspace).includes(scope)) return false;
    if (channel === undefined || channel.members.has(workspace.app.botUser)) return true;
    return channel.kind === 'channel' && TOLD_TO_ALL.has(type);
  }

  private envelope(workspace: Workspace, event: Json, channel: Channel | undefined): Json {
    return {
      token: this.identity.verificationToken,
      team_id: workspace.id,
      context_team_id: workspace.id,
      context_enterprise_id: null,
      api_app_id: this.identity.id,
      event,
      type: 'event_callback',
      event_id: workspace.newId('Ev'),
      event_time: workspace.seconds(),
      authorizations: [
        {
          enterprise_id: null,
          team_id: workspace.id,
          user_id: workspace.app.botUser,
          is_bot: true,
          is_enterprise_install: false,
        },
      ],
      is_ext_shared_channel: (channel?.connectedTeams.size ?? 0) > 0,
      event_context: `4-${randomUUID()}`,
    };
  }
}
