import { type ChatPostMessageArguments, WebClient } from '@slack/web-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Channel } from './model.js';
import { FakeSlack, type FakeTeam } from './slack.js';

let slack: FakeSlack;
let team: FakeTeam;
let general: Channel;
let client: WebClient;

beforeEach(async () => {
  slack = await FakeSlack.start({ scale: 0.01 });
  team = slack.addTeam('acme', 'Acme');
  team.workspace.addUser({ name: 'ada', realName: 'Ada Lovelace' });
  team.workspace.addUser({ name: 'grace', realName: 'Grace Hopper' });
  general = team.people.create('ada', 'general');
  team.people.inviteApp('ada', general);
  client = webClient(team.botToken);
});

afterEach(() => slack.close());

const webClient = (token: string): WebClient =>
  new WebClient(token, { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true });

/** The error that the SDK reports, in Slack's word. */
async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return (error as { data?: { error?: string } }).data?.error ?? error;
  }
  throw new Error('it was not refused');
}

const post = (more: Partial<ChatPostMessageArguments> = {}) =>
  client.chat.postMessage({ channel: general.id, text: 'hello', ...more } as ChatPostMessageArguments);

const lastTs = (): string => general.messages.at(-1)?.ts ?? '';

describe('who calls', () => {
  it('is told by auth.test', async () => {
    const { workspace } = team;
    expect(await client.auth.test()).toMatchObject({
      ok: true,
      team: 'Acme',
      team_id: workspace.id,
      user_id: workspace.app.botUser,
      bot_id: workspace.app.botId,
    });
  });

  it('is refused without, with an unknown, a revoked and an uninstalled token', async () => {
    expect(await refusal(webClient('').auth.test())).toBe('not_authed');
    expect(await refusal(webClient('xoxb-none').auth.test())).toBe('invalid_auth');
    const second = slack.installation.tokenFor(team.workspace);
    slack.installation.revoke(second);
    expect(await refusal(webClient(second).auth.test())).toBe('token_revoked');
    team.people.uninstallApp();
    expect(await refusal(client.auth.test())).toBe('account_inactive');
  });

  it('is told which scope is missing', async () => {
    const poor = webClient(slack.installation.tokenFor(team.workspace, ['chat:write']));
    await expect(poor.conversations.history({ channel: general.id })).rejects.toMatchObject({
      data: { error: 'missing_scope', needed: 'channels:history', provided: 'chat:write' },
    });
    expect(await refusal(poor.chat.postMessage({ channel: general.id, text: 'x', username: 'Ada' }))).toBe(
      'missing_scope',
    );
  });

  it('gets a token for a code once, and rotates it until the refresh token is used up', async () => {
    slack.app.tokenRotation = true;
    const redirect = 'http://127.0.0.1:9/back';
    const address = new URL(`${slack.origin}/oauth/v2/authorize`);
    address.search = new URLSearchParams({
      client_id: slack.app.clientId,
      scope: 'chat:write,channels:read',
      redirect_uri: redirect,
      state: 's1',
    }).toString();
    const back = new URL((await fetch(address, { redirect: 'manual' })).headers.get('location') ?? '');
    expect(back.searchParams.get('state')).toBe('s1');
    const app = { client_id: slack.app.clientId, client_secret: slack.app.clientSecret };
    const code = { ...app, code: back.searchParams.get('code') ?? '', redirect_uri: redirect };
    const granted = await new WebClient('', { slackApiUrl: slack.apiUrl }).oauth.v2.access(code);
    expect(granted).toMatchObject({ token_type: 'bot', scope: 'chat:write,channels:read', expires_in: 43_200 });
    expect(granted.access_token).toMatch(/^xoxe\.xoxb-/);
    expect(await refusal(client.oauth.v2.access(code))).toBe('invalid_code');

    const rotated = webClient(granted.access_token ?? '');
    await rotated.auth.test();
    slack.clock.advance(43_200_000);
    expect(await refusal(rotated.auth.test())).toBe('token_expired');
    const refresh = { ...app, grant_type: 'refresh_token' as const, refresh_token: granted.refresh_token ?? '' };
    const renewed = await client.oauth.v2.access(refresh);
    await webClient(renewed.access_token ?? '').auth.test();
    expect(await refusal(client.oauth.v2.access(refresh))).toBe('invalid_refresh_token');
  });
});

