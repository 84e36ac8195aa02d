import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainText } from '../../../src/message/index.js';
import { SlackEdge } from '../../../src/platform/slack/edge.js';
import { type SecretStore, SlackInstallation, installLink } from '../../../src/platform/slack/installation.js';
import { SlackPlatform } from '../../../src/platform/slack/slack-platform.js';
import { FakeClock } from '../../fakes/slack/clock.js';
import { FakeSlack, type FakeTeam } from '../../fakes/slack/slack.js';
import { until } from '../../support/until.js';
import { FakeHost, first, says } from './workspace.js';

const HOUR_MS = 3_600_000;

class MemoryStore implements SecretStore {
  readonly values = new Map<string, string>();
  private turn: Promise<unknown> = Promise.resolve();

  read(name: string): Promise<string | undefined> {
    return Promise.resolve(this.values.get(name));
  }

  async write(name: string, value: string): Promise<void> {
    this.values.set(name, value);
  }

  exclusively<T>(_name: string, _signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return mine;
  }
}

let clock: FakeClock;
let slack: FakeSlack;
let acme: FakeTeam;
let globex: FakeTeam;
let store: MemoryStore;
let host: FakeHost;
let edge: SlackEdge;
let platforms: SlackPlatform[];

const installationOf = (workspace: string): SlackInstallation =>
  new SlackInstallation({
    workspace,
    clientId: slack.app.clientId,
    clientSecret: slack.app.clientSecret,
    store,
    slackApiUrl: slack.apiUrl,
    now: () => clock.now(),
  });

function start(workspace: string, to = host): SlackPlatform {
  const platform = new SlackPlatform(
    {
      workspace,
      tokens: installationOf(workspace),
      appToken: slack.app.appToken,
      slackApiUrl: slack.apiUrl,
      pace: { now: () => performance.now(), messageMs: 1, patienceMs: 3_000 },
    },
    edge,
  );
  platform.start(to);
  platforms.push(platform);
  return platform;
}

/** A browser with its cookies. */
class Browser {
  cookie = '';

  async get(url: string): Promise<{ status: number; text: string; location: string }> {
    const response = await fetch(url, { redirect: 'manual', headers: { cookie: this.cookie } });
    const [cookie] = response.headers.getSetCookie();
    if (cookie !== undefined) this.cookie = cookie.split(';', 1)[0] ?? '';
    return { status: response.status, text: await response.text(), location: response.headers.get('location') ?? '' };
  }

  /** From the link of the admin to the last page. */
  async install(
    workspace: string,
    team: FakeTeam,
    link = linkOf(workspace),
  ): Promise<{ status: number; text: string }> {
    const { location, status, text } = await this.get(link);
    if (status !== 302) return { status, text };
    const back = await this.get(`${location}&team=${team.workspace.id}`);
    return this.get(back.location);
  }
}

const base = (): string => `http://127.0.0.1:${String(edge.port)}`;
const linkOf = (workspace: string, at = clock.now()): string =>
  `${base()}/slack/install?${installLink({ workspace, clientSecret: slack.app.clientSecret }, at)}`;

beforeEach(async () => {
  clock = new FakeClock();
  clock.hold();
  slack = await FakeSlack.start({ clock, tokenRotation: true });
  acme = slack.addTeam('acme', 'Acme');
  globex = slack.addTeam('globex', 'Globex <b>');
  store = new MemoryStore();
  host = new FakeHost();
  edge = new SlackEdge({ host: '127.0.0.1', port: 0 });
  platforms = [];
  start('acme');
  await until('the pages are there', () => edge.port !== undefined);
  slack.app.redirectUrls.push(`${base()}/slack/oauth`);
});

afterEach(async () => {
  await Promise.all(platforms.map((platform) => platform.stop()));
  await slack.close();
});

const speak = async (platform: SlackPlatform | undefined, team: FakeTeam): Promise<void> => {
  const name = `c${team.workspace.channels.size}`;
  const channel = team.workspace.addChannel({ name, members: [team.workspace.app.botUser] });
  await platform?.sendMessage(channel.id, says('Hello'), first());
  expect(team.visible(name).map(({ text }) => text)).toEqual(['Hello']);
};

