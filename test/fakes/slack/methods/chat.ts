import { checkBlocks } from '../blocks.js';
import { type Call, type Method, invalidArguments } from '../call.js';
import type { Draft } from '../conversations.js';
import { type Channel, type Json, type Message, SlackError, isJson, omit, textOf } from '../model.js';
import { linkNames, normalise } from '../mrkdwn.js';
import { messageJson } from '../shapes.js';
import { mrkdwnOf } from '../visible-text.js';

/** Slack cuts what is longer; the fake refuses, so that nobody relies on the cut. */
const MAX_TEXT = 40_000;
const MAX_METADATA_BYTES = 16_384;
const MAX_ATTACHMENTS = 100;

const postMessage: Method = (call) => {
  const channel = target(call);
  mayWrite(call, channel);
  const { content, customised } = composed(call);
  const thread = threadOf(call, channel);
  const broadcast = call.args.flag('reply_broadcast');
  const message = call.conversations.post(channel, {
    ...content,
    ...(customised ? { subtype: 'bot_message' } : { user: call.bot.id }),
    ...(thread === undefined ? {} : { threadTs: thread, broadcast }),
  });
  return answer(call, channel, message);
};

/** Where a message goes: an id, `#name`, or a person, whose direct conversation is opened. */
function target(call: Call): Channel {
  const wanted = call.args.need('channel');
  if (/^[UW]/.test(wanted)) {
    const user = call.workspace.users.get(wanted);
    if (user === undefined) throw new SlackError('channel_not_found');
    return call.workspace.directOf([call.bot.id, user.id]).channel;
  }
  return call.channel(wanted.startsWith('#') ? (call.workspace.channelByName(wanted.slice(1)) ?? '') : wanted);
}

function mayWrite(call: Call, channel: Channel): void {
  if (channel.archived) throw new SlackError('is_archived');
  if (channel.members.has(call.bot.id)) return;
  if (channel.kind === 'channel' && call.token.scopes.includes('chat:write.public')) return;
  throw new SlackError('not_in_channel');
}

function composed(call: Call): { content: Draft; customised: boolean } {
  const { args } = call;
  const username = args.text('username');
  const icon = iconsOf(args.text('icon_url'), args.text('icon_emoji'));
  const customised = username !== undefined || icon !== undefined;
  if (customised) call.needScope('chat:write.customize');
  const blocks = blocksOf(call);
  const attachments = attachmentsOf(call) ?? [];
  const text = textArgument(call) ?? '';
  if (text.trim() === '' && (blocks ?? []).length === 0 && attachments.length === 0) throw new SlackError('no_text');
  const metadata = metadataOf(call);
  const { appId, botId } = call.workspace.app;
  const content: Draft = {
    text: text === '' ? mrkdwnOf(blocks ?? []) : text,
    attachments,
    appId,
    botId,
    ...(blocks === undefined ? {} : { blocks }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(customised ? { username: username ?? call.bot.realName } : {}),
    ...(icon === undefined ? {} : { icons: icon }),
  };
  return { content, customised };
}

function iconsOf(url: string | undefined, emoji: string | undefined): Json | undefined {
  if (url !== undefined) return { image_36: url, image_48: url, image_72: url };
  return emoji === undefined ? undefined : { emoji };
}

function textArgument(call: Call): string | undefined {
  const text = call.args.text('text');
  if (text === undefined) return undefined;
  if (text.length > MAX_TEXT) throw new SlackError('msg_too_long');
  const linked = call.args.text('parse') === 'full' || call.args.flag('link_names');
  return normalise(linked ? linkNames(text, call.workspace) : text);
}

function blocksOf(call: Call): Json[] | undefined {
  const blocks = call.args.structure('blocks', 'invalid_blocks_format');
  if (blocks === undefined || blocks === null) return undefined;
  const checked = checkBlocks(blocks, (id) => call.workspace.files.get(id)?.deleted === false);
  return checked.map((block) => normaliseTexts(block, call));
}

/** Text objects hold entities just as the text of a message; plain_text and rich text hold text as it is. */
function normaliseTexts(value: Json, call: Call): Json {
  const each = (inner: unknown): unknown => {
    if (Array.isArray(inner)) return inner.map(each);
    return typeof inner === 'object' && inner !== null ? normaliseTexts(inner as Json, call) : inner;
  };
  if (value.type === 'mrkdwn') return { verbatim: false, ...value, text: normalise(textOf(value.text)) };
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, each(inner)]));
}

function attachmentsOf(call: Call): Json[] | undefined {
  const attachments = call.args.objects('attachments');
  if (attachments !== undefined && attachments.length > MAX_ATTACHMENTS) throw new SlackError('too_many_attachments');
  return attachments?.map((attachment, index) => ({
    id: index + 1,
    ...attachment,
    ...(typeof attachment.text === 'string' ? { text: normalise(attachment.text) } : {}),
  }));
}

function metadataOf(call: Call): Json | undefined {
  const metadata = call.args.object('metadata', 'invalid_metadata_format');
  if (metadata === undefined || (call.method === 'chat.update' && Object.keys(metadata).length === 0)) return metadata;
  const { event_type: type, event_payload: payload } = metadata;
  if (typeof type !== 'string' || type === '' || typeof payload !== 'object' || payload === null) {
    throw new SlackError('invalid_metadata_format');
  }
  if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES) throw new SlackError('metadata_too_large');
  return { event_type: type, event_payload: payload };
}