describe('a message of the app', () => {
  it('is its own, with blocks that Slack made of the text', async () => {
    const { message, ts } = await post({ text: 'a *bold* & <b>' });
    expect(message).toMatchObject({
      user: team.workspace.app.botUser,
      text: 'a *bold* &amp; &lt;b&gt;',
      bot_profile: {},
    });
    expect(message?.subtype).toBeUndefined();
    expect(team.visible('general').at(-1)).toMatchObject({
      ts,
      author: 'Causeway',
      text: 'a bold & <b>',
      blocks: [{ runs: [{ text: 'a ' }, { text: 'bold', bold: true }, { text: ' & <b>' }] }],
    });
  });

  it('stands under another name and picture where it is customised', async () => {
    const { message } = await post({ username: 'Ada · globex.example', icon_url: 'https://globex.example/ada.png' });
    expect(message).toMatchObject({ subtype: 'bot_message', username: 'Ada · globex.example' });
    expect(message?.user).toBeUndefined();
    expect(team.visible('general').at(-1)).toMatchObject({
      author: 'Ada · globex.example',
      authorId: undefined,
      avatar: 'https://globex.example/ada.png',
    });
  });

  it.each([
    ['plain text', { text: '@channel @ada &lt;!channel&gt; <ada@example.com>' }, []],
    ['an escaped mention', { text: '&lt;@U1&gt;' }, []],
    ['code', { text: 'see `<!channel>` and ```<!here>```' }, []],
    ['a mention in text', { text: 'look <!channel>' }, [{ kind: 'channel', by: 'text' }]],
    ['a mention with a label', { text: '<!here|here>' }, [{ kind: 'here', by: 'text' }]],
    ['parse=full', { text: 'hi @channel', parse: 'full' as const }, [{ kind: 'channel', by: 'text' }]],
    [
      'a section',
      { blocks: [{ type: 'section', text: { type: 'mrkdwn', text: '<!everyone>' } }] },
      [{ kind: 'everyone', by: 'blocks' }],
    ],
    ['a plain section', { blocks: [{ type: 'section', text: { type: 'plain_text', text: '<!everyone>' } }] }, []],
    ['rich text that says it in words', { blocks: [rich({ type: 'text', text: '<!channel> <@U00000001>' })] }, []],
    ['rich text', { blocks: [rich({ type: 'broadcast', range: 'here' })] }, [{ kind: 'here', by: 'blocks' }]],
    [
      'the fallback text beside blocks',
      { text: '<!here>', blocks: [{ type: 'divider' }] },
      [{ kind: 'here', by: 'text' }],
    ],
    ['an attachment', { attachments: [{ text: 'x <!channel>' }] }, [{ kind: 'channel', by: 'attachments' }]],
  ])('notifies whom %s really mentions', async (_, words, notified) => {
    await client.chat.postMessage({ channel: general.id, text: 'x', ...words });
    expect(general.messages.at(-1)?.notified).toEqual(notified);
  });

  it('is refused when it is empty, too long, or in the wrong place', async () => {
    expect(await refusal(post({ text: ' ' }))).toBe('no_text');
    expect(await refusal(post({ text: 'x'.repeat(40_001) }))).toBe('msg_too_long');
    expect(await refusal(post({ channel: 'C0' }))).toBe('channel_not_found');
    const secret = team.people.create('ada', 'secret', 'group');
    expect(await refusal(post({ channel: secret.id }))).toBe('channel_not_found');
    const poor = webClient(slack.installation.tokenFor(team.workspace, ['chat:write']));
    const other = team.people.create('ada', 'other');
    expect(await refusal(poor.chat.postMessage({ channel: other.id, text: 'x' }))).toBe('not_in_channel');
    team.people.archive('ada', general);
    expect(await refusal(post())).toBe('is_archived');
  });

  it.each([
    ['more than 50', Array.from({ length: 51 }, () => ({ type: 'divider' }))],
    ['an unknown type', [{ type: 'nothing' }]],
    ['a section over 3,000 characters', [{ type: 'section', text: { type: 'mrkdwn', text: 'x'.repeat(3_001) } }]],
    ['a section without text', [{ type: 'section' }]],
    [
      'a context of 11',
      [{ type: 'context', elements: Array.from({ length: 11 }, () => ({ type: 'mrkdwn', text: 'x' })) }],
    ],
    ['an image without alt_text', [{ type: 'image', image_url: 'https://a.example/b.png' }]],
    ['an image of no address', [{ type: 'image', image_url: 'b.png', alt_text: 'x' }]],
    ['an image of an unknown file', [{ type: 'image', slack_file: { id: 'F0' }, alt_text: 'x' }]],
    ['an empty run', [rich({ type: 'text', text: '' })]],
    ['a run of no type', [rich({ type: 'shout', text: 'x' })]],
    ['a style of no name', [rich({ type: 'text', text: 'x', style: { blink: true } })]],
    ['a list of no style', [{ type: 'rich_text', elements: [{ type: 'rich_text_list', elements: [] }] }]],
    [
      'a list item that is no section',
      [
        {
          type: 'rich_text',
          elements: [
            { type: 'rich_text_list', style: 'bullet', elements: [{ type: 'rich_text_quote', elements: [] }] },
          ],
        },
      ],
    ],
    [
      'a mention in preformatted text',
      [
        {
          type: 'rich_text',
          elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'user', user_id: 'U1' }] }],
        },
      ],
    ],
  ])('is refused for blocks with %s', async (_, blocks) => {
    await expect(
      client.chat.postMessage({ channel: general.id, text: 'x', blocks } as ChatPostMessageArguments),
    ).rejects.toMatchObject({ data: { error: 'invalid_blocks', errors: [expect.stringContaining('json-pointer')] } });
  });

  it('carries metadata that history gives back when asked for all', async () => {
    const metadata = { event_type: 'causeway', event_payload: { id: '$1' } };
    const { ts } = await post({ metadata });
    const range = { channel: general.id, oldest: ts ?? '', inclusive: true, limit: 1 };
    expect((await client.conversations.history(range)).messages?.[0]?.metadata).toBeUndefined();
    const all = await client.conversations.history({ ...range, include_all_metadata: true });
    expect(all.messages?.[0]?.metadata).toEqual(metadata);
    expect(await refusal(post({ metadata: { event_type: 'x' } }))).toBe('invalid_metadata_format');
  });

  it('is edited and deleted by its app alone', async () => {
    const { ts = '' } = await post();
    const edited = await client.chat.update({ channel: general.id, ts, text: 'changed' });
    expect(edited).toMatchObject({ ts, text: 'changed', message: { edited: { user: team.workspace.app.botId } } });
    expect(team.visible('general').at(-1)).toMatchObject({ text: 'changed', edited: true });
    const theirs = team.people.say('ada', general, 'mine').ts;
    expect(await refusal(client.chat.update({ channel: general.id, ts: theirs, text: 'x' }))).toBe(
      'cant_update_message',
    );
    expect(await refusal(client.chat.delete({ channel: general.id, ts: theirs }))).toBe('cant_delete_message');
    await client.chat.delete({ channel: general.id, ts });
    expect(await refusal(client.chat.delete({ channel: general.id, ts }))).toBe('message_not_found');
    expect(await refusal(client.chat.update({ channel: general.id, ts, text: 'x' }))).toBe('message_not_found');
  });

  it('keeps its blocks when only its text is edited, and loses them for an empty list', async () => {
    const { ts = '' } = await post({ blocks: [rich({ type: 'text', text: 'block' })] as never });
    await client.chat.update({ channel: general.id, ts, text: 'text' });
    expect(team.visible('general').at(-1)?.text).toBe('block');
    await client.chat.update({ channel: general.id, ts, text: 'text', blocks: [] });
    expect(team.visible('general').at(-1)?.text).toBe('text');
  });

  it('can no longer be edited when the window is over', async () => {
    const { ts = '' } = await post();
    slack.faults.editWindowMs = 60_000;
    slack.clock.advance(61_000);
    expect(await refusal(client.chat.update({ channel: general.id, ts, text: 'x' }))).toBe('edit_window_closed');
  });

  it('is seen by one person where it is ephemeral', async () => {
    const grace = team.people.user('grace').id;
    const words = { channel: general.id, text: 'psst' };
    expect(await refusal(client.chat.postEphemeral({ ...words, user: grace }))).toBe('user_not_in_channel');
    await client.chat.postEphemeral({ ...words, user: team.people.user('ada').id });
    expect(general.ephemerals.map((each) => each.text)).toEqual(['psst']);
    expect(team.visible('general').map((each) => each.text)).not.toContain('psst');
  });
});

