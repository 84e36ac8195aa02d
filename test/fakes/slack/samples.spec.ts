import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Channel, Json } from './model.js';
import { isJson, textOf } from './model.js';
import { differences, hasSample, sample } from './samples.js';
import { FakeSlack, type FakeTeam } from './slack.js';

/**
 * What the samples lack and Slack has: named by its source. Everything else that the fake says must be in the sample,
 * with its type.
 */
const BEYOND_SAMPLES: readonly RegExp[] = [
  // Samples of other events have the context of the envelope.
  /Payload \.context_(team|enterprise)_id: not/,
  // docs.slack.dev/reference/events/message/thread_broadcast: the root as a whole message.
  /\.root\.(client_msg_id|blocks|reply_users|is_locked|user|team|app_id|bot_profile|edited|reactions): not/,
  // The samples of message_changed have the counts of a thread, but no lists and no files of a message.
  /(message|previous_message)\.(reply_users|files): not/,
  // docs.slack.dev/reference/events/emoji_changed: `names` of what was removed.
  /EmojiChangedPayload \.event\.names: not/,
  // The samples of history have it.
  /MessageBotPayload \.event\.app_id: not/,
  // The pinned message, and the one reacted to, are whole; in the samples they were bare ones of an app.
  /Pin(Added|Removed)Payload \.event\.item\.message\.(client_msg_id|blocks|attachments|edited|thread_ts|reply_\w+|latest_reply|is_locked|subscribed): not/,
  /reactions\.get \.message\.(edited|thread_ts|reply_\w+|latest_reply|is_locked|subscribed): not/,
  // docs.slack.dev/reference/methods/chat.postMessage: icon_url.
  /chat\.postMessage \.message\.icons\.image_(36|48|72): not/,
  // docs.slack.dev/reference/events/message/channel_name, and what history has of a reply in its thread too.
  /conversations\.history \.messages\[\]\.(old_name|name|hidden): not/,
  /conversations\.replies \.messages\[\]\.(subtype|username|icons): not/,
];

/** Fields of samples that are there only sometimes, or with an enterprise. */
const SOMETIMES = [
  'inviter',
  'enterprise',
  'bot_id',
  'username',
  'value',
  'name',
  'old_name',
  'new_name',
  'item_user',
  'edited',
  'attachments',
  'icons',
  'thread_ts',
];
/** A sample with more fields than these lists all that a message may have; no message has all. */
const WHOLE_SAMPLE = 13;

/** The samples that the events of a workspace's life are compared with. */
const EVENTS: readonly string[] = `
  AppMention ChannelArchive ChannelCreated ChannelDeleted ChannelIdChanged ChannelLeft ChannelRename
  ChannelShared ChannelUnarchive ChannelUnshared EmojiChanged FileCreated FileDeleted FileShared GroupArchive
  GroupDeleted GroupLeft GroupRename GroupUnarchive ImCreated MemberJoinedChannel MemberLeftChannel MessageBot
  MessageChanged MessageChannelArchive MessageChannelJoin MessageChannelLeave MessageChannelName
  MessageChannelPostingPermissions MessageChannelPurpose MessageChannelTopic MessageChannelUnarchive
  MessageDeleted MessageEkmAccessDenied MessageFileShare MessageGroupTopic MessageMe Message
  MessageThreadBroadcast PinAdded PinRemoved ReactionAdded ReactionRemoved TeamJoin UserChange
  UserProfileChanged UserStatusChanged
`
  .trim()
  .split(/\s+/);

let slack: FakeSlack;
let team: FakeTeam;
let general: Channel;

async function call(method: string, args: Record<string, string> = {}): Promise<Json> {
  const response = await fetch(`${slack.apiUrl}${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${method === 'apps.connections.open' ? slack.app.appToken : team.botToken}` },
    body: new URLSearchParams(args),
  });
  const json: unknown = await response.json();
  if (!isJson(json)) throw new Error('no object');
  return json;
}

const unexplained = (found: readonly string[]): string[] =>
  found.filter((each) => !BEYOND_SAMPLES.some((known) => known.test(each)));

beforeAll(async () => {
  slack = await FakeSlack.start({ scale: 0.01 });
  team = slack.addTeam('acme', 'Acme');
  for (const name of ['ada', 'grace']) team.workspace.addUser({ name, realName: `${name} X` });
  general = team.people.create('ada', 'general');
  team.people.inviteApp('ada', general);
  lifeOfAWorkspace();
});

