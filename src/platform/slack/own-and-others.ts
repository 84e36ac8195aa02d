import { asTyped } from './convert/mrkdwn.js';
import { type Json, json, objects, text } from './json.js';

/** Who we are in one workspace. */
export interface Identity {
  teamId: string;
  botUserId: string;
  botId: string;
}

export const METADATA_TYPE = 'causeway_message';

/** Messages of people and programs; the other subtypes are about something that has an event of its own, or about nothing. */
export const SAID = new Set([
  undefined,
  'file_share',
  'me_message',
  'thread_broadcast',
  'bot_message',
  'slackbot_response',
]);

/** Private notices have no ts by which they could be found again. */
export const privateId = (ts: string): string => `private:${ts}`;

/** By our bot, under whatever name; or by another gateway of this kind. */
export function isOurs(message: Json, us: Identity): boolean {
  const metadata = json(message.metadata);
  return message.bot_id === us.botId || message.user === us.botUserId || metadata.event_type === METADATA_TYPE;
}

/** Previews and threads change messages too; only what somebody wrote is an edit. */
export function differs(message: Json, before: Json): boolean {
  if (before.ts === undefined) return message.edited !== undefined;
  const files = (of: Json): string =>
    objects(of.files)
      .map((file) => `${text(file.id)} ${text(file.mode)}`)
      .join();
  const blocks = (of: Json): string =>
    JSON.stringify(objects(of.blocks), (key, value: unknown) => (key === 'block_id' ? undefined : value));
  return (
    text(message.text) !== text(before.text) || files(message) !== files(before) || blocks(message) !== blocks(before)
  );
}

/** What stands behind a mention of our bot at the beginning of a message, and all that is said to the bot alone. */
export function commandIn(event: Json, us: Identity): string | undefined {
  const said = text(event.text).trim();
  const mention = `<@${us.botUserId}`;
  if (said.startsWith(mention)) {
    const end = said.indexOf('>');
    return end < 0 ? undefined : asTyped(said.slice(end + 1));
  }
  return event.channel_type === 'im' && said !== '' ? asTyped(said) : undefined;
}