describe('a thread', () => {
  it('counts its replies, and shows one in the channel that was broadcast', async () => {
    const parent = team.people.say('ada', general, 'question').ts;
    await post({ text: 'one', thread_ts: parent });
    await post({ text: 'two', thread_ts: parent, reply_broadcast: true });
    const { messages } = await client.conversations.replies({ channel: general.id, ts: parent });
    expect(messages?.map((each) => each.text)).toEqual(['question', 'one', 'two']);
    expect(messages?.[0]).toMatchObject({ reply_count: 2, reply_users_count: 1, thread_ts: parent });
    const history = await client.conversations.history({ channel: general.id });
    expect(history.messages?.map((each) => each.text)).not.toContain('one');
    expect(history.messages?.[0]).toMatchObject({ subtype: 'thread_broadcast', root: { text: 'question' } });
    expect(
      team
        .visible('general')
        .at(-1)
        ?.replies.map((each) => [each.text, each.broadcast]),
    ).toEqual([
      ['one', false],
      ['two', true],
    ]);
  });

  it('pages with its parent at the head of every page', async () => {
    const parent = team.people.say('ada', general, 'p').ts;
    for (const text of ['1', '2', '3']) team.people.say('ada', general, { text, thread: parent });
    const first = await client.conversations.replies({ channel: general.id, ts: parent, limit: 2 });
    const cursor = first.response_metadata?.next_cursor ?? '';
    const second = await client.conversations.replies({ channel: general.id, ts: parent, limit: 2, cursor });
    expect([first, second].map((page) => page.messages?.map((each) => each.text))).toEqual([
      ['p', '1', '2'],
      ['p', '3'],
    ]);
    expect([first.has_more, second.has_more]).toEqual([true, false]);
  });

  it('takes no malformed parent and no reply as one, and a reply to nothing lands in the channel', async () => {
    const parent = team.people.say('ada', general, 'p').ts;
    const reply = team.people.say('ada', general, { text: 'r', thread: parent }).ts;
    expect(await refusal(post({ thread_ts: '17' }))).toBe('invalid_thread_ts');
    expect(await refusal(post({ thread_ts: reply }))).toBe('cannot_reply_to_message');
    const { message } = await post({ thread_ts: '1600000000.000001' });
    expect(message?.thread_ts).toBeUndefined();
    expect(await refusal(client.conversations.replies({ channel: general.id, ts: '1600000000.000001' }))).toBe(
      'thread_not_found',
    );
  });

  it('leaves a tombstone for its parent, until the last reply goes', async () => {
    const parent = team.people.say('ada', general, 'p').ts;
    const reply = team.people.say('ada', general, { text: 'r', thread: parent }).ts;
    team.people.delete(general, parent);
    expect(team.visible('general').at(-1)).toMatchObject({ kind: 'deleted', replies: [{ text: 'r' }] });
    team.people.delete(general, reply);
    expect(general.messages.map((each) => each.ts)).not.toContain(parent);
  });
});

