import type { Call, Method } from '../call.js';
import { type Channel, type Message, SlackError } from '../model.js';
import { messageJson } from '../shapes.js';
import { timestamp } from './chat.js';

function item(call: Call): { channel: Channel; message: Message } {
  if (call.args.text('channel') === undefined || call.args.text('timestamp') === undefined) {
    throw new SlackError('no_item_specified');
  }
  const ts = timestamp(call, 'timestamp');
  const channel = call.joined();
  const message = call.workspace.message(channel, ts);
  if (message.subtype === 'tombstone') throw new SlackError('message_not_found');
  return { channel, message };
}

function changeable(call: Call): { channel: Channel; message: Message } {
  const found = item(call);
  if (found.channel.archived) throw new SlackError('is_archived');
  return found;
}

const add: Method = (call) => {
  const { channel, message } = changeable(call);
  call.conversations.react(channel, message, call.bot.id, call.args.need('name'));
  return {};
};

const remove: Method = (call) => {
  const { channel, message } = changeable(call);
  call.conversations.unreact(channel, message, call.bot.id, call.args.need('name'));
  return {};
};

const permalink = (call: Call, channel: Channel, message: Message): string =>
  `${call.workspace.origin()}/archives/${channel.id}/p${message.ts.replace('.', '')}`;

const get: Method = (call) => {
  const { channel, message } = item(call);
  const shown = { ...messageJson(call.workspace, channel, message), permalink: permalink(call, channel, message) };
  return { type: 'message', message: shown, channel: channel.id };
};

const addPin: Method = (call) => {
  const { channel, message } = changeable(call);
  call.conversations.pin(channel, message, call.bot.id);
  return {};
};

const removePin: Method = (call) => {
  const { channel, message } = changeable(call);
  call.conversations.unpin(channel, message, call.bot.id);
  return {};
};

const pins: Method = (call) => {
  const channel = call.channel();
  const items = channel.pins.flatMap((pin) => {
    const message = channel.messages.find((each) => each.ts === pin.ts);
    if (message === undefined) return [];
    const shown = { ...messageJson(call.workspace, channel, message), permalink: permalink(call, channel, message) };
    return [{ type: 'message', created: pin.created, created_by: pin.user, channel: channel.id, message: shown }];
  });
  return { items };
};

export const REACTIONS: Readonly<Record<string, Method>> = {
  'reactions.add': add,
  'reactions.remove': remove,
  'reactions.get': get,
  'pins.add': addPin,
  'pins.remove': removePin,
  'pins.list': pins,
};
