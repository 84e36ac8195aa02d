import { type Channel, type Json, type Message, type StoredFile, type User, omit, without } from './model.js';
import { customImage } from './avatars.js';
import type { Workspace } from './workspace.js';

/** What Slack answers and sends about people, conversations, messages and files. */

export function userJson(workspace: Workspace, user: User): Json {
  const stranger = user.teamId !== workspace.id;
  return without({
    id: user.id,
    team_id: user.teamId,
    name: user.name,
    deleted: user.deleted,
    color: '9f69e7',
    real_name: user.realName,
    tz: 'Europe/Amsterdam',
    tz_label: 'Central European Time',
    tz_offset: 3600,
    profile: { ...profileJson(workspace, user), team: user.teamId },
    is_admin: false,
    is_owner: false,
    is_primary_owner: false,
    is_restricted: false,
    is_ultra_restricted: false,
    is_bot: user.bot !== undefined,
    is_app_user: false,
    is_stranger: stranger ? true : undefined,
    updated: user.updated,
    is_email_confirmed: stranger ? undefined : true,
    who_can_share_contact_card: 'EVERYONE',
  });
}

export function profileJson(workspace: Workspace, user: User): Json {
  return without({
    title: user.title,
    phone: '',
    skype: '',
    real_name: user.realName,
    real_name_normalized: user.realName.normalize('NFKD'),
    display_name: user.displayName,
    display_name_normalized: user.displayName.normalize('NFKD'),
    status_text: user.statusText,
    status_emoji: user.statusEmoji,
    status_expiration: 0,
    avatar_hash: 'g0123456789a',
    ...customImage(user.avatar),
    first_name: user.realName.split(' ')[0] ?? '',
    last_name: user.realName.split(' ').slice(1).join(' '),
    status_text_canonical: '',
    // People of other workspaces keep their address to themselves.
    email: user.bot === undefined && user.teamId === workspace.id ? user.email : undefined,
    bot_id: user.bot?.id,
    api_app_id: user.bot?.appId,
    always_active: user.bot === undefined ? undefined : true,
  });
}

export function channelJson(workspace: Workspace, channel: Channel, member: string): Json {
  const shared = channel.connectedTeams.size > 0;
  if (channel.kind === 'im') {
    return {
      id: channel.id,
      created: channel.created,
      is_archived: channel.archived,
      is_im: true,
      is_org_shared: false,
      context_team_id: workspace.id,
      updated: channel.updated,
      user: [...channel.members].find((id) => id !== member) ?? member,
      is_open: true,
      priority: 0,
    };
  }
  return {
    id: channel.id,
    name: channel.name,
    is_channel: channel.kind === 'channel',
    is_group: channel.kind === 'group',
    is_im: false,
    is_mpim: channel.kind === 'mpim',
    is_private: channel.kind !== 'channel',
    created: channel.created,
    is_archived: channel.archived,
    is_general: channel.general,
    unlinked: 0,
    name_normalized: channel.name.normalize('NFKD'),
    is_shared: shared,
    is_org_shared: false,
    is_pending_ext_shared: false,
    pending_shared: [],
    context_team_id: workspace.id,
    updated: channel.updated,
    creator: channel.creator,
    is_ext_shared: shared,
    shared_team_ids: [workspace.id, ...channel.connectedTeams],
    pending_connected_team_ids: [],
    is_member: channel.members.has(member),
    topic: headingJson(channel.topic),
    purpose: headingJson(channel.purpose),
    previous_names: [...channel.previousNames],
  };
}

/** A channel in the event of its creation. */
export const createdJson = (workspace: Workspace, channel: Channel): Json =>
  omit(channelJson(workspace, channel, channel.creator), 'is_member');

const headingJson = ({ value, creator, lastSet }: Channel['topic']): Json => ({ value, creator, last_set: lastSet });

export function botProfile(workspace: Workspace): Json {
  const { appId, botId, name, botUser } = workspace.app;
  const icon = workspace.user(botUser).avatar;
  return {
    id: botId,
    app_id: appId,
    name,
    icons: { image_36: icon, image_48: icon, image_72: icon },
    deleted: false,
    updated: workspace.user(botUser).updated,
    team_id: workspace.id,
  };
}

export interface MessageView {
  /** Metadata of any app: include_all_metadata. */
  metadata?: boolean;
  /** With the parent beside a reply that was broadcast; not where the message stands inside of another structure. */
  root?: boolean;
}

/** System messages that name the workspace of who did it; others of a subtype do not. */
const WITH_TEAM = /^(channel|group)_(join|leave|name|archive|unarchive)$/;