describe('history', () => {
  it('comes newest first in pages, between two times', async () => {
    const all = ['1', '2', '3', '4', '5'].map((text) => team.people.say('ada', general, text).ts);
    const [first = '', second = '', , fourth = '', fifth = ''] = all;
    const texts: (string | undefined)[] = [];
    let cursor: string | undefined = '';
    while (cursor !== undefined) {
      const page = await client.conversations.history({ channel: general.id, limit: 2, oldest: first, cursor });
      texts.push(...(page.messages ?? []).map((each) => each.text));
      cursor = page.response_metadata?.next_cursor;
    }
    expect(texts).toEqual(['5', '4', '3', '2']);
    const inside = await client.conversations.history({ channel: general.id, oldest: second, latest: fourth });
    expect(inside.messages?.map((each) => each.text)).toEqual(['3']);
    const closed = await client.conversations.history({
      channel: general.id,
      latest: fifth,
      inclusive: true,
      limit: 1,
    });
    expect(closed.messages?.map((each) => each.text)).toEqual(['5']);
  });

  it('has times that are unique and rise, also under a held clock', () => {
    slack.clock.hold();
    const times = Array.from({ length: 50 }, () => team.people.say('ada', general, 'x').ts);
    expect(new Set(times).size).toBe(50);
    expect([...times].sort()).toEqual(times);
  });

  it('is closed to an app outside, and reads no JSON body', async () => {
    team.people.removeApp(general);
    expect(await refusal(client.conversations.history({ channel: general.id }))).toBe('not_in_channel');
    const answer = await fetch(`${slack.apiUrl}conversations.history`, {
      method: 'POST',
      headers: { authorization: `Bearer ${team.botToken}`, 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify({ channel: general.id }),
    });
    expect(await answer.json()).toMatchObject({ ok: false, error: 'invalid_arguments' });
  });
});

describe('reactions', () => {
  it('are kept under the emoji’s own name, once for each person', async () => {
    const timestamp = team.people.say('ada', general, 'x').ts;
    const at = { channel: general.id, timestamp };
    await client.reactions.add({ ...at, name: 'thumbsup' });
    expect(await refusal(client.reactions.add({ ...at, name: '+1' }))).toBe('already_reacted');
    await client.reactions.add({ ...at, name: '+1::skin-tone-3' });
    expect(await refusal(client.reactions.add({ ...at, name: 'no_such_emoji' }))).toBe('invalid_name');
    team.people.addEmoji('party-blob', 'https://acme.example/blob.gif');
    await client.reactions.add({ ...at, name: 'party-blob' });
    team.people.react('ada', general, timestamp, '+1');
    const { message } = await client.reactions.get(at);
    expect(message?.reactions).toMatchObject([
      { name: '+1', count: 2 },
      { name: '+1::skin-tone-3' },
      { name: 'party-blob' },
    ]);
    await client.reactions.remove({ ...at, name: '+1' });
    expect(await refusal(client.reactions.remove({ ...at, name: '+1' }))).toBe('no_reaction');
    expect(team.visible('general').at(-1)?.reactions).toMatchObject({ '+1': ['Ada Lovelace'] });
    expect(await refusal(client.reactions.add({ ...at, timestamp: '1600000000.000001', name: '+1' }))).toBe(
      'message_not_found',
    );
  });
});

describe('conversations and people', () => {
  it('are listed in pages', async () => {
    for (let index = 0; index < 5; index += 1) team.people.create('ada', `c${index}`);
    const names: (string | undefined)[] = [];
    let cursor: string | undefined = '';
    do {
      const page = await client.conversations.list({ limit: 2, cursor });
      names.push(...(page.channels ?? []).map((each) => each.name));
      cursor = page.response_metadata?.next_cursor;
    } while (cursor !== '');
    expect(names).toEqual(['general', 'c0', 'c1', 'c2', 'c3', 'c4']);
    const mine = await client.users.conversations({ types: 'public_channel,private_channel,im,mpim' });
    expect(mine.channels?.map((each) => each.name)).toEqual(['general']);
    expect((await client.users.list({})).members?.map((each) => each.name)).toEqual(['causeway', 'ada', 'grace']);
  });

  it('are joined, filled, named and closed by the app', async () => {
    const { people } = team;
    const open = people.create('ada', 'open');
    await client.conversations.join({ channel: open.id });
    expect((await client.conversations.join({ channel: open.id })).warning).toBe('already_in_channel');
    const made = (await client.conversations.create({ name: 'made', is_private: true })).channel?.id ?? '';
    expect(await refusal(client.conversations.create({ name: 'made' }))).toBe('name_taken');
    const ada = people.user('ada').id;
    await client.conversations.invite({ channel: made, users: ada });
    expect(await refusal(client.conversations.invite({ channel: made, users: ada }))).toBe('already_in_channel');
    await client.conversations.setTopic({ channel: made, topic: 'a topic' });
    await client.conversations.rename({ channel: made, name: 'renamed' });
    expect(await refusal(client.conversations.rename({ channel: open.id, name: 'other' }))).toBe('not_authorized');
    expect((await client.conversations.info({ channel: made })).channel).toMatchObject({
      name: 'renamed',
      topic: { value: 'a topic' },
      is_private: true,
    });
    await client.conversations.kick({ channel: made, user: ada });
    expect((await client.conversations.members({ channel: made })).members).toEqual([team.workspace.app.botUser]);
    await client.conversations.archive({ channel: made });
    await client.conversations.leave({ channel: open.id });
    expect((await client.conversations.leave({ channel: open.id })) as { not_in_channel?: boolean }).toMatchObject({
      not_in_channel: true,
    });
  });

  it('talk directly: the same people have one conversation', async () => {
    const { people } = team;
    const [ada, grace] = [people.user('ada').id, people.user('grace').id];
    const first = await client.conversations.open({ users: ada });
    expect((await client.conversations.open({ users: ada })) as { already_open?: boolean }).toMatchObject({
      already_open: true,
      channel: { id: first.channel?.id },
    });
    const group = await client.conversations.open({ users: `${ada},${grace}`, return_im: true });
    expect(group.channel).toMatchObject({ is_mpim: true });
    await client.chat.postMessage({ channel: ada, text: 'to you' });
    expect(team.visible(first.channel?.id ?? '').map((each) => each.text)).toEqual(['to you']);
  });

  it('hide their address from another workspace', async () => {
    const foreign = team.workspace.addUser({ name: 'eve', teamId: 'T0999' });
    const { user } = await client.users.info({ user: foreign.id });
    expect(user).toMatchObject({ team_id: 'T0999', is_stranger: true });
    expect(user?.profile?.email).toBeUndefined();
    expect(await refusal(client.users.info({ user: 'U0' }))).toBe('user_not_found');
  });
});

describe('files', () => {
  it('go up in three steps, and are shared after the answer', async () => {
    slack.faults.fileShareMs = 2_000;
    const answer = await client.filesUploadV2({
      channel_id: general.id,
      file: Buffer.from('hello'),
      filename: 'hello.txt',
      initial_comment: 'see',
    });
    const id = (answer.files[0] as { files?: { id?: string; shares?: object }[] }).files?.[0]?.id ?? '';
    expect((await client.files.info({ file: id })).file?.shares).toEqual({});
    await expect
      .poll(async () => Object.keys((await client.files.info({ file: id })).file?.shares ?? {}))
      .toEqual(['public']);
    expect(team.visible('general').at(-1)).toMatchObject({
      subtype: 'file_share',
      text: 'see',
      files: [{ name: 'hello.txt', mimetype: 'text/plain', size: 5 }],
    });
  });

  it('come down with a token, and without one there is a sign-in page', async () => {
    const file = team.people.upload('ada', { name: 'a.png', bytes: Buffer.from([1, 2, 3]) });
    expect(await refusal(client.files.info({ file: file.id }))).toBe('file_not_found');
    team.people.say('ada', general, { text: '', files: [file] });
    const { file: info } = await client.files.info({ file: file.id });
    const address = info?.url_private_download ?? '';
    const good = await fetch(address, { headers: { authorization: `Bearer ${team.botToken}` } });
    expect(Buffer.from(await good.arrayBuffer())).toEqual(file.bytes);
    const page = await fetch(address);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await refusal(client.files.delete({ file: file.id }))).toBe('cant_delete_file');
    team.people.deleteFile(file);
    expect(await refusal(client.files.info({ file: file.id }))).toBe('file_deleted');
  });

  it('are refused when other bytes come than were announced', async () => {
    const { upload_url: address = '' } = await client.files.getUploadURLExternal({ filename: 'a', length: 3 });
    expect((await fetch(address, { method: 'POST', body: 'four' })).status).toBe(400);
  });
});