function threadOf(call: Call, channel: Channel): string | undefined {
  const thread = call.args.text('thread_ts');
  if (thread === undefined || thread === '') return undefined;
  if (!/^\d{10}\.\d{6}$/.test(thread)) {
    throw new SlackError('invalid_thread_ts', {
      response_metadata: { messages: [`[ERROR] ${thread} is not a valid thread_ts`] },
    });
  }
  const parent = channel.messages.find((each) => each.ts === thread);
  // Slack posts a reply to nothing into the channel itself.
  if (parent === undefined) return undefined;
  if (parent.threadTs !== undefined && parent.threadTs !== parent.ts) throw new SlackError('cannot_reply_to_message');
  return thread;
}

const answer = (call: Call, channel: Channel, message: Message): Json => ({
  channel: channel.id,
  ts: message.ts,
  message: messageJson(call.workspace, channel, message, { metadata: true, root: true }),
});

function own(call: Call, channel: Channel, refusal: string): Message {
  const message = call.workspace.message(channel, call.args.need('ts'));
  if (message.subtype === 'tombstone') throw new SlackError('message_not_found');
  if (message.botId !== call.workspace.app.botId) throw new SlackError(refusal);
  return message;
}

const tooOld = (call: Call, message: Message): boolean =>
  call.workspace.now() - Number(message.ts) * 1_000 > call.faults.editWindowMs;

const THREAD_FIELDS = [
  'thread_ts',
  'reply_count',
  'reply_users_count',
  'latest_reply',
  'reply_users',
  'is_locked',
  'subscribed',
];

const update: Method = (call) => {
  const channel = call.channel();
  const message = own(call, channel, 'cant_update_message');
  if (channel.archived) throw new SlackError('is_inactive');
  if (tooOld(call, message)) throw new SlackError('edit_window_closed');
  const text = textArgument(call);
  const blocks = blocksOf(call);
  const attachments = attachmentsOf(call);
  const files = call.args.structure('file_ids');
  const metadata = metadataOf(call);
  const empty = (text ?? '').trim() === '' && (blocks ?? []).length === 0 && (attachments ?? []).length === 0;
  if (empty && files === undefined && message.files.length === 0) throw new SlackError('no_text');
  call.conversations.edit(
    channel,
    message,
    {
      ...(text === undefined ? {} : { text }),
      ...(blocks === undefined ? {} : { blocks }),
      ...(attachments === undefined ? {} : { attachments }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(Array.isArray(files) ? { files: files.map(String) } : {}),
      broadcast: call.args.flag('reply_broadcast'),
    },
    call.workspace.app.botId,
  );
  const { message: whole, ...rest } = answer(call, channel, message);
  // The answer to an edit tells neither the message's ts nor its thread.
  return { ...rest, text: message.text, message: omit(isJson(whole) ? whole : {}, 'ts', ...THREAD_FIELDS) };
};

const remove: Method = (call) => {
  const channel = call.channel();
  const message = own(call, channel, 'cant_delete_message');
  if (tooOld(call, message)) throw new SlackError('cant_delete_message');
  call.conversations.remove(channel, message);
  return { channel: channel.id, ts: message.ts };
};

const postEphemeral: Method = (call) => {
  const channel = call.live();
  const user = call.args.need('user');
  if (!channel.members.has(user)) throw new SlackError('user_not_in_channel');
  const { content } = composed(call);
  const thread = threadOf(call, channel);
  const ts = call.workspace.nextTs(channel);
  channel.ephemerals.push({
    ts,
    user,
    text: content.text,
    blocks: content.blocks ?? [],
    ...(thread === undefined ? {} : { threadTs: thread }),
  });
  return { message_ts: ts };
};

const meMessage: Method = (call) => {
  const channel = call.live();
  const text = textArgument(call) ?? '';
  if (text === '') throw new SlackError('no_text');
  const message = call.conversations.post(channel, { user: call.bot.id, subtype: 'me_message', text });
  return { channel: channel.id, ts: message.ts };
};

const getPermalink: Method = (call) => {
  const channel = call.channel();
  const ts = call.args.need('message_ts');
  const message = call.workspace.message(channel, ts);
  const thread = message.threadTs === undefined ? '' : `?thread_ts=${message.threadTs}&cid=${channel.id}`;
  const permalink = `${call.workspace.origin()}/archives/${channel.id}/p${ts.replace('.', '')}${thread}`;
  return { channel: channel.id, permalink };
};

export const CHAT: Readonly<Record<string, Method>> = {
  'chat.postMessage': postMessage,
  'chat.update': update,
  'chat.delete': remove,
  'chat.postEphemeral': postEphemeral,
  'chat.meMessage': meMessage,
  'chat.getPermalink': getPermalink,
};

/** A time as Slack writes it. */
export function timestamp(call: Call, name: string): string {
  const ts = call.args.text(name);
  if (ts === undefined) throw invalidArguments(`[ERROR] missing required field: ${name}`);
  if (!/^\d{10}\.\d{6}$/.test(ts)) throw new SlackError('bad_timestamp');
  return ts;
}
