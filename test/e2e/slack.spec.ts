import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge } from '../../src/bridge/bridge.js';
import { SCOPES } from '../../src/platform/slack/scopes.js';
import type { UserId } from '../../src/protocol/index.js';
import { FakeSlack, type FakeTeam } from '../fakes/slack/slack.js';
import { TestCompany } from '../support/company.js';
import { type TestGateway, freePort, startGateway, until } from '../support/gateway.js';

const directories = ['acme', 'globex'].map((name) => mkdtempSync(join(tmpdir(), `causeway-slack-${name}-`)));
let slack: FakeSlack;
let team: FakeTeam;
let acme: TestGateway;
let globex: TestCompany;
let settings: { directory: string; env: Record<string, string> };
let peers: Record<string, string>;

const inSlack = (): string[] => team.visible('shared').map(({ author, text }) => `${author}: ${text}`);

beforeAll(async () => {
  slack = await FakeSlack.start({ scopes: Object.keys(SCOPES), scale: 0.2, retryScale: 0.001 });
  team = slack.addTeam('acme', 'Acme');
  const ada = team.workspace.addUser({ name: 'ada', realName: 'Ada Lovelace' });
  team.workspace.addChannel({ name: 'shared', members: [ada.id, team.workspace.app.botUser] });
  const [ours, theirs] = [await freePort(), await freePort()];
  peers = { 'acme.example': `http://127.0.0.1:${ours}`, 'globex.example': `http://127.0.0.1:${theirs}` };
  const platform = {
    kind: 'slack',
    workspace: 'acme',
    bot_token: team.botToken,
    app_token: slack.app.appToken,
    api_url: slack.apiUrl,
  };
  settings = {
    directory: directories[0] ?? '',
    env: {
      CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${ours}`,
      CAUSEWAY_DATABASE_URL: 'sqlite:acme.sqlite',
      CAUSEWAY_PLATFORMS: JSON.stringify([platform]),
    },
  };
  acme = await startGateway('acme.example', peers, settings);
  globex = new TestCompany('globex.example', 'globex', directories[1] ?? '', peers);
  await globex.startChat();
  await globex.startGateway({ CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${theirs}` });
  const roomId = await acme.rooms.create({ name: 'Shared' });
  await acme.app.get(Bridge).map('slack', 'acme', team.people.channel('shared').id, roomId);
  await acme.rooms.invite(roomId, '@causeway:globex.example' as UserId);
  await until('the invite', async () => (await globex.gateway.rooms.invites()).length > 0);
  await globex.gateway.rooms.join(roomId);
  await globex.map(roomId);
});

afterAll(async () => {
  await acme.close();
  await globex.close();
  await slack.close();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

describe('a workspace of Slack and the chat of another company', () => {
  it('hold a conversation over two gateways', async () => {
    team.people.say('ada', 'shared', 'Hello from *Slack* :wave:');
    await until('it is there', async () => (await globex.texts()).some((text) => text.startsWith('Hello from Slack')));
    await globex.write('Hello back, <!channel>');
    await until('the answer is there', () => inSlack().some((text) => text.includes('Hello back')));
    expect(inSlack()).toContain('Ada of globex · globex.example: Hello back, <!channel>');
    expect(team.visible('shared').flatMap(({ notified }) => notified)).toEqual([]);
    const [message] = (await globex.messages()).filter(({ text }) => text.startsWith('Hello from Slack'));
    expect(message?.author).toMatchObject({ display_name: 'Ada Lovelace', server: 'acme.example' });
  });

  it('lose and double nothing while Slack fails, and while the gateway is away', async () => {
    slack.faults.random(0.1, 5);
    slack.outbox.duplicate(0.3);
    for (let n = 0; n < 8; n += 1) {
      team.people.say('ada', 'shared', `from Slack ${n}`);
      await globex.write(`to Slack ${n}`);
      if (n === 4) {
        await acme.close({ keepData: true });
        acme = await startGateway('acme.example', peers, settings);
      }
    }
    slack.outbox.duplicate(0);
    const count = (texts: string[], what: string): number => texts.filter((text) => text.includes(what)).length;
    await until('all is in Slack', () => count(inSlack(), 'to Slack') >= 8, 40_000);
    slack.faults.clear();
    await until('all is there', async () => count(await globex.texts(), 'from Slack') >= 8, 40_000);
    const numbered = (what: string): string[] => Array.from({ length: 8 }, (_, n) => `${what} ${n}`);
    // What Slack could not deliver comes later than what it could: its retries keep no order.
    const arrived = (await globex.texts()).filter((text) => text.startsWith('from Slack'));
    expect(arrived.sort()).toEqual(numbered('from Slack'));
    expect(inSlack().filter((text) => text.includes('to Slack'))).toEqual(
      numbered('Ada of globex · globex.example: to Slack'),
    );
  }, 90_000);
});