describe('limits and faults', () => {
  it('answers 429 with Retry-After, per channel and per method', async () => {
    slack.limits.on({ scale: 0.05 });
    await post();
    await expect(post()).rejects.toMatchObject({ code: 'slack_webapi_rate_limited_error', retryAfter: 1 });
    await post({ channel: team.people.create('ada', 'elsewhere').id });
    await new Promise((resolve) => setTimeout(resolve, 60));
    await post();
    expect(slack.limits.refused.get('chat.postMessage')).toBe(1);
  });

  it('gives a new app 15 messages of history, once a minute', async () => {
    for (let index = 0; index < 20; index += 1) team.people.say('ada', general, 'x');
    slack.limits.on({ scale: 1, newApp: true });
    expect((await client.conversations.history({ channel: general.id, limit: 100 })).messages).toHaveLength(15);
    await expect(client.conversations.history({ channel: general.id })).rejects.toMatchObject({ retryAfter: 60 });
  });

  it.each([
    [{ kind: 'http', status: 503 } as const, 0],
    [{ kind: 'reset' } as const, 0],
    [{ kind: 'lost' } as const, 1],
    [{ kind: 'done-http', status: 500 } as const, 1],
    [{ kind: 'error', error: 'internal_error' } as const, 0],
    [{ kind: 'ratelimited', seconds: 3 } as const, 0],
  ])('fails a call by %o, with %i message posted', async (fault, posted) => {
    const before = general.messages.length;
    slack.faults.next('chat.postMessage', fault);
    await expect(post()).rejects.toBeDefined();
    expect(general.messages.length - before).toBe(posted);
    await post();
  });

  it('fails at random in the same way for the same seed', async () => {
    const run = async (): Promise<unknown[]> => {
      slack.faults.clear();
      slack.faults.random(0.3, 42);
      const from = slack.faults.happened.length;
      for (let index = 0; index < 30; index += 1) await client.auth.test().catch(() => undefined);
      return slack.faults.happened.slice(from);
    };
    const first = await run();
    expect(first.length).toBeGreaterThan(3);
    expect(await run()).toEqual(first);
  });

  it('records what was called and how it went', async () => {
    await post();
    await refusal(client.conversations.info({ channel: 'C0' }));
    expect(slack.api.calls.slice(-2)).toMatchObject([
      { method: 'chat.postMessage', args: { text: 'hello' }, outcome: 'ok' },
      { method: 'conversations.info', outcome: 'channel_not_found' },
    ]);
    expect(lastTs()).not.toBe('');
  });
});

function rich(run: object): object {
  return { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [run] }] };
}
