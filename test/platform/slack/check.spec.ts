import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli } from '../../../src/cli/run-cli.js';
import { BOT_EVENTS, SCOPES } from '../../../src/platform/slack/scopes.js';
import { FakeSlack, type FakeTeam } from '../../fakes/slack/slack.js';
import { slackWorld } from './workspace.js';

let slack: FakeSlack;
let team: FakeTeam;

const check = async (settings: object, ...flags: string[]) => {
  let [out, err] = ['', ''];
  const platform = { kind: 'slack', workspace: 'acme', api_url: slack.apiUrl, ...settings };
  const code = await runCli(['slack', 'check', ...flags], {
    env: {
      CAUSEWAY_SERVER_NAME: 'acme.example',
      CAUSEWAY_ADMIN_TOKEN: 'a-token-for-the-tests',
      CAUSEWAY_SLACK_LISTEN: '127.0.0.1:0',
      CAUSEWAY_PLATFORMS: JSON.stringify([platform]),
    },
    directory: tmpdir(),
    out: (text) => (out += text),
    err: (text) => (err += text),
  });
  return { code, out, err };
};

beforeEach(async () => {
  slack = await FakeSlack.start({ scopes: Object.keys(SCOPES) });
  team = slack.addTeam('acme', 'Acme');
});

afterEach(() => slack.close());

describe('causeway slack check', () => {
  it('is content when nothing is missing', async () => {
    const { code, out } = await check({ bot_token: team.botToken, app_token: slack.app.appToken });
    expect(out).toMatch(/✓ The bot token is that of @causeway in Acme\.\n.*All scopes.*\n.*Socket Mode is on/);
    expect(code).toBe(0);
  });

  it('names each scope that is missing, and what it is for', async () => {
    const few = Object.keys(SCOPES).filter((scope) => scope !== 'chat:write.customize');
    const token = slack.installation.tokenFor(team.workspace, few);
    const { code, out, err } = await check({ bot_token: token, app_token: slack.app.appToken });
    expect(out).toMatch(/✗ The scope chat:write\.customize is missing, to say it under the name/);
    expect([code, err]).toEqual([1, 'One thing is to be put right.\n']);
  });

  it('says that tokens are revoked, wrong or none', async () => {
    expect((await check({ bot_token: 'xoxb-wrong', app_token: 'xapp-wrong' })).out).toMatch(
      /✗ Slack does not know this bot token\.\n.*✗ Socket Mode does not work/,
    );
    team.people.revokeTokens();
    expect((await check({ bot_token: team.botToken, app_token: slack.app.appToken })).out).toMatch(/token was revoked/);
  });

  it('says whether the app is in a channel', async () => {
    const inside = team.workspace.addChannel({ name: 'inside', members: [team.workspace.app.botUser] });
    const outside = team.workspace.addChannel({ name: 'outside' });
    const settings = { bot_token: team.botToken, app_token: slack.app.appToken };
    const { out } = await check(settings, '--channel', inside.id, outside.id, 'C0NOWHERE');
    expect(out).toMatch(/✓ The app is in #inside\./);
    expect(out).toMatch(/✗ The app is not in #outside: somebody there must say “\/invite @Causeway”\./);
    expect(out).toMatch(/✗ There is no channel C0NOWHERE/);
  });

  it('asks the address for events as Slack does', async () => {
    const world = await slackWorld({ events: 'http' });
    try {
      const url = `http://127.0.0.1:${String(world.edge.port)}/slack/events`;
      const settings = { bot_token: team.botToken, signing_secret: world.slack.app.signingSecret };
      expect((await check(settings, '--events-url', url)).out).toContain(`✓ ${url} reaches us.`);
      const wrong = await check({ ...settings, signing_secret: 'another' }, '--events-url', url);
      expect(wrong.out).toContain('another signing secret');
      const elsewhere = await check(settings, '--events-url', url.replace('events', 'nothing'));
      expect(elsewhere.out).toContain('answers HTTP 404');
    } finally {
      await world.close();
    }
  });
});

describe('the manifest in the manual', () => {
  it('asks for exactly the scopes and events that the adapter needs', () => {
    const manual = readFileSync(new URL('../../../docs/platforms/slack.md', import.meta.url), 'utf8');
    const manifest: unknown = parse(/```yaml\n(display_information[\s\S]+?)```/.exec(manual)?.[1] ?? '');
    expect(manifest).toMatchObject({
      oauth_config: { scopes: { bot: Object.keys(SCOPES) } },
      settings: { event_subscriptions: { bot_events: BOT_EVENTS } },
    });
  });
});
