import type { ChannelKind } from './model.js';

/** Calls a minute (docs.slack.dev/apis/web-api/rate-limits). */
export const TIER = { one: 1, two: 20, three: 50, four: 100, free: Infinity } as const;

export interface MethodRule {
  /** Any of these scopes; a function where the conversation's kind decides. */
  readonly scopes: readonly string[] | ((kind: ChannelKind) => string);
  readonly tier: keyof typeof TIER;
  /** Does the method take `application/json`? Slack's reading methods do not. */
  readonly json: boolean;
  readonly token: 'bot' | 'app' | 'none';
}

const PREFIX: Record<ChannelKind, string> = { channel: 'channels', group: 'groups', im: 'im', mpim: 'mpim' };

const of =
  (right: 'read' | 'history' | 'write') =>
  (kind: ChannelKind): string =>
    `${PREFIX[kind]}:${right}`;

/** What a bot needs to change a public channel is called `channels:manage`. */
const manage = (kind: ChannelKind): string => (kind === 'channel' ? 'channels:manage' : of('write')(kind));

const topic = (kind: ChannelKind): string =>
  kind === 'channel' ? 'channels:write.topic' : `${PREFIX[kind]}:write.topic`;

const invites = (kind: ChannelKind): string => (kind === 'channel' ? 'channels:write.invites' : 'groups:write.invites');

const write = (tier: MethodRule['tier'], ...scopes: string[]): MethodRule => ({
  scopes,
  tier,
  json: true,
  token: 'bot',
});
const read = (tier: MethodRule['tier'], ...scopes: string[]): MethodRule => ({
  scopes,
  tier,
  json: false,
  token: 'bot',
});
const byKind = (tier: MethodRule['tier'], scopes: (kind: ChannelKind) => string, json: boolean): MethodRule => ({
  scopes,
  tier,
  json,
  token: 'bot',
});

/** docs.slack.dev/reference/methods: scopes of a bot token, tier, content types. */
export const METHODS: Readonly<Record<string, MethodRule>> = {
  'api.test': { scopes: [], tier: 'four', json: true, token: 'none' },
  'auth.test': write('free'),
  'auth.revoke': read('three'),
  'apps.connections.open': { scopes: ['connections:write'], tier: 'one', json: true, token: 'app' },
  'oauth.v2.access': { scopes: [], tier: 'four', json: false, token: 'none' },
  'team.info': read('three', 'team:read'),
  'bots.info': read('three', 'users:read'),
  'emoji.list': read('two', 'emoji:read'),
  'users.info': read('four', 'users:read'),
  'users.list': read('two', 'users:read'),
  'users.conversations': read('three'),
  'users.lookupByEmail': read('three', 'users:read.email'),
  'users.profile.get': read('four', 'users.profile:read'),
  'users.getPresence': read('three', 'users:read'),
  'conversations.info': byKind('three', of('read'), false),
  'conversations.list': read('two'),
  'conversations.members': byKind('four', of('read'), false),
  'conversations.history': byKind('three', of('history'), false),
  'conversations.replies': byKind('three', of('history'), false),
  'conversations.join': write('three', 'channels:join'),
  'conversations.leave': byKind('three', manage, true),
  'conversations.open': write('three'),
  'conversations.close': write('two', 'im:write', 'mpim:write'),
  'conversations.invite': byKind('three', (kind) => `${manage(kind)}|${invites(kind)}`, true),
  'conversations.kick': byKind('three', manage, true),
  'conversations.create': write('two'),
  'conversations.setTopic': byKind('two', (kind) => `${manage(kind)}|${topic(kind)}`, true),
  'conversations.setPurpose': byKind('two', (kind) => `${manage(kind)}|${topic(kind)}`, true),
  'conversations.rename': byKind('two', manage, true),
  'conversations.archive': byKind('two', manage, true),
  'chat.postMessage': write('free', 'chat:write'),
  'chat.update': write('three', 'chat:write'),
  'chat.delete': write('three', 'chat:write'),
  'chat.postEphemeral': write('four', 'chat:write'),
  'chat.meMessage': write('three', 'chat:write'),
  'chat.getPermalink': read('free'),
  'reactions.add': write('three', 'reactions:write'),
  'reactions.remove': write('two', 'reactions:write'),
  'reactions.get': read('three', 'reactions:read'),
  'pins.add': write('two', 'pins:write'),
  'pins.remove': write('two', 'pins:write'),
  'pins.list': read('two', 'pins:read'),
  'files.getUploadURLExternal': read('four', 'files:write'),
  'files.completeUploadExternal': write('four', 'files:write'),
  'files.info': read('four', 'files:read'),
  'files.delete': write('three', 'files:write'),
};

/** Everything that a bridge may ask for, for a token that can do all. */
export const ALL_SCOPES: readonly string[] = [
  'app_mentions:read',
  'channels:history',
  'channels:join',
  'channels:manage',
  'channels:read',
  'chat:write',
  'chat:write.customize',
  'chat:write.public',
  'commands',
  'emoji:read',
  'files:read',
  'files:write',
  'groups:history',
  'groups:read',
  'groups:write',
  'im:history',
  'im:read',
  'im:write',
  'mpim:history',
  'mpim:read',
  'mpim:write',
  'pins:read',
  'pins:write',
  'reactions:read',
  'reactions:write',
  'team:read',
  'users.profile:read',
  'users:read',
  'users:read.email',
];

/** The scopes that must be there to be sent an event (docs.slack.dev/reference/events); a kind's where it has a channel. */
export function scopeOfEvent(type: string, kind: ChannelKind | undefined): string | undefined {
  if (type === 'message') return kind === undefined ? undefined : of('history')(kind);
  if (type === 'app_mention') return 'app_mentions:read';
  if (type.startsWith('reaction_')) return 'reactions:read';
  if (type.startsWith('file_')) return 'files:read';
  if (type.startsWith('pin_')) return 'pins:read';
  if (type === 'emoji_changed') return 'emoji:read';
  if (type.startsWith('user_') || type === 'team_join') return 'users:read';
  if (type.startsWith('group_')) return 'groups:read';
  if (type.startsWith('im_')) return 'im:read';
  if (type.startsWith('team_')) return 'team:read';
  if (type.startsWith('channel_') || type.startsWith('member_'))
    return kind === undefined ? 'channels:read' : of('read')(kind);
  return undefined;
}
