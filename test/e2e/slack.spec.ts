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

  describe('do the same to the same messages', () => {
    interface View {
      id: string;
      text: string;
      body?: { blocks: unknown[] };
      edited: boolean;
      thread_root?: string;
      reply_to?: string;
      replies: number;
      reactions: { shortcode: string; unicode?: string; people: { display_name: string; server?: string }[] }[];
    }
    const page = async (method: string, path: string, body?: unknown): Promise<unknown> => {
      const response = await fetch(`${globex.chat.url}/api/channels/C1/${path}?as=ada`, {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      expect(response.ok, path).toBe(true);
      return response.status === 204 ? undefined : response.json();
    };
    const views = async (): Promise<View[]> => ((await page('GET', 'messages')) as { messages: View[] }).messages;
    const there = async (text: string): Promise<View> => {
      let found: View | undefined;
      await until(text, async () => {
        found = (await views()).find((view) => view.text.includes(text));
        return found !== undefined;
      });
      if (found === undefined) throw new Error(text);
      return found;
    };
    const inWorkspace = (text: string) => team.visible('shared').find((message) => message.text.includes(text));
    const WAVE = { shortcode: 'wave', unicode: '👋' };

    it('from Slack: form, mentions, threads, edits, reactions, deletes', async () => {
      const { ts } = team.people.say('ada', 'shared', 'The *plan* is `ready`, ~not~ _really_');
      const message = await there('The plan is ready');
      expect(message.body?.blocks).toMatchObject([
        {
          content: [
            { text: 'The ' },
            { text: 'plan', marks: ['bold'] },
            { text: ' is ' },
            { text: 'ready', marks: ['code'] },
            { text: ', ' },
            { text: 'not', marks: ['strike'] },
            { text: ' ' },
            { text: 'really', marks: ['italic'] },
          ],
        },
      ]);
      team.people.say('ada', 'shared', { text: 'in the thread', thread: ts });
      team.people.react('ada', 'shared', ts, 'wave::skin-tone-3');
      team.people.edit('ada', 'shared', ts, 'The plan is *done*');
      await until('all of it', async () => {
        const now = (await views()).find(({ id }) => id === message.id);
        return now?.edited === true && now.replies === 1 && now.reactions.length === 1;
      });
      const now = await there('The plan is done');
      expect(now.reactions).toMatchObject([
        { unicode: '👋🏼', people: [{ display_name: 'Ada Lovelace', server: 'acme.example' }] },
      ]);
      team.people.unreact('ada', 'shared', ts, 'wave::skin-tone-3');
      await until('no reaction', async () => (await there('The plan is done')).reactions.length === 0);
      team.people.delete('shared', ts);
      await until('it is gone', async () => !(await views()).some(({ id }) => id === message.id));
    });

    it('into Slack: form, threads, edits, reactions, deletes', async () => {
      const { id } = (await page('POST', 'messages', {
        client_id: 'rich',
        text: '**Bold** and `code`\n\n- one\n- two',
      })) as View;
      await until('it is in Slack', () => inWorkspace('Bold and code') !== undefined);
      const runs = inWorkspace('Bold and code')?.blocks.flatMap((block) => block.runs) ?? [];
      expect(runs).toContainEqual({ text: 'Bold', bold: true });
      expect(runs).toContainEqual({ text: 'code', code: true });
      expect(inWorkspace('Bold and code')?.blocks.filter(({ kind }) => kind === 'item')).toHaveLength(2);
      await page('POST', 'messages', { client_id: 'thread', text: 'an aside', thread: id });
      await page('POST', `messages/${id}/reactions`, { change: 'add', emoji: WAVE });
      await page('PUT', `messages/${id}`, { text: '**Bolder**' });
      await until('all of it', () => {
        const now = inWorkspace('Bolder');
        return now?.replies.length === 1 && Object.keys(now.reactions).length === 1;
      });
      expect(inWorkspace('Bolder')?.replies.map(({ author, text }) => `${author}: ${text}`)).toEqual([
        'Ada of globex · globex.example: an aside',
      ]);
      expect(Object.keys(inWorkspace('Bolder')?.reactions ?? {})).toEqual(['wave']);
      await page('POST', `messages/${id}/reactions`, { change: 'remove', emoji: WAVE });
      await until('no reaction', () => Object.keys(inWorkspace('Bolder')?.reactions ?? { none: [] }).length === 0);
      await page('DELETE', `messages/${id}`);
      await until('it is gone', () => inWorkspace('Bolder')?.kind !== 'message');
    });
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