/** A message as history, events and answers hold it. */
export function messageJson(workspace: Workspace, channel: Channel, message: Message, view: MessageView = {}): Json {
  const customised = message.username !== undefined || message.icons !== undefined;
  const own = message.botId === undefined || customised ? {} : { bot_profile: botProfile(workspace) };
  const teamed = message.subtype === undefined || WITH_TEAM.test(message.subtype);
  const files = message.files.map((id) => workspace.files.get(id)).filter((file) => file !== undefined);
  return without({
    type: 'message',
    subtype: message.subtype,
    client_msg_id: message.clientMsgId,
    user: message.user,
    text: message.text,
    ts: message.ts,
    team: message.user === undefined || !teamed ? undefined : teamOf(workspace, message.user),
    bot_id: message.botId,
    app_id: message.appId,
    ...own,
    username: message.username,
    icons: message.icons,
    blocks: message.blocks.length > 0 ? message.blocks : undefined,
    attachments: message.attachments.length > 0 ? message.attachments : undefined,
    files: files.length > 0 ? files.map((file) => sharedFileJson(workspace, file)) : undefined,
    upload: message.files.length > 0 ? true : undefined,
    display_as_bot: message.files.length > 0 ? false : undefined,
    edited: message.edited,
    hidden: message.hidden ? true : undefined,
    metadata: view.metadata === true ? message.metadata : undefined,
    ...threadJson(workspace, channel, message, view),
    reactions: message.reactions.size > 0 ? reactionsJson(message) : undefined,
    pinned_to: channel.pins.some((pin) => pin.ts === message.ts) ? [channel.id] : undefined,
    ...message.extra,
  });
}

export const teamOf = (workspace: Workspace, user: string): string => workspace.users.get(user)?.teamId ?? workspace.id;

export const reactionsJson = (message: Message): Json[] =>
  [...message.reactions].map(([name, users]) => ({ name, users: [...users], count: users.length }));

function threadJson(workspace: Workspace, channel: Channel, message: Message, view: MessageView): Json {
  if (message.threadTs === undefined) return {};
  const parent = channel.messages.find((each) => each.ts === message.threadTs);
  if (message.ts !== message.threadTs) {
    if (!message.broadcast) return without({ thread_ts: message.threadTs, parent_user_id: parent?.user });
    const root = view.root === true && parent !== undefined ? { root: messageJson(workspace, channel, parent) } : {};
    return { thread_ts: message.threadTs, ...root };
  }
  const replies = workspace.replies(channel, message.ts);
  const users = [...new Set(replies.map((reply) => reply.user ?? reply.botId ?? ''))];
  return without({
    thread_ts: message.ts,
    parent_user_id: message.subtype === 'tombstone' ? 'USLACKBOT' : undefined,
    reply_count: replies.length,
    reply_users_count: users.length,
    latest_reply: replies.at(-1)?.ts ?? '0000000000.000000',
    reply_users: users,
    is_locked: false,
    subscribed: false,
  });
}

/** A file inside of a message: where else it is shared is not told there. */
const sharedFileJson = (workspace: Workspace, file: StoredFile): Json =>
  omit(fileJson(workspace, file), 'channels', 'groups', 'ims', 'shares');

export function fileJson(workspace: Workspace, file: StoredFile): Json {
  const address = `${workspace.origin()}/files-pri/${workspace.id}-${file.id}`;
  const name = encodeURIComponent(file.name);
  if (file.deleted) return { id: file.id, mode: 'tombstone' };
  const shares: Record<'public' | 'private', Record<string, Json[]>> = { public: {}, private: {} };
  for (const { channel, ts } of file.shares) {
    const where = workspace.channels.get(channel);
    if (where === undefined) continue;
    const share = shares[where.kind === 'channel' ? 'public' : 'private'];
    const one = {
      ts,
      reply_users: [],
      reply_users_count: 0,
      reply_count: 0,
      channel_name: where.name,
      team_id: workspace.id,
    };
    share[channel] = [...(share[channel] ?? []), { ...one, share_user_id: file.user, source: 'UNKNOWN' }];
  }
  const channelsOf = (...kinds: Channel['kind'][]): string[] =>
    [...new Set(file.shares.map((share) => share.channel))].filter((id) => kinds.includes(workspace.channel(id).kind));
  return {
    id: file.id,
    created: file.created,
    timestamp: file.created,
    name: file.name,
    title: file.title,
    ...(file.altText === '' ? {} : { alt_txt: file.altText }),
    mimetype: file.mimetype,
    filetype: file.filetype === 'txt' ? 'text' : file.filetype,
    pretty_type: file.filetype === 'txt' ? 'Plain Text' : file.filetype.toUpperCase(),
    user: file.user,
    user_team: teamOf(workspace, file.user),
    editable: false,
    size: file.bytes.length,
    mode: 'hosted',
    is_external: false,
    external_type: '',
    is_public: channelsOf('channel').length > 0,
    public_url_shared: false,
    display_as_bot: false,
    username: '',
    url_private: `${address}/${name}`,
    url_private_download: `${address}/download/${name}`,
    media_display_type: 'unknown',
    permalink: `${workspace.origin()}/files/${file.user}/${file.id}/${name}`,
    has_rich_preview: false,
    file_access: 'visible',
    channels: channelsOf('channel'),
    groups: channelsOf('group', 'mpim'),
    ims: channelsOf('im'),
    shares: without({
      public: Object.keys(shares.public).length > 0 ? shares.public : undefined,
      private: Object.keys(shares.private).length > 0 ? shares.private : undefined,
    }),
  };
}
