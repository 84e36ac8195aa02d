import { randomBytes } from 'node:crypto';
import type { FakeClock } from './clock.js';
import { type Json, SlackError, type Token } from './model.js';
import type { Workspace } from './workspace.js';

const EXPIRES_S = 43_200; // docs.slack.dev/authentication/using-token-rotation: 12 hours

/** What the settings pages of an app hold. */
export interface AppSettings {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly signingSecret: string;
  readonly verificationToken: string;
  /** App-level token with connections:write. */
  readonly appToken: string;
  /** The scopes that an installation grants. */
  scopes: string[];
  redirectUrls: string[];
  tokenRotation: boolean;
}

interface Grant {
  readonly workspace: Workspace;
  readonly installer: string;
  readonly scopes: string[];
  readonly redirect: string | undefined;
}

/** The app's installations: authorization codes, tokens, their rotation and end. */
export class Installation {
  private readonly tokens = new Map<string, Token>();
  private readonly codes = new Map<string, Grant>();
  private readonly refreshTokens = new Map<string, { workspace: Workspace; scopes: string[]; installer: string }>();

  constructor(
    readonly app: AppSettings,
    private readonly clock: FakeClock,
  ) {
    this.tokens.set(app.appToken, {
      value: app.appToken,
      kind: 'app',
      teamId: '',
      scopes: ['connections:write'],
      state: 'valid',
    });
  }

  /** A bot token as an installation from the settings page gives. */
  tokenFor(workspace: Workspace, scopes: readonly string[] = this.app.scopes): string {
    return this.issue(workspace, scopes, undefined).value;
  }

  /** Somebody of the workspace agrees to the installation. */
  approve(workspace: Workspace, installer: string, scopes: readonly string[], redirect: string | undefined): string {
    const code = randomBytes(12).toString('hex');
    this.codes.set(code, { workspace, installer, scopes: [...scopes], redirect });
    return code;
  }

  find(value: string): Token | undefined {
    return this.tokens.get(value);
  }

  scopesOf(workspace: Workspace): readonly string[] {
    const valid = [...this.tokens.values()].filter((each) => each.teamId === workspace.id && each.state === 'valid');
    return valid.at(-1)?.scopes ?? [];
  }

  /** Throws what Slack answers for a token that is not good. */
  check(value: string, kind: Token['kind']): Token {
    const token = this.tokens.get(value);
    if (token === undefined) throw new SlackError('invalid_auth');
    if (token.state === 'revoked') throw new SlackError('token_revoked');
    if (token.state === 'inactive') throw new SlackError('account_inactive');
    if (token.expiresAt !== undefined && this.clock.now() >= token.expiresAt) throw new SlackError('token_expired');
    if (token.kind !== kind) throw new SlackError('not_allowed_token_type');
    return token;
  }

  revoke(value: string): void {
    const token = this.tokens.get(value);
    if (token !== undefined) token.state = 'revoked';
  }

  /** Ends all tokens of a workspace. */
  end(workspace: Workspace, state: 'revoked' | 'inactive'): string[] {
    const ended = [...this.tokens.values()].filter((each) => each.teamId === workspace.id);
    for (const token of ended) token.state = state;
    for (const [value, grant] of this.refreshTokens)
      if (grant.workspace === workspace) this.refreshTokens.delete(value);
    return ended.map((token) => token.value);
  }

  /** oauth.v2.access: a code or a refresh token for a token. */
  access(field: (name: string) => string | undefined): Json {
    if (field('client_id') !== this.app.clientId) throw new SlackError('invalid_client_id');
    if (field('client_secret') !== this.app.clientSecret) throw new SlackError('bad_client_secret');
    if (field('grant_type') === 'refresh_token') return this.rotate(field('refresh_token') ?? '');
    const code = field('code') ?? '';
    const grant = this.codes.get(code);
    if (grant === undefined) throw new SlackError('invalid_code');
    if (grant.redirect !== field('redirect_uri')) throw new SlackError('bad_redirect_uri');
    this.codes.delete(code);
    grant.workspace.installed = true;
    return this.granted(grant.workspace, grant.scopes, grant.installer);
  }

  private rotate(refreshToken: string): Json {
    const grant = this.refreshTokens.get(refreshToken);
    if (grant === undefined) throw new SlackError('invalid_refresh_token');
    this.refreshTokens.delete(refreshToken);
    return this.granted(grant.workspace, grant.scopes, grant.installer);
  }

  private granted(workspace: Workspace, scopes: string[], installer: string): Json {
    const token = this.issue(workspace, scopes, this.app.tokenRotation ? EXPIRES_S : undefined);
    const rotation: Json = {};
    if (this.app.tokenRotation) {
      const refresh = `xoxe-1-${randomBytes(16).toString('hex')}`;
      this.refreshTokens.set(refresh, { workspace, scopes, installer });
      Object.assign(rotation, { refresh_token: refresh, expires_in: EXPIRES_S });
    }
    return {
      app_id: this.app.id,
      authed_user: { id: installer },
      scope: token.scopes.join(','),
      token_type: 'bot',
      access_token: token.value,
      bot_user_id: workspace.app.botUser,
      ...rotation,
      team: { id: workspace.id, name: workspace.name },
      enterprise: null,
      is_enterprise_install: false,
    };
  }

  private issue(workspace: Workspace, scopes: readonly string[], expiresInS: number | undefined): Token {
    const secret = randomBytes(12).toString('hex');
    const value = expiresInS === undefined ? `xoxb-${workspace.id}-${secret}` : `xoxe.xoxb-1-${workspace.id}-${secret}`;
    const expiry = expiresInS === undefined ? {} : { expiresAt: this.clock.now() + expiresInS * 1_000 };
    const token: Token = { value, kind: 'bot', teamId: workspace.id, scopes: [...scopes], ...expiry, state: 'valid' };
    this.tokens.set(value, token);
    return token;
  }
}
