import { WebClient } from '@slack/web-api';
import type { Emulator } from 'emulate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlackEdge } from '../../../src/platform/slack/edge.js';
import { SCOPES } from '../../../src/platform/slack/scopes.js';
import { SlackPlatform } from '../../../src/platform/slack/slack-platform.js';
import { emulateSlack } from '../../support/slack-emulator.js';
import { GRACE, again, first, says } from './workspace.js';

const TOKEN = 'xoxb-of-the-test';
let emulator: Emulator;
let platform: SlackPlatform;
let channel: string;
let web: WebClient;

beforeAll(async () => {
  const users = [{ name: 'ada', email: 'ada@acme.example' }];
  const tokens = [{ token: TOKEN, user: 'ada', scopes: Object.keys(SCOPES) }];
  const emulated = await emulateSlack({ team: { name: 'Acme' }, users, tokens });
  emulator = emulated.emulator;
  const slackApiUrl = emulated.apiUrl;
  web = new WebClient(TOKEN, { slackApiUrl });
  channel = (await web.conversations.create({ name: 'shared' })).channel?.id ?? '';
  platform = new SlackPlatform(
    {
      workspace: 'acme',
      tokens: { token: () => Promise.resolve(TOKEN) },
      slackApiUrl,
      pace: { now: () => performance.now(), messageMs: 1, patienceMs: 3_000 },
    },
    new SlackEdge(undefined),
  );
});

afterAll(async () => {
  await platform.stop();
  await emulator.close();
});

const messages = async () => (await web.conversations.history({ channel })).messages ?? [];

describe('the adapter against another emulator of Slack', () => {
  it('posts under the name of a remote person, edits, reacts, and deletes', async () => {
    const { nativeId } = await platform.sendMessage(channel, says('Helo <!channel>'), first());
    expect(await messages()).toMatchObject([{ ts: nativeId, text: 'Helo &lt;!channel&gt;' }]);
    const ref = { channelId: channel, nativeId };
    await platform.can.edit?.(ref, says('Hello'), first());
    const wave = { type: 'emoji' as const, shortcode: 'wave', unicode: '👋' };
    await platform.can.react?.(ref, wave, 'add', GRACE, first());
    await platform.can.react?.(ref, wave, 'add', GRACE, first());
    expect(await messages()).toMatchObject([{ text: 'Hello', reactions: [{ name: 'wave', count: 1 }] }]);
    await platform.can.react?.(ref, wave, 'remove', GRACE, first());
    await platform.can.react?.(ref, wave, 'remove', GRACE, first());
    await platform.can.delete?.(ref, first());
    await platform.can.delete?.(ref, first());
    expect(await messages()).toEqual([]);
  });

  it('answers in threads, and says in the words of the port what is refused', async () => {
    const { nativeId: root } = await platform.sendMessage(channel, says('root'), first());
    await platform.sendMessage(channel, says('reply', { thread: { root } }), again('reply'));
    const { messages: thread = [] } = await web.conversations.replies({ channel, ts: root });
    expect(thread.map(({ text }) => text)).toEqual(['root', 'reply']);
    await expect(platform.sendMessage('C0NOWHERE', says('x'), first())).rejects.toMatchObject({ code: 'channel_gone' });
    await expect(platform.resolveUser('U0NOBODY')).rejects.toMatchObject({ code: 'user_gone' });
    expect(await platform.resolveChannel(channel)).toMatchObject({ id: channel, name: 'shared' });
  });
});
