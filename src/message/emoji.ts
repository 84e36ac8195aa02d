import { createRequire } from 'node:module';
import { cleanLine } from './clean-text.js';
import type { Emoji } from './message.js';

/** Slack's and Mattermost's names; those that only GitHub knows are understood too. */
const NAMES = ['iamcal', 'github'] as const;

type Names = Readonly<Record<string, string | readonly string[]>>;

interface Tables {
  byName: ReadonlyMap<string, string>;
  byUnicode: ReadonlyMap<string, string>;
}

let tables: Tables | undefined;

/** 94 kB of JSON, about 1 MB in memory, 10 ms: read when the first emoji is asked for, and by no gateway that never sees one. */
function loaded(): Tables {
  if (tables !== undefined) return tables;
  const require = createRequire(import.meta.url);
  const byName = new Map<string, string>();
  const byUnicode = new Map<string, string>();
  for (const preset of NAMES) {
    const names = require(`emojibase-data/en/shortcodes/${preset}.json`) as Names;
    for (const [hexcodes, said] of Object.entries(names)) {
      const bare = String.fromCodePoint(...hexcodes.split('-').map((hex) => parseInt(hex, 16))).replace(VARIATION, '');
      if (!isEmoji(bare)) continue; // digits and letters, which are some emoji's parts
      for (const name of [said].flat()) {
        if (!byName.has(name)) byName.set(name, bare);
        if (!byUnicode.has(bare)) byUnicode.set(bare, name);
      }
    }
  }
  return (tables = { byName, byUnicode });
}

const VARIATION = /[\ufe0e\ufe0f]/g;
const MAX_EMOJI = 40;
const EMOJI = /^[\p{Emoji}\p{Emoji_Component}\ufe0e\ufe0f]{1,40}$/u;
const NOT_ONLY_COMPONENTS = /[\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\u20e3]/u;

/** Whether it is emoji, and no text. */
export const isEmoji = (text: string): boolean =>
  text.length <= MAX_EMOJI && EMOJI.test(text) && NOT_ONLY_COMPONENTS.test(text);

// What is shown as text unless U+FE0F follows, and has no skin tone behind it, which says the same.
const SHOWN_AS_TEXT = /(?!\p{Emoji_Presentation})(\p{Emoji})(?![\ufe0f\p{Emoji_Modifier}])/gu;

/** The one spelling of an emoji that clients agree on (UTS #51, fully-qualified): 👍️ is 👍, and ☠ is ☠️. */
export const qualified = (emoji: string): string => emoji.replace(VARIATION, '').replace(SHOWN_AS_TEXT, '$1\ufe0f');

const FIRST_TONE = 0x1f3fb;
const TONES = /\p{Emoji_Modifier}/gu;
const TONE_NAME = /^(.+)::skin-tone-([2-6])$/;
// People in pairs have the tone each; the hands between them, which can have one of their own, do not.
const TAKES_TONE = /(?!\u{1f91d}\u200d)\p{Emoji_Modifier_Base}/gu;

/** An emoji by its name without colons: `wave`, `wave::skin-tone-3`, `flag-de`. */
export function emojiOf(shortcode: string): string | undefined {
  const { byName } = loaded();
  const [, base = shortcode, tone] = TONE_NAME.exec(shortcode) ?? [];
  const bare = byName.get(base);
  if (bare === undefined) return undefined;
  if (tone === undefined) return qualified(bare);
  return qualified(bare.replace(TAKES_TONE, `$&${String.fromCodePoint(FIRST_TONE + Number(tone) - 2)}`));
}

/** The name of an emoji, with its skin tone when it has one; undefined when nobody gave it a name. */
export function shortcodeOf(emoji: string): string | undefined {
  const { byUnicode } = loaded();
  const bare = emoji.replace(VARIATION, '');
  const exact = byUnicode.get(bare);
  if (exact !== undefined) return exact;
  const base = byUnicode.get(bare.replace(TONES, ''));
  const tones = new Set(bare.match(TONES) ?? []);
  const [tone] = tones;
  if (base === undefined || tone === undefined || tones.size > 1) return base;
  return `${base}::skin-tone-${String((tone.codePointAt(0) ?? FIRST_TONE) - FIRST_TONE + 2)}`;
}

const WITH_COLONS = /^:([^:]+(?:::skin-tone-[2-6])?):$/;
const MAX_SHORTCODE = 100;

/** What people react with, by the `key` of an `m.annotation`: emoji, a name in colons, or any text. */
export function emojiOfKey(key: string): Emoji | undefined {
  if (isEmoji(key)) {
    const unicode = qualified(key);
    return { type: 'emoji', shortcode: shortcodeOf(key) ?? unicode, unicode };
  }
  const text = cleanLine(key, MAX_SHORTCODE);
  const shortcode = WITH_COLONS.exec(text)?.[1] ?? text;
  if (shortcode === '') return undefined;
  const unicode = emojiOf(shortcode);
  return { type: 'emoji', shortcode, ...(unicode === undefined ? {} : { unicode }) };
}

/** The `key` of a reaction with this emoji: the same for the same emoji, however it was spelled. */
export function keyOf({ shortcode, unicode }: Emoji): string {
  return unicode === undefined ? `:${shortcode}:` : qualified(unicode);
}
