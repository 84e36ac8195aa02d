import { type Emoji, emojiOf as unicodeOf, isEmoji, shortcodeOf } from '../../../message/index.js';

const MAX_NAME = 100;
const NAME = /^[\p{L}\p{N}_+'.-]+$/u;

/** An emoji by Slack's name for it, without colons: `wave::skin-tone-3`, `party_parrot`. */
export function emojiOf(name: string, hexcodes?: string): Emoji | undefined {
  const [base = ''] = name.split('::skin-tone-');
  if (base === '' || base.length > MAX_NAME || !NAME.test(base)) return undefined;
  const known = (hexcodes === undefined ? undefined : fromHex(hexcodes)) ?? unicodeOf(name) ?? unicodeOf(base);
  return { type: 'emoji', shortcode: base, ...(known === undefined ? {} : { unicode: known }) };
}

/** Slack's name for an emoji; undefined when it has none. Of what is not Unicode it is the name alone. */
export function emojiName({ shortcode, unicode }: Emoji): string | undefined {
  if (unicode !== undefined) return shortcodeOf(unicode);
  return NAME.test(shortcode) && shortcode.length <= MAX_NAME ? shortcode : undefined;
}

function fromHex(hexcodes: string): string | undefined {
  if (!/^[0-9a-f]{2,6}(?:-[0-9a-f]{2,6}){0,15}$/i.test(hexcodes)) return undefined;
  const points = hexcodes.split('-').map((hex) => parseInt(hex, 16));
  // Digits and letters are no emoji, whatever Slack calls them; a surrogate is no character.
  if (points.some((point) => point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))) return undefined;
  const unicode = String.fromCodePoint(...points);
  return isEmoji(unicode) ? unicode : undefined;
}
