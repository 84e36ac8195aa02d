import { type Call, type Method, cursorAt, page, placeOf } from '../call.js';
import { type Channel, type ChannelKind, type Json, type Message, SlackError, omit } from '../model.js';
import { channelJson, createdJson, messageJson } from '../shapes.js';

const MAX_TOPIC = 250;
const MAX_DIRECT = 8;

const KINDS: Readonly<Record<string, ChannelKind>> = {
  public_channel: 'channel',
  private_channel: 'group',
  im: 'im',
  mpim: 'mpim',
};
const READ: Record<ChannelKind, string> = {
  channel: 'channels:read',
  group: 'groups:read',
  im: 'im:read',
  mpim: 'mpim:read',
};

const shown = (call: Call, channel: Channel): Json => channelJson(call.workspace, channel, call.bot.id);

const info: Method = (call) => {
  const channel = call.channel();
  const members = call.args.flag('include_num_members') ? { num_members: channel.members.size } : {};
  return { channel: { ...shown(call, channel), ...members } };
};

function kindsOf(call: Call): ChannelKind[] {
  const names = (call.args.text('types') ?? 'public_channel').split(',').map((name) => name.trim());
  return names.map((name) => {
    const kind = KINDS[name];
    if (kind === undefined) throw new SlackError('invalid_types');
    call.needScope(READ[kind]);
    return kind;
  });
}

function listed(call: Call, mine: boolean): Json {
  const kinds = kindsOf(call);
  const archived = !call.args.flag('exclude_archived');
  const all = [...call.workspace.channels.values()].filter((channel) => {
    const member = channel.members.has(call.bot.id);
    const visible = mine ? member : member || channel.kind === 'channel';
    return visible && kinds.includes(channel.kind) && (archived || !channel.archived);
  });
  const { items, next } = page(all, call.args, 100, 1_000);
  const hidden = mine ? ['is_open', 'is_member'] : ['is_open'];
  const channels = items.map((channel) => omit(shown(call, channel), ...hidden));
  return { channels, response_metadata: { next_cursor: next } };
}

const list: Method = (call) => listed(call, false);
const mine: Method = (call) => listed(call, true);

const members: Method = (call) => {
  const { items, next } = page([...call.channel().members], call.args, 100, 1_000);
  return { members: items, response_metadata: { next_cursor: next } };
};

/** Messages between oldest and latest, in their order. */
function between(call: Call, messages: readonly Message[]): Message[] {
  const oldest = call.args.text('oldest') ?? '0';
  const latest = call.args.text('latest') ?? '9999999999.999999';
  const inclusive = call.args.flag('inclusive');
  const [from, to] = [padded(oldest), padded(latest)];
  return messages.filter(({ ts }) => {
    const at = padded(ts);
    return inclusive ? at >= from && at <= to : at > from && at < to;
  });
}

/** Times that sort as text: Slack takes `1700000000` for `1700000000.000000`. */
function padded(ts: string): string {
  const [seconds = '', micros = ''] = ts.split('.');
  return `${seconds.padStart(12, '0')}.${micros.padEnd(6, '0').slice(0, 6)}`;
}

const limitOf = (call: Call): number =>
  call.limits.newApp ? call.args.count('limit', 15, 15) : call.args.count('limit', 100, 999);

const history: Method = (call) => {
  const channel = call.joined();
  const top = channel.messages.filter(
    (each) => each.threadTs === undefined || each.threadTs === each.ts || each.broadcast,
  );
  const before = placeOf(call.args.text('cursor'));
  const all = between(call, top)
    .reverse()
    .filter((each) => before === undefined || padded(each.ts) < padded(before));
  const items = all.slice(0, limitOf(call));
  const more = items.length < all.length;
  const metadata = call.args.flag('include_all_metadata');
  return {
    messages: items.map((message) => messageJson(call.workspace, channel, message, { metadata, root: true })),
    has_more: more,
    pin_count: channel.pins.length,
    channel_actions_ts: null,
    channel_actions_count: 0,
    ...(more ? { response_metadata: { next_cursor: cursorAt(items.at(-1)?.ts ?? '') } } : {}),
  };
};

const replies: Method = (call) => {
  const channel = call.joined();
  const ts = call.args.need('ts');
  const parent = channel.messages.find((each) => each.ts === ts);
  if (parent === undefined) throw new SlackError('thread_not_found');
  const after = placeOf(call.args.text('cursor'));
  const all = between(call, call.workspace.replies(channel, ts)).filter(
    (each) => after === undefined || padded(each.ts) > padded(after),
  );
  const items = all.slice(0, limitOf(call));
  const more = items.length < all.length;
  const metadata = call.args.flag('include_all_metadata');
  // The parent leads every page.
  return {
    messages: [parent, ...items].map((message) => messageJson(call.workspace, channel, message, { metadata })),
    has_more: more,
    ...(more ? { response_metadata: { next_cursor: cursorAt(items.at(-1)?.ts ?? '') } } : {}),
  };
};

