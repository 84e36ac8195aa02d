import { Args, Call, type Method } from './call.js';
import type { Conversations } from './conversations.js';
import type { Fault, Faults } from './faults.js';
import { type Request, type Response, argumentsOf, bearer, jsonResponse, textResponse } from './http.js';
import type { Installation } from './installation.js';
import type { Limits } from './limits.js';
import { METHODS, type MethodRule } from './methods-table.js';
import { type Channel, type Json, SlackError, type Token } from './model.js';
import type { Workspace } from './workspace.js';

export interface Team {
  readonly workspace: Workspace;
  readonly conversations: Conversations;
}

/** undefined: the connection is to be reset. */
export type Outcome = Response | undefined;

interface Arrived {
  readonly name: string;
  readonly rule: MethodRule;
  readonly args: Args;
  readonly warning: string | undefined;
  readonly token: Token | undefined;
}

export interface RecordedCall {
  readonly method: string;
  readonly args: Json;
  /** `ok`, Slack's error, or what befell the call. */
  readonly outcome: string;
}

/** `/api/<method>`: who may, how often, what goes wrong, and then the method itself. */
export class WebApi {
  /** Every call, oldest first. */
  readonly calls: RecordedCall[] = [];

  constructor(
    private readonly methods: Readonly<Record<string, Method>>,
    private readonly installation: Installation,
    private readonly team: (id: string) => Team | undefined,
    private readonly limits: Limits,
    private readonly faults: Faults,
    private readonly socketAddress: () => string,
  ) {}

  async answer(name: string, request: Request): Promise<Outcome> {
    let args: Json = {};
    let outcome: string;
    let response: Outcome;
    try {
      const parsed = argumentsOf(request);
      args = parsed.args;
      response = await this.arrived(name, request, parsed);
      outcome = response === undefined ? 'reset' : response.status === 200 ? 'ok' : `http ${response.status}`;
    } catch (error) {
      if (!(error instanceof SlackError)) throw error;
      outcome = error.code;
      response = jsonResponse(
        { ok: false, error: error.code, ...error.details },
        this.scopeHeaders(name, request, args),
      );
    }
    const shown = Object.fromEntries(Object.entries(args).filter(([argument]) => argument !== 'token'));
    this.calls.push({ method: name, args: shown, outcome });
    return response;
  }

  private async arrived(
    name: string,
    request: Request,
    parsed: { args: Json; json: boolean; warning?: string },
  ): Promise<Outcome> {
    const fault = this.faults.take(name);
    const early = earlyAnswer(fault);
    if (early !== 'none') return early.response;
    const rule = METHODS[name];
    if (rule === undefined) throw new SlackError('unknown_method', { req_method: name });
    const token = this.authenticate(rule, request, parsed.args);
    // Methods that take no JSON see none of it.
    const seen = parsed.json && !rule.json ? Object.fromEntries(request.url.searchParams) : parsed.args;
    const args = new Args(seen);
    const arrived = { name, rule, args, warning: parsed.warning, token };
    const wait = this.limits.take(token?.teamId ?? '', name, rule, args.text('channel') ?? '');
    if (wait > 0) return tooMany(Math.ceil(wait / 1_000));
    if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    const answer = await this.run(arrived, request);
    if (fault?.kind === 'lost') return undefined;
    if (fault?.kind === 'done-http') return edge(fault.status);
    return jsonResponse({ ok: true, ...answer }, this.scopeHeaders(name, request, parsed.args));
  }

  private authenticate(rule: MethodRule, request: Request, args: Json): Token | undefined {
    if (rule.token === 'none') return undefined;
    const value = bearer(request) ?? (typeof args.token === 'string' ? args.token : undefined);
    if (value === undefined) throw new SlackError('not_authed');
    return this.installation.check(value, rule.token);
  }

  private async run({ name, rule, args, warning, token }: Arrived, request: Request): Promise<Json> {
    const warnings = warning === undefined ? {} : { warning, response_metadata: { warnings: [warning] } };
    if (name === 'oauth.v2.access')
      return this.installation.access((field) => args.text(field) ?? basic(request, field));
    if (name === 'apps.connections.open') return { url: this.socketAddress(), ...warnings };
    if (token === undefined) return apiTest(args);
    const team = this.team(token.teamId);
    if (team === undefined) throw new SlackError('invalid_auth');
    const { workspace, conversations } = team;
    if (name === 'auth.test') return { ...identity(workspace, token), ...warnings };
    if (name === 'auth.revoke') return this.revoke(workspace, token, args);
    const call = new Call(name, args, workspace, conversations, token, this.limits, this.faults);
    call.needScope(...scopesFor(rule, call));
    const method = this.methods[name];
    if (method === undefined) throw new SlackError('unknown_method', { req_method: name });
    return { ...warnings, ...(await method(call)) };
  }

  private revoke(workspace: Workspace, token: Token, args: Args): Json {
    if (args.flag('test')) return { revoked: false };
    this.installation.revoke(token.value);
    workspace.emit({ type: 'tokens_revoked', tokens: { oauth: [], bot: [workspace.app.botUser] } });
    return { revoked: true };
  }

  private scopeHeaders(name: string, request: Request, args: Json): Record<string, string> {
    const value = bearer(request) ?? (typeof args.token === 'string' ? args.token : '');
    const token = this.installation.find(value);
    if (token === undefined) return {};
    const scopes = METHODS[name]?.scopes;
    const accepted: Record<string, string> =
      typeof scopes === 'object' ? { 'x-accepted-oauth-scopes': scopes.join(',') } : {};
    return { 'x-oauth-scopes': token.scopes.join(','), ...accepted };
  }
}

function apiTest(args: Args): Json {
  const error = args.text('error');
  if (error !== undefined) throw new SlackError(error, { args: args.values });
  return { args: args.values };
}

function scopesFor(rule: MethodRule, call: Call): string[] {
  if (typeof rule.scopes !== 'function') return [...rule.scopes];
  const kinds: Channel['kind'][] = ['channel', 'group', 'im', 'mpim'];
  const channel = call.workspace.channels.get(call.args.text('channel') ?? '');
  const kind = channel?.kind;
  // Of a conversation that is not there nobody knows the kind: any scope will do, and the method tells.
  return kind === undefined ? kinds.map(rule.scopes) : [rule.scopes(kind)];
}

const identity = (workspace: Workspace, token: Token): Json => ({
  url: `${workspace.origin()}/`,
  team: workspace.name,
  user: workspace.user(workspace.app.botUser).name,
  team_id: workspace.id,
  user_id: workspace.app.botUser,
  bot_id: workspace.app.botId,
  is_enterprise_install: false,
  ...(token.expiresAt === undefined ? {} : { expires_in: Math.floor((token.expiresAt - workspace.now()) / 1_000) }),
});

function basic(request: Request, field: string): string | undefined {
  const encoded = /^Basic (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [id, secret] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return field === 'client_id' ? id : field === 'client_secret' ? secret : undefined;
}

/** What a fault answers before anything is done. */
function earlyAnswer(fault: Fault | undefined): 'none' | { response: Outcome } {
  switch (fault?.kind) {
    case 'http':
      return { response: edge(fault.status) };
    case 'reset':
      return { response: undefined };
    case 'ratelimited':
      return { response: tooMany(fault.seconds) };
    case 'error':
      throw new SlackError(fault.error);
    default:
      return 'none';
  }
}

const edge = (status: number): Response => textResponse('upstream connect error', status);

const tooMany = (seconds: number): Response =>
  jsonResponse({ ok: false, error: 'ratelimited' }, { 'retry-after': String(seconds) }, 429);