afterAll(() => slack.close());

/** Every gesture once, so that every event is sent. */
function lifeOfAWorkspace(): void {
  const { people } = team;
  const parent = people.say('ada', general, 'hello <@U1> https://a.example');
  people.say('grace', general, { text: 'reply', thread: parent.ts });
  const broadcast = people.say('grace', general, { text: 'loud', thread: parent.ts, broadcast: true });
  people.edit('ada', general, parent, 'changed');
  people.unfurl(general, parent, 'https://a.example');
  people.react('ada', general, parent, 'thumbsup');
  people.unreact('ada', general, parent, '+1');
  people.pin('ada', general, parent);
  people.unpin('ada', general, parent);
  people.emote('ada', general, 'waves');
  people.otherBot(general, 'Weather', 'rain');
  people.noise('ada', general);
  people.say('ada', general, `<@${team.workspace.app.botUser}> hi`);
  const file = people.upload('ada', { name: 'a.png', bytes: Buffer.from('x') });
  people.say('ada', general, { text: 'see', files: [file] });
  people.deleteFile(file);
  people.delete(general, parent);
  people.delete(general, broadcast);
  people.join('grace', general);
  people.leave('grace', general);
  people.setTopic('ada', general, 'topic');
  people.setPurpose('ada', general, 'purpose');
  people.rename('ada', general, 'renamed');
  people.connect(general, 'T0999');
  people.disconnect(general, 'T0999');
  people.connect(general, 'T0999', true);
  people.arrive({ name: 'new' });
  people.changeProfile('grace', { displayName: 'Amazing Grace' });
  people.setStatus('grace', 'busy', ':fire:');
  people.addEmoji('blob', 'https://a.example/blob.png');
  people.removeEmoji('blob');
  people.directWithApp('ada');
  people.directWithApp('ada', 'grace');
  const group = people.create('ada', 'secret', 'group');
  people.inviteApp('ada', group);
  people.setTopic('ada', group, 'topic');
  people.rename('ada', group, 'secrets');
  people.archive('ada', group);
  people.unarchive('ada', group);
  people.removeApp(group);
  people.inviteApp('ada', group);
  people.deleteChannel('ada', group);
  const open = people.create('ada', 'open');
  people.inviteApp('ada', open);
  people.archive('ada', open);
  people.unarchive('ada', open);
  people.removeApp(open);
  people.deleteChannel('ada', open);
}

/** `MessageChangedPayload` for a message of the subtype message_changed. */
function sampleOf(event: Json): string {
  const name = (word: string): string =>
    word
      .split('_')
      .map((part) => `${part.charAt(0).toUpperCase()}${part.slice(1)}`)
      .join('');
  const type = textOf(event.type);
  if (type !== 'message') return `events/${name(type)}Payload`;
  const subtype = textOf(event.subtype).replace(/^message_|_message$/g, '');
  return `events/Message${name(subtype)}Payload`;
}

describe('what the fake sends', () => {
  it('is as the published samples have it', () => {
    const found: string[] = [];
    const compared = new Set<string>();
    for (const { payload } of slack.outbox.sent) {
      const event = isJson(payload.event) ? payload.event : {};
      const name = sampleOf(event);
      if (!hasSample(name)) continue;
      compared.add(name);
      found.push(...differences(payload, sample(name)).map((each) => `${name} ${each}`));
    }
    expect([...new Set(unexplained(found))]).toEqual([]);
    expect([...compared].sort()).toEqual(EVENTS.map((name) => `events/${name}Payload`));
  });

  it('lacks no field of the samples', () => {
    const lacking = slack.outbox.sent.flatMap(({ payload }) => {
      const event = isJson(payload.event) ? payload.event : {};
      const name = sampleOf(event);
      const whole = hasSample(name) ? sample(name).event : undefined;
      const names = isJson(whole) ? Object.keys(whole) : [];
      // What enterprise key management hides has no content here.
      if (names.length > WHOLE_SAMPLE || event.subtype === 'ekm_access_denied') return [];
      return names
        .filter((field) => !(field in event) && !SOMETIMES.includes(field))
        .map((field) => `${name} ${field}`);
    });
    expect([...new Set(lacking)]).toEqual([]);
  });

  it('has envelopes and messages with the fields that are always there', () => {
    for (const { payload } of slack.outbox.sent) {
      const envelope = ['token', 'team_id', 'api_app_id', 'event_id', 'event_time', 'authorizations', 'event_context'];
      expect(Object.keys(payload)).toEqual(expect.arrayContaining(envelope));
      const event = isJson(payload.event) ? payload.event : {};
      if (event.type !== 'message') continue;
      expect(Object.keys(event)).toEqual(expect.arrayContaining(['channel', 'channel_type', 'ts', 'event_ts']));
      const { message = event } = event;
      expect(isJson(message) && Object.keys(message)).toEqual(expect.arrayContaining(['type', 'ts']));
    }
  });
});

