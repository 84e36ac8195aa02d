import type { Conversations } from './conversations.js';
import type { Faults } from './faults.js';
import type { Limits } from './limits.js';
import { type Channel, type Json, SlackError, type Token, type User, isJson, jsonList } from './model.js';
import type { Workspace } from './workspace.js';

/** The arguments of a call, as form fields or JSON brought them. */
export class Args {
  constructor(readonly values: Json) {}

  text(name: string): string | undefined {
    const value = this.values[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'string' ? value : JSON.stringify(value);
  }

  need(name: string): string {
    const value = this.text(name);
    if (value !== undefined && value !== '') return value;
    throw invalidArguments(`[ERROR] missing required field: ${name}`);
  }

  flag(name: string): boolean {
    const value = this.text(name);
    return value === 'true' || value === '1';
  }

  count(name: string, standard: number, max: number): number {
    const value = this.text(name);
    if (value === undefined || value === '') return standard;
    const count = Number(value);
    if (!Number.isInteger(count) || count < 1) throw new SlackError('invalid_limit');
    return Math.min(count, max);
  }

  /** A structure: a form field holds it as JSON text. */
  structure(name: string, wrong = 'invalid_arguments'): unknown {
    const value = this.values[name];
    if (typeof value !== 'string') return value;
    if (value === '') return undefined;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      throw new SlackError(wrong);
    }
  }

  objects(name: string, wrong?: string): Json[] | undefined {
    const value = this.structure(name, wrong);
    return value === undefined ? undefined : jsonList(value);
  }

  object(name: string, wrong: string): Json | undefined {
    const value = this.structure(name, wrong);
    if (value === undefined || isJson(value)) return value;
    throw new SlackError(wrong);
  }
}

export const invalidArguments = (...messages: string[]): SlackError =>
  new SlackError('invalid_arguments', { response_metadata: { messages } });

/** One call of the Web API by an app that holds a good token. */
export class Call {
  constructor(
    readonly method: string,
    readonly args: Args,
    readonly workspace: Workspace,
    readonly conversations: Conversations,
    readonly token: Token,
    readonly limits: Limits,
    readonly faults: Faults,
  ) {}

  get bot(): User {
    return this.workspace.user(this.workspace.app.botUser);
  }

  /** Any of these, each of which may name alternatives by `|`. */
  needScope(...wanted: string[]): void {
    const any = wanted.flatMap((each) => each.split('|'));
    if (any.length === 0 || any.some((scope) => this.token.scopes.includes(scope))) return;
    throw new SlackError('missing_scope', { needed: any.join(','), provided: this.token.scopes.join(',') });
  }

  /** A conversation that the app may know of: public, or it is in it. */
  channel(id = this.args.need('channel')): Channel {
    const channel = this.workspace.channel(id);
    if (channel.kind !== 'channel' && !channel.members.has(this.bot.id)) throw new SlackError('channel_not_found');
    return channel;
  }

  /** A conversation that the app is in. */
  joined(id?: string): Channel {
    const channel = this.channel(id);
    if (!channel.members.has(this.bot.id)) throw new SlackError('not_in_channel');
    return channel;
  }

  /** A conversation that the app is in and may change. */
  live(id?: string): Channel {
    const channel = this.joined(id);
    if (channel.archived) throw new SlackError('is_archived');
    return channel;
  }
}

export type Method = (call: Call) => Json | Promise<Json>;

const CURSOR = 'at:';

export const cursorAt = (place: string): string => Buffer.from(`${CURSOR}${place}`).toString('base64');

export function placeOf(cursor: string | undefined): string | undefined {
  if (cursor === undefined || cursor === '') return undefined;
  const place = Buffer.from(cursor, 'base64').toString('utf8');
  if (!place.startsWith(CURSOR)) throw new SlackError('invalid_cursor');
  return place.slice(CURSOR.length);
}

/** One page of a list, and the cursor of the next ('' at the end). */
export function page<T>(all: readonly T[], args: Args, standard: number, max: number): { items: T[]; next: string } {
  const start = Number(placeOf(args.text('cursor')) ?? '0');
  const end = start + args.count('limit', standard, max);
  return { items: all.slice(start, end), next: end < all.length ? cursorAt(String(end)) : '' };
}