describe('the installation by OAuth', () => {
  it('brings several workspaces, each with a token of its own', async () => {
    const second = start('globex');
    expect(await new Browser().install('acme', acme)).toMatchObject({
      status: 200,
      text: expect.stringContaining('installed in Acme'),
    });
    const { text } = await new Browser().install('globex', globex);
    expect(text).toContain('installed in Globex &lt;b&gt;');
    await speak(platforms[0], acme);
    await speak(second, globex);
  });

  it('gives each workspace its own events, over the connections of one app', async () => {
    const other = new FakeHost();
    start('globex', other);
    await new Browser().install('acme', acme);
    await new Browser().install('globex', globex);
    await until('the connections stand', () => slack.socketMode.size === 2);
    for (const [team, text] of [
      [acme, 'of Acme'],
      [globex, 'of Globex'],
    ] as const) {
      const ada = team.workspace.addUser({ name: 'ada' });
      const channel = team.workspace.addChannel({ name: 'general', members: [ada.id, team.workspace.app.botUser] });
      team.people.say('ada', channel, text);
    }
    await until('both are there', () => host.events.length > 0 && other.events.length > 0);
    expect([host, other].map((each) => each.of('message').map(({ body }) => plainText(body)))).toEqual([
      ['of Acme'],
      ['of Globex'],
    ]);
  });

  it('is begun by a link of the admin alone, in one browser, once, and in time', async () => {
    expect(await new Browser().install('acme', acme, `${base()}/slack/install?workspace=acme`)).toMatchObject({
      status: 400,
    });
    const forged = linkOf('acme').replace(/key=.{4}/, 'key=AAAA');
    expect(await new Browser().install('acme', acme, forged)).toMatchObject({ status: 400 });
    expect(await new Browser().install('acme', acme, linkOf('acme', clock.now() - 25 * HOUR_MS))).toMatchObject({
      status: 400,
    });
    const { location } = await new Browser().get(linkOf('acme'));
    const back = await new Browser().get(`${location}&team=${acme.workspace.id}`);
    expect(await new Browser().get(back.location)).toMatchObject({ status: 400 });
    expect(store.values.size).toBe(0);
    const browser = new Browser();
    const refused = await browser.get(linkOf('acme'));
    const no = await browser.get(`${refused.location}&refuse=1&team=${acme.workspace.id}`);
    expect(await browser.get(no.location)).toMatchObject({
      status: 400,
      text: expect.stringContaining('nothing was installed'),
    });
  });

  it('never puts another workspace into the place of one', async () => {
    await new Browser().install('acme', acme);
    const { status, text } = await new Browser().install('acme', globex);
    expect([status, text]).toEqual([400, expect.stringContaining('is another workspace of Slack: Acme')]);
    await speak(platforms[0], acme);
  });

  it('is trouble until it is done, and again after the app was removed', async () => {
    await until('it is told', () => host.troubles.length > 0);
    expect(host.troubles.at(-1)).toMatch(/not installed/);
    await new Browser().install('acme', acme);
    await until('it is over', () => host.troubles.at(-1) === undefined);
    acme.people.uninstallApp();
    await until('it is told again', () => host.troubles.at(-1) !== undefined);
    await new Browser().install('acme', acme);
    await until('it is over again', () => host.troubles.at(-1) === undefined);
    await speak(platforms[0], acme);
  });
});

describe('rotation of tokens', () => {
  it('renews a token before it expires, and once when several processes do so', async () => {
    await new Browser().install('acme', acme);
    const other = start('acme');
    await speak(platforms[0], acme);
    await speak(other, acme);
    clock.advance(11 * HOUR_MS);
    await Promise.all([speak(platforms[0], acme), other.resolveUser(acme.workspace.app.botUser)]);
    clock.advance(2 * HOUR_MS);
    await speak(other, acme);
    const rotations = slack.api.calls.filter(({ args }) => args.grant_type === 'refresh_token');
    expect(rotations.map(({ outcome }) => outcome)).toEqual(['ok']);
  });

  it('renews one that has expired while nothing ran', async () => {
    await new Browser().install('acme', acme);
    clock.advance(100 * HOUR_MS);
    await speak(platforms[0], acme);
  });

  it('says what to do when it cannot be renewed', async () => {
    await new Browser().install('acme', acme);
    await speak(platforms[0], acme);
    clock.advance(13 * HOUR_MS);
    slack.faults.next('oauth.v2.access', { kind: 'error', error: 'invalid_refresh_token' }, 10);
    await expect(platforms[0]?.resolveUser('U0SOMEBODY')).rejects.toMatchObject({ code: 'denied' });
    expect(host.troubles.at(-1)).toMatch(/cannot be renewed.*install the app again/);
  });
});