describe('what the fake answers', () => {
  it('is as the published samples have it', async () => {
    const { people } = team;
    const ada = people.user('ada').id;
    const channel = general.id;
    const answers: [string, Json][] = [];
    const take = async (method: string, args: Record<string, string> = {}): Promise<Json> => {
      const answer = await call(method, args);
      expect([method, answer.error]).toEqual([method, undefined]);
      answers.push([method, answer]);
      return answer;
    };
    await take('auth.test');
    await take('apps.connections.open');
    await take('team.info');
    await take('bots.info', { bot: team.workspace.app.botId });
    await take('emoji.list');
    await take('users.info', { user: ada });
    await take('users.list');
    await take('users.profile.get', { user: ada });
    await take('users.lookupByEmail', { email: 'ada@acme.example' });
    await take('users.getPresence', { user: ada });
    await take('users.conversations', { types: 'public_channel,private_channel,im,mpim' });
    await take('conversations.list', { types: 'public_channel,private_channel,im,mpim' });
    await take('conversations.info', { channel, include_num_members: 'true' });
    await take('conversations.members', { channel });
    const metadata = JSON.stringify({ event_type: 'x', event_payload: { id: '1' } });
    const { ts } = await take('chat.postMessage', { channel, text: 'hello', metadata });
    const at = textOf(ts);
    await take('chat.postMessage', {
      channel,
      text: 'reply',
      thread_ts: at,
      username: 'Eve',
      icon_url: 'https://a.example/e.png',
    });
    await take('chat.postMessage', { channel, text: 'loud', thread_ts: at, reply_broadcast: 'true' });
    await take('chat.update', { channel, ts: at, text: 'changed' });
    await take('chat.getPermalink', { channel, message_ts: at });
    await take('chat.postEphemeral', { channel, user: ada, text: 'psst' });
    await take('chat.meMessage', { channel, text: 'waves' });
    await take('reactions.add', { channel, timestamp: at, name: '+1' });
    await take('reactions.get', { channel, timestamp: at });
    await take('conversations.history', { channel, include_all_metadata: 'true' });
    await take('conversations.replies', { channel, ts: at });
    await take('reactions.remove', { channel, timestamp: at, name: '+1' });
    await take('chat.delete', { channel, ts: at });
    const upload = await take('files.getUploadURLExternal', { filename: 'a.png', length: '3', alt_txt: 'a' });
    await fetch(textOf(upload.upload_url), { method: 'POST', body: 'abc' });
    const files = JSON.stringify([{ id: upload.file_id, title: 'A' }]);
    await take('files.completeUploadExternal', { files, channel_id: channel });
    await take('files.info', { file: textOf(upload.file_id) });
    await take('files.delete', { file: textOf(upload.file_id) });
    await take('conversations.open', { users: ada, return_im: 'true' });
    const made = await take('conversations.create', { name: 'made' });
    const other = isJson(made.channel) ? textOf(made.channel.id) : '';
    await take('conversations.invite', { channel: other, users: ada });
    await take('conversations.setTopic', { channel: other, topic: 't' });
    await take('conversations.setPurpose', { channel: other, purpose: 'p' });
    await take('conversations.rename', { channel: other, name: 'made2' });
    await take('conversations.kick', { channel: other, user: ada });
    await take('conversations.archive', { channel: other });
    await take('conversations.leave', { channel });
    await take('conversations.join', { channel });
    const found = answers.flatMap(([method, answer]) =>
      differences(answer, sample(`api/${method}`)).map((each) => `${method} ${each.replaceAll(/\[\d+\]/g, '[]')}`),
    );
    expect([...new Set(unexplained(found))]).toEqual([]);
  });

  it('has the fields of a refusal', async () => {
    const answer = await call('conversations.info', { channel: 'C0' });
    expect(differences(answer, sample('api/conversations.info'))).toEqual([]);
  });
});