const join: Method = (call) => {
  const channel = call.channel();
  if (channel.kind !== 'channel') throw new SlackError('method_not_supported_for_channel_type');
  if (channel.archived) throw new SlackError('is_archived');
  if (channel.members.has(call.bot.id)) {
    const warnings = { warning: 'already_in_channel', response_metadata: { warnings: ['already_in_channel'] } };
    return { channel: shown(call, channel), ...warnings };
  }
  call.conversations.join(channel, call.bot.id);
  return { channel: shown(call, channel) };
};

const leave: Method = (call) => {
  const channel = call.channel();
  if (channel.general) throw new SlackError('cant_leave_general');
  if (!channel.members.has(call.bot.id)) return { not_in_channel: true };
  call.conversations.leave(channel, call.bot.id);
  return {};
};

const open: Method = (call) => {
  const id = call.args.text('channel');
  if (id !== undefined) return { no_op: true, already_open: true, channel: { id: call.channel(id).id } };
  const users = (call.args.text('users') ?? '').split(',').filter((each) => each !== '');
  if (users.length === 0) throw new SlackError('users_list_not_supplied');
  if (users.length > MAX_DIRECT) throw new SlackError('too_many_users');
  call.needScope(users.length === 1 ? 'im:write' : 'mpim:write');
  if (users.some((each) => call.workspace.user(each).deleted)) throw new SlackError('user_disabled');
  if (users.length === 1 && users[0] === call.bot.id) throw new SlackError('cannot_dm_bot');
  const { channel, created } = call.workspace.directOf([call.bot.id, ...users]);
  const whole = call.args.flag('return_im') ? shown(call, channel) : { id: channel.id };
  return { ...(created ? {} : { no_op: true, already_open: true }), channel: whole };
};

const close: Method = (call) => {
  call.channel();
  return {};
};

const invite: Method = (call) => {
  const channel = call.live();
  const users = call.args.need('users').split(',');
  for (const user of users) {
    if (user === call.bot.id) throw new SlackError('cant_invite_self');
    if (call.workspace.user(user).deleted) throw new SlackError('user_not_found');
    if (channel.members.has(user)) throw new SlackError('already_in_channel');
  }
  for (const user of users) call.conversations.join(channel, user, call.bot.id);
  return { channel: shown(call, channel) };
};

const kick: Method = (call) => {
  const channel = call.joined();
  const user = call.args.need('user');
  if (user === call.bot.id) throw new SlackError('cant_kick_self');
  if (channel.general) throw new SlackError('cant_kick_from_general');
  if (call.workspace.users.get(user) === undefined) throw new SlackError('user_not_found');
  if (!channel.members.has(user)) throw new SlackError('not_in_channel');
  call.conversations.leave(channel, user);
  return { errors: {} };
};

const create: Method = (call) => {
  const isPrivate = call.args.flag('is_private');
  call.needScope(isPrivate ? 'groups:write' : 'channels:manage');
  const channel = call.workspace.addChannel({
    name: call.args.need('name'),
    kind: isPrivate ? 'group' : 'channel',
    members: [call.bot.id],
  });
  const json = shown(call, channel);
  if (!isPrivate) {
    const event = { type: 'channel_created', channel: createdJson(call.workspace, channel) };
    call.workspace.emit({ ...event, event_ts: call.workspace.eventTs(channel) }, channel);
  }
  return { channel: json };
};

const heading =
  (which: 'topic' | 'purpose'): Method =>
  (call) => {
    const channel = call.live();
    const value = call.args.text(which) ?? '';
    if (value.length > MAX_TOPIC) throw new SlackError('too_long');
    call.conversations.setHeading(channel, which, value, call.bot.id);
    return { channel: shown(call, channel) };
  };

const rename: Method = (call) => {
  const channel = call.live();
  const name = call.args.need('name');
  // An app renames only what it made.
  if (channel.creator !== call.bot.id) throw new SlackError('not_authorized');
  if (!/^[\p{Ll}\p{Lo}\d_-]{1,80}$/u.test(name)) throw new SlackError('invalid_name_specials');
  if (call.workspace.channelByName(name) !== undefined) throw new SlackError('name_taken');
  call.conversations.rename(channel, name, call.bot.id);
  return { channel: shown(call, channel) };
};

const archive: Method = (call) => {
  const channel = call.joined();
  if (channel.archived) throw new SlackError('already_archived');
  if (channel.general) throw new SlackError('cant_archive_general');
  call.conversations.setArchived(channel, true, call.bot.id);
  return {};
};

export const CONVERSATIONS: Readonly<Record<string, Method>> = {
  'conversations.info': info,
  'conversations.list': list,
  'users.conversations': mine,
  'conversations.members': members,
  'conversations.history': history,
  'conversations.replies': replies,
  'conversations.join': join,
  'conversations.leave': leave,
  'conversations.open': open,
  'conversations.close': close,
  'conversations.invite': invite,
  'conversations.kick': kick,
  'conversations.create': create,
  'conversations.setTopic': heading('topic'),
  'conversations.setPurpose': heading('purpose'),
  'conversations.rename': rename,
  'conversations.archive': archive,
};
