import { createRequire } from 'node:module';
import type { Emoji } from '../../../message/index.js';

/** Slack's names of emoji are those of iamcal/emoji-data. */
const NAMES = createRequire(import.meta.url)('emojibase-data/en/shortcodes/iamcal.json') as Record<
  string,
  string | string[]
>;

const MAX_NAME = 100;
const NAME = /^[\p{L}\p{N}_+'.-]+$/u;
const FIRST_TONE = 0x1f3fb;
const TONES = /[\u{1f3fb}-\u{1f3ff}]/gu;
const VARIATION = /\ufe0f/g;

const byName = new Map<string, string>();
const byUnicode = new Map<string, string>();
for (const [hexcode, names] of Object.entries(NAMES)) {
  const unicode = fromHex(hexcode);
  if (unicode === undefined) continue;
  const all = typeof names === 'string' ? [names] : names;
  for (const name of all) byName.set(name, unicode);
  const [first] = all;
  if (first !== undefined) byUnicode.set(bare(unicode), first);
}

/** An emoji by Slack's name for it, without colons: `wave::skin-tone-3`, `party_parrot`. */
export function emojiOf(name: string, hexcodes?: string): Emoji | undefined {
  const [base = '', tone] = name.split('::skin-tone-');
  if (base === '' || base.length > MAX_NAME || !NAME.test(base)) return undefined;
  const known = (hexcodes === undefined ? undefined : fromHex(hexcodes)) ?? toned(byName.get(base), tone);
  return { type: 'emoji', shortcode: base, ...(known === undefined ? {} : { unicode: known }) };
}

/** Slack's name for an emoji; undefined when it has none. Of what is not Unicode it is the name alone. */
export function emojiName({ shortcode, unicode }: Emoji): string | undefined {
  if (unicode === undefined) return NAME.test(shortcode) && shortcode.length <= MAX_NAME ? shortcode : undefined;
  const exact = byUnicode.get(bare(unicode));
  if (exact !== undefined) return exact;
  const tones = [...new Set(unicode.match(TONES) ?? [])];
  const base = byUnicode.get(bare(unicode.replace(TONES, '')));
  const [tone] = tones;
  if (base === undefined || tone === undefined || tones.length > 1) return base;
  return `${base}::skin-tone-${String((tone.codePointAt(0) ?? FIRST_TONE) - FIRST_TONE + 2)}`;
}

function toned(unicode: string | undefined, tone: string | undefined): string | undefined {
  if (unicode === undefined || tone === undefined || !/^[2-6]$/.test(tone)) return unicode;
  const [first = '', ...rest] = unicode;
  const others = rest[0] === '\ufe0f' ? rest.slice(1) : rest;
  return `${first}${String.fromCodePoint(FIRST_TONE + Number(tone) - 2)}${others.join('')}`;
}

function fromHex(hexcodes: string): string | undefined {
  if (!/^[0-9a-f]{2,6}(?:-[0-9a-f]{2,6}){0,15}$/i.test(hexcodes)) return undefined;
  const points = hexcodes.split('-').map((hex) => parseInt(hex, 16));
  // Digits and letters are no emoji, whatever Slack calls them; a surrogate is no character.
  if (points.some((point) => point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))) return undefined;
  const unicode = String.fromCodePoint(...points);
  return /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(unicode) ? unicode : undefined;
}

function bare(unicode: string): string {
  return unicode.replace(VARIATION, '');
}
