import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainBody } from '../../../src/message/index.js';
import { PlatformError } from '../../../src/platform/port.js';
import { GRACE, type SlackWorld, again, first, platformOf, says, slackWorld } from './workspace.js';

let world: SlackWorld;

beforeEach(async () => {
  world = await slackWorld();
});

afterEach(async () => {
  await world.close();
});

const texts = (): string[] => world.team.visible('general').map(({ text }) => text);
const failure = async (call: Promise<unknown>): Promise<PlatformError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof PlatformError) return error;
    throw error;
  }
  throw new Error('it did not fail');
};

describe('a message of a remote person in Slack', () => {
  it('stands under their name and server, with their picture', async () => {
    const author = { id: '@grace:globex.example', displayName: 'Grace', server: 'globex.example', avatar: 'mxc://g/1' };
    await world.platform.sendMessage(world.general.id, says('Hello', { author }), first());
    const [message] = world.team.visible('general');
    expect(message).toMatchObject({ author: 'Grace · globex.example', text: 'Hello' });
    expect(message?.avatar).toMatch(/^https:\/\/acme\.example\/avatars\//);
  });

  it('notifies nobody by what it says, and one person by a real mention', async () => {
    const forged =
      '<!channel> <@' + world.ada.id + '> <!here> @here <!subteam^S1> <https://a.example|x> *b* &lt;!channel&gt;';
    await world.platform.sendMessage(
      world.general.id,
      says(forged, { author: { ...GRACE, displayName: '<!channel>' } }),
      first(),
    );
    const [message] = world.team.visible('general');
    expect(message?.notified).toEqual([]);
    expect(message?.text).toBe(forged);
    const body = plainBody('');
    body.blocks = [
      {
        type: 'paragraph',
        content: [
          { type: 'user', user: { nativeId: world.ada.id }, name: 'Ada' },
          { type: 'everyone', scope: 'channel' },
        ],
      },
    ];
    await world.platform.sendMessage(world.general.id, says('', { body }), first());
    expect(world.team.visible('general')[1]?.notified).toEqual([{ kind: 'user', id: world.ada.id, by: 'blocks' }]);
  });

  it('is edited, reacted to and deleted; what is done already is no error', async () => {
    const { platform, general, team } = world;
    const { nativeId } = await platform.sendMessage(general.id, says('Helo'), first());
    const ref = { channelId: general.id, nativeId };
    await platform.can.edit?.(ref, says('Hello'), first());
    const wave = { type: 'emoji' as const, shortcode: 'wave', unicode: '👋🏽' };
    await platform.can.react?.(ref, wave, 'add', GRACE, first());
    await platform.can.react?.(ref, wave, 'add', GRACE, first());
    expect(team.visible('general')).toMatchObject([
      { text: 'Hello', edited: true, reactions: { 'wave::skin-tone-4': ['Causeway'] } },
    ]);
    await platform.can.react?.(ref, wave, 'remove', GRACE, first());
    await platform.can.react?.(ref, wave, 'remove', GRACE, first());
    expect(team.visible('general')[0]?.reactions).toEqual({});
    await platform.can.delete?.(ref, first());
    await platform.can.delete?.(ref, first());
    expect(team.visible('general')).toEqual([]);
    expect(world.host.of('delete')).toEqual([]);
  });

  it('stands in its thread, and in the channel too when it shall', async () => {
    const { platform, general, team } = world;
    const root = team.people.say('ada', general, 'Shall we?').ts;
    await platform.sendMessage(general.id, says('Yes', { thread: { root } }), first());
    await platform.sendMessage(general.id, says('We shall', { thread: { root, alsoToChannel: true } }), first());
    const [message] = team.visible('general');
    expect(message?.replies).toMatchObject([
      { text: 'Yes', broadcast: false },
      { text: 'We shall', broadcast: true },
    ]);
  });

  it('brings its files under the name of its author, and takes them away again', async () => {
    const { platform, general, team, host } = world;
    const bytes = randomBytes(200_000);
    host.files.set('mxc://globex.example/cat', { bytes, mimeType: 'image/png', name: 'cat.png' });
    const body = plainBody('A cat');
    body.attachments = [
      { kind: 'image', name: 'cat.png', mimeType: 'image/png', source: { mxc: 'mxc://globex.example/cat' } },
    ];
    world.slack.faults.fileShareMs = 200;
    const { nativeId } = await platform.sendMessage(general.id, says('', { body }), first());
    const [message] = team.visible('general');
    expect(message).toMatchObject({ ts: nativeId, files: [{ name: 'cat.png', size: bytes.length }] });
    expect(message?.text).toBe('Grace · globex.example\nA cat');
    await platform.can.delete?.({ channelId: general.id, nativeId }, first());
    expect([...team.workspace.files.values()].every(({ deleted }) => deleted)).toBe(true);
  });

  it('takes its files away also when another process posted it, and says nothing of one without', async () => {
    const { platform, general, team, host, slack, edge } = world;
    host.files.set('mxc://g/1', { bytes: Buffer.from('x'), mimeType: 'text/plain', name: 'x.txt' });
    const body = plainBody('');
    body.attachments = [{ kind: 'file', name: 'x.txt', mimeType: 'text/plain', source: { mxc: 'mxc://g/1' } }];
    const { nativeId } = await platform.sendMessage(general.id, says('', { body }), first());
    const other = platformOf(slack, team, edge, { events: 'socket', messageMs: 1 });
    other.start(host);
    slack.faults.next('files.delete', { kind: 'lost' });
    await failure(other.can.delete?.({ channelId: general.id, nativeId }, first('d')) ?? Promise.resolve());
    await other.can.delete?.({ channelId: general.id, nativeId }, again('d'));
    await other.stop();
    expect(team.visible('general')).toEqual([]);
    expect([...team.workspace.files.values()].map(({ deleted }) => deleted)).toEqual([true]);
  });

  it('goes to one person alone, also where the app is not', async () => {
    const { platform, general, team, ada } = world;
    await platform.sendMessage(
      general.id,
      { kind: 'notice', body: plainBody('Only you'), visibleTo: [ada.id] },
      first(),
    );
    expect(general.ephemerals).toMatchObject([{ user: ada.id, text: 'Only you' }]);
    const elsewhere = team.workspace.addChannel({ name: 'elsewhere', kind: 'group', members: [ada.id] });
    await platform.sendMessage(
      elsewhere.id,
      { kind: 'notice', body: plainBody('Here too'), visibleTo: [ada.id] },
      first(),
    );
    const direct = team.workspace.directOf([ada.id, team.workspace.app.botUser]).channel;
    expect(direct.messages.map(({ text }) => text)).toEqual(['Here too']);
  });
});

describe('a call whose answer is lost', () => {
  it.each(['lost', 'done-http'] as const)('is looked for before it is made again (%s)', async (kind) => {
    const { platform, general, slack } = world;
    slack.faults.next('chat.postMessage', kind === 'lost' ? { kind } : { kind, status: 502 });
    const error = await failure(platform.sendMessage(general.id, says('Once'), first('k')));
    expect(error).toMatchObject({ code: 'unavailable', options: { certainlyNotDone: false } });
    for (let n = 0; n < 30; n += 1) world.team.people.say('ada', general, `later ${n}`);
    const { nativeId } = await platform.sendMessage(general.id, says('Once'), again('k'));
    expect(texts().filter((text) => text === 'Once')).toHaveLength(1);
    expect(world.team.visible('general').find(({ text }) => text === 'Once')?.ts).toBe(nativeId);
  });

  it('is found by another process too, in a thread and with a file', async () => {
    const { platform, general, slack, team, edge, host } = world;
    const root = team.people.say('ada', general, 'Shall we?').ts;
    host.files.set('mxc://g/1', { bytes: Buffer.from('%PDF'), mimeType: 'application/pdf', name: 'a.pdf' });
    const body = plainBody('');
    body.attachments = [{ kind: 'file', name: 'a.pdf', mimeType: 'application/pdf', source: { mxc: 'mxc://g/1' } }];
    slack.faults.next('chat.postMessage', { kind: 'lost' });
    slack.faults.next('files.completeUploadExternal', { kind: 'lost' });
    await failure(platform.sendMessage(general.id, says('In the thread', { thread: { root } }), first('t')));
    await failure(platform.sendMessage(general.id, says('', { body }), first('f')));
    const other = platformOf(slack, team, edge, { events: 'socket', messageMs: 1 });
    other.start(host);
    await other.sendMessage(general.id, says('In the thread', { thread: { root } }), again('t'));
    await other.sendMessage(general.id, says('', { body }), again('f'));
    await other.stop();
    expect(team.visible('general')[0]?.replies.map(({ text }) => text)).toEqual(['In the thread']);
    expect(team.visible('general').filter(({ files }) => files.length > 0)).toHaveLength(1);
  });

  it('is looked for page by page where Slack gives few of them, going on where it stood', async () => {
    const { platform, general, slack, team } = world;
    slack.faults.next('chat.postMessage', { kind: 'lost' });
    await failure(platform.sendMessage(general.id, says('Once'), first('k')));
    for (let n = 0; n < 40; n += 1) team.people.say('ada', general, `later ${n}`);
    slack.limits.on({ scale: 0.01, newApp: true });
    let done = false;
    for (let attempts = 0; !done && attempts < 10; attempts += 1) {
      try {
        await platform.sendMessage(general.id, says('Once'), again('k'));
        done = true;
      } catch (error) {
        if (!(error instanceof PlatformError) || error.options.retryAfterMs === undefined) throw error;
        await new Promise((resolve) => setTimeout(resolve, error.options.retryAfterMs));
      }
    }
    expect(texts().filter((text) => text === 'Once')).toHaveLength(1);
    const pages = slack.api.calls.filter(
      ({ method, outcome }) => method === 'conversations.history' && outcome === 'ok',
    );
    expect(pages).toHaveLength(3);
    expect(new Set(pages.map(({ args }) => args.cursor)).size).toBe(3);
  });

  it('is made again when it was not done', async () => {
    const { platform, general, slack } = world;
    slack.faults.next('chat.postMessage', { kind: 'http', status: 503 });
    await failure(platform.sendMessage(general.id, says('Once'), first('k')));
    await platform.sendMessage(general.id, says('Once'), again('k'));
    expect(texts()).toEqual(['Once']);
  });
});

describe('Slack’s limits', () => {
  it('hold calls back for as long as Slack says, in their order', async () => {
    const { platform, general, slack } = world;
    slack.faults.next('chat.postMessage', { kind: 'ratelimited', seconds: 1 });
    const error = await failure(platform.sendMessage(general.id, says('one'), first('1')));
    expect(error).toMatchObject({ code: 'unavailable', options: { certainlyNotDone: true, retryAfterMs: 1_000 } });
    const two = platform.sendMessage(general.id, says('one'), again('1'));
    const three = platform.sendMessage(general.id, says('two'), first('2'));
    await Promise.all([two, three]);
    expect(texts()).toEqual(['one', 'two']);
    expect(slack.api.calls.filter(({ method }) => method === 'conversations.history')).toEqual([]);
  });

  it('turn a call away when its turn is too far off, and say when to come', async () => {
    const { platform, general, slack } = world;
    slack.faults.next('chat.postMessage', { kind: 'ratelimited', seconds: 30 });
    await failure(platform.sendMessage(general.id, says('one'), first('1')));
    const error = await failure(platform.sendMessage(general.id, says('two'), first('2')));
    expect(error.code).toBe('unavailable');
    expect(error.options.retryAfterMs).toBeGreaterThan(25_000);
    expect(slack.api.calls.filter(({ method }) => method === 'chat.postMessage')).toHaveLength(1);
  });

  it('are kept: of one message a second to a channel none is refused', async () => {
    await world.close();
    world = await slackWorld({ messageMs: 50 });
    const { platform, general, slack } = world;
    slack.limits.on({ scale: 0.04 });
    await Promise.all(Array.from({ length: 8 }, (_, n) => platform.sendMessage(general.id, says(String(n)), first())));
    expect(texts()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(slack.limits.refused.get('chat.postMessage')).toBeUndefined();
  });
});

describe('what Slack refuses', () => {
  it('is told in the words of the port', async () => {
    const { platform, general, team, ada, slack } = world;
    const gone = await failure(platform.sendMessage('C0NOWHERE', says('x'), first()));
    expect(gone).toMatchObject({ code: 'channel_gone', options: { certainlyNotDone: true } });
    const closed = team.workspace.addChannel({ name: 'closed', kind: 'group', members: [ada.id] });
    const denied = await failure(platform.sendMessage(closed.id, says('x'), first()));
    expect(['denied', 'channel_gone']).toContain(denied.code);
    await expect(platform.resolveUser('U0NOBODY')).rejects.toMatchObject({ code: 'user_gone' });
    slack.faults.next('chat.postMessage', { kind: 'error', error: 'msg_too_long' });
    expect(await failure(platform.sendMessage(general.id, says('x'), first()))).toMatchObject({ code: 'invalid' });
    team.people.archive('ada', general);
    expect(await failure(platform.sendMessage(general.id, says('x'), first()))).toMatchObject({ code: 'channel_gone' });
    await expect(platform.resolveChannel(general.id)).rejects.toMatchObject({ code: 'channel_gone' });
  });

  it('joins a public channel in which the app is not', async () => {
    const { platform, team, ada, slack } = world;
    slack.app.scopes = slack.app.scopes.filter((scope) => scope !== 'chat:write.public');
    await world.close();
    world = await slackWorld({ scopes: slack.app.scopes });
    const open = world.team.workspace.addChannel({ name: 'open', members: [world.ada.id] });
    await world.platform.sendMessage(open.id, says('Hello'), first());
    expect(world.team.visible('open').map(({ text }) => text)).toContain('Hello');
    expect([platform, team, ada]).toBeDefined();
  });

  it('is trouble when the token is revoked, and none any more with a new one', async () => {
    const { platform, general, team, host } = world;
    team.people.revokeTokens();
    expect(await failure(platform.sendMessage(general.id, says('x'), first()))).toMatchObject({ code: 'denied' });
    expect(host.troubles.at(-1)).toMatch(/bot token was revoked/);
  });

  it('names the scope that is missing', async () => {
    await world.close();
    world = await slackWorld({ scopes: ['chat:write', 'users:read', 'channels:read', 'channels:history'] });
    const error = await failure(world.platform.sendMessage(world.general.id, says('x'), first()));
    expect(error).toMatchObject({ code: 'denied' });
    expect(world.host.troubles.at(-1)).toMatch(/chat:write\.customize/);
  });
});

describe('conversations', () => {
  it('with people elsewhere are private channels, made once', async () => {
    const { platform, ada, team } = world;
    const wanted = { name: 'Ada, Grace', users: [ada.id], remote: [GRACE] };
    const channel = await platform.can.openConversation?.(wanted, first('c'));
    const repeated = await platform.can.openConversation?.(wanted, again('c'));
    expect(repeated?.id).toBe(channel?.id);
    expect(channel).toMatchObject({ private: true });
    expect(team.workspace.channel(channel?.id ?? '').members).toContain(ada.id);
  });

  it('have a topic, members and a history', async () => {
    const { platform, general, team, ada, slack } = world;
    await platform.can.setTopic?.(general.id, 'Ships', first());
    expect(general.topic.value).toBe('Ships');
    expect(await platform.can.members?.(general.id)).toMatchObject([{ id: ada.id, displayName: 'Ada Lovelace' }]);
    for (let n = 0; n < 5; n += 1) team.people.say('ada', general, `say ${n}`);
    await platform.sendMessage(general.id, says('ours'), first());
    const last = await platform.can.history?.(general.id, undefined, 3);
    expect(last?.messages.map(({ body }) => JSON.stringify(body.blocks))).toHaveLength(2);
    expect(last?.more).toBe(true);
    const before = await platform.can.history?.(general.id, last?.messages[0]?.nativeId, 50);
    expect(before?.messages).toHaveLength(3);
    // Pages with nothing but our own words are gone through.
    for (let n = 0; n < 5; n += 1) await platform.sendMessage(general.id, says('ours'), first());
    slack.faults.next('conversations.history', { kind: 'http', status: 503 });
    await failure(platform.can.history?.(general.id, undefined, 2) ?? Promise.resolve());
    expect((await platform.can.history?.(general.id, undefined, 2))?.messages).toHaveLength(2);
  });
});
