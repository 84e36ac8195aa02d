import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Channel, type Json, isJson, jsonList, textOf } from './model.js';
import { FakeSlack, type FakeTeam } from './slack.js';

let slack: FakeSlack;
let team: FakeTeam;
let general: Channel;
let ada: string;

beforeEach(async () => {
  slack = await FakeSlack.start({ scale: 0.001 });
  team = slack.addTeam('acme');
  ada = team.workspace.addUser({ name: 'ada', realName: 'Ada Lovelace' }).id;
  team.workspace.addUser({ name: 'grace' });
  general = team.workspace.addChannel({ name: 'general', members: [ada, team.workspace.app.botUser] });
});

afterEach(() => slack.close());

/** The events since the last time, as `type` or `message/subtype`. */
let seen = 0;
beforeEach(() => (seen = 0));
function events(): Json[] {
  const fresh = slack.outbox.sent.slice(seen).map(({ payload }) => (isJson(payload.event) ? payload.event : {}));
  seen = slack.outbox.sent.length;
  return fresh;
}
const kinds = (): string[] =>
  events().map(({ type, subtype }) =>
    type === 'message' && subtype !== undefined ? `message/${textOf(subtype)}` : textOf(type),
  );

describe('what people do is told', () => {
  it('as a message with client_msg_id and rich text', () => {
    team.people.say('ada', general, 'a *b* <https://a.example|c> :tada:\n&gt; q\n```x = 1```');
    const [event = {}] = events();
    expect(event).toMatchObject({
      type: 'message',
      user: ada,
      client_msg_id: expect.any(String),
      channel_type: 'channel',
    });
    const [block = {}] = jsonList(event.blocks);
    expect(block).toMatchObject({
      type: 'rich_text',
      elements: [
        {
          type: 'rich_text_section',
          elements: [
            { type: 'text', text: 'a ' },
            { type: 'text', text: 'b', style: { bold: true } },
            { type: 'text', text: ' ' },
            { type: 'link', url: 'https://a.example', text: 'c' },
            { type: 'text', text: ' ' },
            { type: 'emoji', name: 'tada' },
          ],
        },
        { type: 'rich_text_quote', elements: [{ type: 'text', text: 'q' }] },
        { type: 'rich_text_preformatted', elements: [{ type: 'text', text: 'x = 1' }] },
      ],
    });
  });

  it('as a text made of the blocks that somebody wrote', () => {
    const run = (text: string, style?: object): Json => ({
      type: 'text',
      text,
      ...(style === undefined ? {} : { style }),
    });
    const item = (text: string): Json => ({ type: 'rich_text_section', elements: [run(text)] });
    team.people.say('ada', general, {
      blocks: [
        {
          type: 'rich_text',
          elements: [
            { type: 'rich_text_section', elements: [run('1 < 2', { italic: true }), { type: 'user', user_id: ada }] },
            { type: 'rich_text_list', style: 'ordered', indent: 1, offset: 2, elements: [item('x'), item('y')] },
          ],
        },
      ],
    });
    expect(events()[0]?.text).toBe(`_1 &lt; 2_<@${ada}>\n    3. x\n    4. y`);
    expect(team.visible('general').at(-1)?.blocks).toEqual([
      {
        kind: 'paragraph',
        runs: [
          { text: '1 < 2', italic: true },
          { text: '@Ada Lovelace', mention: ada },
        ],
      },
      { kind: 'item', depth: 1, number: 3, runs: [{ text: 'x' }] },
      { kind: 'item', depth: 1, number: 4, runs: [{ text: 'y' }] },
    ]);
  });

  it('twice, where the app is mentioned: under one ts and two event_ids', () => {
    team.people.say('ada', general, `<@${team.workspace.app.botUser}> help`);
    const [message, mention] = slack.outbox.sent.map(({ payload }) => payload);
    expect([message?.event, mention?.event]).toMatchObject([{ type: 'message' }, { type: 'app_mention' }]);
    expect((message?.event as Json).ts).toBe((mention?.event as Json).ts);
    expect(message?.event_id).not.toBe(mention?.event_id);
  });

  it('as changes: an edit has `edited`, a preview of a link has not', () => {
    const message = team.people.say('ada', general, 'https://a.example');
    team.people.unfurl(general, message, 'https://a.example');
    team.people.edit('ada', general, message, 'changed');
    const [, preview, edit] = events();
    expect(preview).toMatchObject({ subtype: 'message_changed', hidden: true, message: { attachments: [{}] } });
    expect((preview?.message as Json).edited).toBeUndefined();
    expect(edit).toMatchObject({
      message: { text: 'changed', ts: message.ts, edited: { user: ada } },
      previous_message: { text: 'https://a.example' },
    });
    expect(edit?.ts).not.toBe(message.ts);
  });

  it('as a tombstone that changes the message when it has replies, and a deletion when it has none', () => {
    const { people } = team;
    const parent = people.say('ada', general, 'p');
    const reply = people.say('ada', general, { text: 'r', thread: parent.ts });
    events();
    people.delete(general, parent);
    expect(events()).toMatchObject([
      {
        subtype: 'message_changed',
        message: { subtype: 'tombstone', user: 'USLACKBOT' },
        previous_message: { text: 'p' },
      },
    ]);
    people.delete(general, reply);
    expect(events()).toMatchObject([
      { subtype: 'message_deleted', deleted_ts: reply.ts },
      { subtype: 'message_deleted', deleted_ts: parent.ts, previous_message: { subtype: 'tombstone', reply_count: 0 } },
    ]);
  });

  it('as one message with its files', () => {
    const file = team.people.upload('ada', { name: 'a.png', bytes: Buffer.from('x') });
    team.people.say('ada', general, { text: 'see', files: [file] });
    const [created, shared, message] = events();
    expect([created?.type, shared?.type]).toEqual(['file_created', 'file_shared']);
    expect(message).toMatchObject({
      subtype: 'file_share',
      files: [{ id: file.id, name: 'a.png', mimetype: 'image/png' }],
    });
    team.people.deleteFile(file);
    expect(kinds()).toEqual(['file_deleted', 'message/message_changed']);
  });

  it('as a channel’s life', () => {
    const { people } = team;
    people.join('grace', general);
    expect(kinds()).toEqual(['message/channel_join', 'member_joined_channel']);
    people.leave('grace', general);
    expect(kinds()).toEqual(['message/channel_leave', 'member_left_channel']);
    people.rename('ada', general, 'renamed');
    expect(kinds()).toEqual(['message/channel_name', 'channel_rename']);
    people.archive('ada', general);
    expect(kinds()).toEqual(['message/channel_archive', 'channel_archive']);
    people.unarchive('ada', general);
    expect(kinds()).toEqual(['message/channel_unarchive', 'channel_unarchive']);
    people.makePrivate('ada', general);
    expect(kinds()).toEqual(['message/channel_convert_to_private']);
    const old = general.id;
    people.connect(general, 'T0999', true);
    expect(events()).toMatchObject([
      { type: 'channel_id_changed', old_channel_id: old, new_channel_id: general.id },
      { type: 'channel_shared', channel: general.id, connected_team_id: 'T0999' },
    ]);
    expect(slack.outbox.sent.at(-1)?.payload.is_ext_shared_channel).toBe(true);
    people.removeApp(general);
    expect(kinds()).toEqual(['message/group_leave', 'member_left_channel', 'group_left']);
    people.say('ada', general, 'nobody of the app is here');
    people.deleteChannel('ada', general);
    expect(kinds()).toEqual([]);
  });

  it('as the workspace’s life', () => {
    const { people } = team;
    people.arrive({ name: 'new' });
    people.changeProfile('grace', { displayName: 'Amazing Grace' });
    people.deactivate('grace');
    people.addEmoji('blob', 'https://a.example/b.png');
    people.directWithApp('ada');
    expect(kinds()).toEqual([
      'team_join',
      'user_change',
      'user_profile_changed',
      'user_change',
      'emoji_changed',
      'im_created',
    ]);
    people.uninstallApp();
    people.say('ada', general, 'not told');
    expect(kinds()).toEqual(['tokens_revoked', 'app_uninstalled']);
  });

  it('to an app that is there and has the scope', () => {
    const { people } = team;
    const other = people.create('ada', 'other');
    const secret = people.create('ada', 'secret', 'group');
    events();
    people.say('ada', other, 'outside');
    people.say('ada', secret, 'inside');
    people.rename('ada', other, 'other2');
    people.rename('ada', secret, 'secret2');
    expect(kinds()).toEqual(['channel_rename']);
    slack.installation.tokenFor(team.workspace, ['channels:read']);
    const message = people.say('ada', general, 'no history scope');
    people.react('ada', general, message, 'tada');
    people.setTopic('ada', general, 'x');
    expect(kinds()).toEqual([]);
  });

  it('of the app’s own words as well', () => {
    const { conversations, workspace } = team;
    const { appId, botId, botUser } = workspace.app;
    conversations.post(general, { user: botUser, botId, appId, text: 'mine' });
    expect(events()).toMatchObject([{ type: 'message', bot_id: botId, user: botUser, bot_profile: { app_id: appId } }]);
  });
});

describe('an edit', () => {
  it('notifies only whom the message did not mention before', () => {
    const message = team.people.say('ada', general, '<@U00000001> and <!here>');
    team.people.edit('ada', general, message, '<@U00000001> and <@U00000002>');
    expect(message.notified.map(({ kind, id }) => id ?? kind)).toEqual(['U00000001', 'here', 'U00000002']);
  });
});
