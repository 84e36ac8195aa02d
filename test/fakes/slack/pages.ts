import { AVATAR } from './avatars.js';
import { type Request, type Response, argumentsOf, bearer, jsonResponse, textResponse, uploadedBytes } from './http.js';
import type { Installation } from './installation.js';
import { type Json, SlackError } from './model.js';
import type { Uploads } from './uploads.js';
import type { Team } from './web-api.js';

const MAX_RESPONSES = 5; // docs.slack.dev/interactivity/handling-user-interaction: five times within 30 minutes
const RESPONSE_MS = 1_800_000;

/** Where apps answer later to a command: a response_url. */
export class ResponseUrls {
  private readonly open = new Map<string, { until: number; left: number; take: (message: Json) => void }>();
  private count = 0;

  constructor(private readonly now: () => number) {}

  create(take: (message: Json) => void): string {
    this.count += 1;
    const id = String(this.count);
    this.open.set(id, { until: this.now() + RESPONSE_MS, left: MAX_RESPONSES, take });
    return `/commands/${id}`;
  }

  /** What Slack answers to a post there. */
  answer(id: string, message: Json): Response {
    const found = this.open.get(id);
    if (found === undefined || found.until < this.now())
      return jsonResponse({ ok: false, error: 'expired_url' }, {}, 404);
    if (found.left === 0) return jsonResponse({ ok: false, error: 'used_url' }, {}, 404);
    found.left -= 1;
    found.take(message);
    return textResponse('ok');
  }
}

/** Everything of Slack's web that is not `/api/`: uploads, files, avatars, installation, response_url. */
export class Pages {
  readonly responses = new ResponseUrls(() => Date.now());

  constructor(
    private readonly installation: Installation,
    private readonly uploads: Uploads,
    private readonly teams: () => readonly Team[],
  ) {}

  answer(request: Request): Response {
    const [, first = '', second = '', ...rest] = request.url.pathname.split('/');
    if (first === 'upload') return this.upload(rest[0] ?? '', request);
    if (first === 'files-pri') return this.file(second, request);
    if (first === 'avatars') return { status: 200, headers: { 'content-type': 'image/png' }, body: AVATAR };
    if (first === 'commands') return this.respond(second, request);
    if (first === 'oauth' && second === 'v2' && rest[0] === 'authorize') return this.authorize(request);
    if (first === 'signin') return login();
    return textResponse('not found', 404);
  }

  private upload(id: string, request: Request): Response {
    const bytes = uploadedBytes(request);
    return this.uploads.take(id, bytes) ? textResponse(`OK - ${bytes.length}`) : textResponse('error: bad upload', 400);
  }

  /** A private file: without a token that may read it Slack shows its sign-in page, with 200. */
  private file(name: string, request: Request): Response {
    const [teamId = '', fileId = ''] = name.split('-');
    const team = this.teams().find((each) => each.workspace.id === teamId);
    const file = team?.workspace.files.get(fileId);
    if (team === undefined || file === undefined || file.deleted) return textResponse('not found', 404);
    try {
      const token = this.installation.check(bearer(request) ?? '', 'bot');
      if (token.teamId !== teamId || !token.scopes.includes('files:read')) throw new SlackError('missing_scope');
    } catch (error) {
      if (!(error instanceof SlackError)) throw error;
      const redirect = `/signin?redir=${encodeURIComponent(request.url.pathname)}`;
      return { status: 302, headers: { location: redirect }, body: '' };
    }
    const disposition = request.url.pathname.includes('/download/') ? 'attachment' : 'inline';
    return {
      status: 200,
      headers: { 'content-type': file.mimetype, 'content-disposition': disposition },
      body: file.bytes,
    };
  }

  private respond(id: string, request: Request): Response {
    try {
      return this.responses.answer(id, argumentsOf(request).args);
    } catch (error) {
      if (!(error instanceof SlackError)) throw error;
      return jsonResponse({ ok: false, error: error.code }, {}, 400);
    }
  }

  /** Whoever comes here agrees: back to the app with a code. `team` picks the workspace. */
  private authorize(request: Request): Response {
    const query = request.url.searchParams;
    const wanted = query.get('team');
    const team = this.teams().find((each) => wanted === null || each.workspace.id === wanted);
    const redirect = query.get('redirect_uri') ?? this.installation.app.redirectUrls[0];
    if (team === undefined || redirect === undefined) return textResponse('invalid_team_for_non_distributed_app', 400);
    if (query.get('client_id') !== this.installation.app.clientId) return textResponse('invalid_client_id', 400);
    const back = new URL(redirect);
    if (query.get('refuse') === null) {
      const installer = [...team.workspace.users.values()].find((user) => user.bot === undefined)?.id ?? 'U0';
      const scopes = (query.get('scope') ?? '').split(',').filter((scope) => scope !== '');
      const code = this.installation.approve(team.workspace, installer, scopes, query.get('redirect_uri') ?? undefined);
      back.searchParams.set('code', code);
    } else {
      back.searchParams.set('error', 'access_denied');
    }
    const state = query.get('state');
    if (state !== null) back.searchParams.set('state', state);
    return { status: 302, headers: { location: back.href }, body: '' };
  }
}

const login = (): Response => ({
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!DOCTYPE html><title>Sign in to your workspace | Slack</title>',
});
