import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { PlatformCursorEntity } from '../../../src/persistence/entities/index.js';
import { SCOPES } from '../../../src/platform/slack/scopes.js';
import type { Json } from '../../fakes/slack/model.js';
import { FakeSlack, type FakeTeam } from '../../fakes/slack/slack.js';
import { TestCompany } from '../../support/company.js';
import { type TestGateway, freePort, startGateway, until } from '../../support/gateway.js';

const directories = ['acme', 'globex'].map((name) => mkdtempSync(join(tmpdir(), `causeway-talk-${name}-`)));
let slack: FakeSlack;
let team: FakeTeam;
let acme: TestGateway;
let globex: TestCompany;

interface DemoChannel {
  id: string;
  name: string;
  kind: string;
}
interface DemoMessage {
  id: string;
  text: string;
  actions?: { id: string; label: string }[];
}

const demo = async (method: string, path: string, body?: unknown): Promise<unknown> => {
  const response = await fetch(`${globex.chat.url}/api/${path}${path.includes('?') ? '&' : '?'}as=ada`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${String(response.status)} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
};
const demoChannels = async (): Promise<DemoChannel[]> =>
  ((await demo('GET', 'workspace')) as { channels: DemoChannel[] }).channels;
const demoMessages = async (channel: string): Promise<DemoMessage[]> =>
  ((await demo('GET', `channels/${channel}/messages`)) as { messages: DemoMessage[] }).messages;

/** The channel of the demo chat in which a text stands, and its message. */
async function inDemo(text: string): Promise<{ channel: DemoChannel; message: DemoMessage }> {
  let found: { channel: DemoChannel; message: DemoMessage } | undefined;
  await until(`“${text}” in the demo chat`, async () => {
    for (const channel of await demoChannels()) {
      const message = (await demoMessages(channel.id)).find((each) => each.text.includes(text));
      if (message !== undefined) found = { channel, message };
    }
    return found !== undefined;
  });
  if (found === undefined) throw new Error('nothing was found');
  return found;
}

const whispers = (channel: string): string[] => team.people.channel(channel).ephemerals.map(({ text }) => text);
const whispered = (channel: string, text: string): Promise<void> =>
  until(`“${text}” in Slack`, () => whispers(channel).some((each) => each.includes(text)));

beforeAll(async () => {
  slack = await FakeSlack.start({ scopes: Object.keys(SCOPES), scale: 0.05, retryScale: 0.001 });
  team = slack.addTeam('acme', 'Acme');
  const ada = team.workspace.addUser({ name: 'ada', realName: 'Ada Lovelace' });
  team.workspace.addChannel({ name: 'shared', members: [ada.id, team.workspace.app.botUser] });
  const [ours, theirs] = [await freePort(), await freePort()];
  const peers = {
    'acme.example': `http://127.0.0.1:${String(ours)}`,
    'globex.example': `http://127.0.0.1:${String(theirs)}`,
  };
  const { botToken } = team;
  const { appToken } = slack.app;
  const platform = {
    kind: 'slack',
    workspace: 'acme',
    bot_token: botToken,
    app_token: appToken,
    api_url: slack.apiUrl,
  };
  acme = await startGateway('acme.example', peers, {
    directory: directories[0] ?? '',
    env: {
      CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(ours)}`,
      CAUSEWAY_PLATFORMS: JSON.stringify([platform]),
      CAUSEWAY_BRIDGE_ADMINS: `slack/acme/${ada.id}`,
    },
  });
  globex = new TestCompany('globex.example', 'globex', directories[1] ?? '', peers);
  await globex.startChat();
  await globex.startGateway({ CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(theirs)}` });
  const { database } = globex.gateway;
  await until('that it listens to the chat', () => database.read.existsBy(PlatformCursorEntity, {}));
});

afterAll(async () => {
  await acme.close();
  await globex.close();
  await slack.close();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

describe('people of Slack and of the demo chat', () => {
  it('share a channel by command, and accept the invite by a button', async () => {
    await globex.write('/causeway help');
    await inDemo('/causeway');
    team.people.slash('ada', 'shared', '/causeway', 'map');
    await whispered('shared', 'This channel is shared now');
    team.people.slash('ada', 'shared', '/causeway', 'invite @ada:globex.example');
    await whispered('shared', 'Invited: @ada:globex.example');
    const { channel, message } = await inDemo('invites you to “shared”');
    const accept = message.actions?.find(({ label }) => label === 'Accept');
    await demo('POST', `channels/${channel.id}/messages/${message.id}/actions`, { action: accept?.id });
    await inDemo('You are in “shared” now');
    team.people.say('ada', 'shared', 'Welcome from Slack');
    const welcome = await inDemo('Welcome from Slack');
    await globex.write('Hello Slack', 'ada', welcome.channel.id);
    await until('the answer', () => team.visible('shared').some(({ text }) => text === 'Hello Slack'));
    team.people.slash('ada', 'shared', '/causeway', 'who');
    await whispered('shared', 'globex.example: Ada of globex');
  });

  it('talk with each other alone, begun in the demo chat and accepted in Slack', async () => {
    const begun = (await demo('POST', 'conversations', { people: [], remote: ['@ada:acme.example'] })) as DemoChannel;
    await globex.write('Psst', 'ada', begun.id);
    const direct = team.people.directWithApp('ada');
    await until('the invite in Slack', () =>
      team.visible(direct.id).some(({ text }) => text.includes('wants to talk')),
    );
    const invite = team.workspace.channel(direct.id).messages.find(({ text }) => text.includes('wants to talk'));
    if (invite === undefined) throw new Error('there is no invite');
    const buttons = invite.blocks.flatMap(({ elements }) => (Array.isArray(elements) ? (elements as Json[]) : []));
    const accept = String(buttons.find(({ value }) => String(value).startsWith('accept'))?.value);
    team.people.press('ada', direct.id, invite, { actionId: accept, value: accept });
    const opened = () =>
      [...team.workspace.channels.values()].find(({ name }) => name.startsWith('ada-globex-example'));
    await until('a private channel', () => opened() !== undefined);
    const channel = opened();
    if (channel === undefined) throw new Error('there is no channel');
    team.people.say('ada', channel.id, 'I hear you');
    await until('the answer', async () => (await demoMessages(begun.id)).some(({ text }) => text === 'I hear you'));
  });
});
