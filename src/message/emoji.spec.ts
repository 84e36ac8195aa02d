import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { emojiOf, emojiOfKey, isEmoji, keyOf, qualified, shortcodeOf } from './emoji.js';

interface Listed {
  unicode: string;
  skins?: Listed[];
}
const all = (createRequire(import.meta.url)('emojibase-data/en/compact.json') as Listed[]).flatMap((emoji) => [
  emoji.unicode,
  ...(emoji.skins ?? []).map(({ unicode }) => unicode),
]);

/** Unicode's list of fully qualified emoji, as the runtime knows it. */
const RECOMMENDED = new RegExp('^\\p{RGI_Emoji}$', 'v');

describe('emoji', () => {
  it('have one spelling each, with or without variation selectors', () => {
    for (const emoji of all) {
      expect(qualified(emoji.replaceAll('\ufe0f', ''))).toBe(qualified(emoji));
      expect(RECOMMENDED.test(qualified(emoji)) || !RECOMMENDED.test(emoji)).toBe(true);
    }
    expect(all.filter((emoji) => RECOMMENDED.test(qualified(emoji))).length).toBeGreaterThan(3_600);
    expect(all.length).toBeGreaterThan(3_000);
    expect(qualified('👍\ufe0f')).toBe('👍');
    expect(qualified('☠\ufe0e')).toBe('☠️');
  });

  it('are told from text', () => {
    expect(all.filter((emoji) => !isEmoji(emoji))).toEqual([]);
    expect(['1', '#', '12', 'a', '', '\u200d', '👍a', '👍'.repeat(30)].filter(isEmoji)).toEqual([]);
  });

  it('are found by the name that is found by them', () => {
    const named = all.filter((emoji) => shortcodeOf(emoji) !== undefined);
    expect(named.length).toBeGreaterThan(1_900);
    const other = named.filter((emoji) => {
      const tones = new Set(emoji.match(/\p{Emoji_Modifier}/gu));
      return tones.size < 2 && emojiOf(shortcodeOf(emoji) ?? '') !== qualified(emoji);
    });
    expect(other).toEqual([]);
  });

  it.each([
    ['+1', '👍'],
    ['thumbsup', '👍'],
    ['wave::skin-tone-3', '👋🏼'],
    ['flag-de', '🇩🇪'],
    ['zero', '0️⃣'],
    ['man-woman-boy', '👨‍👩‍👦'],
    ['1st_place_medal', '🥇'],
    ['people_holding_hands::skin-tone-6', '🧑🏿‍🤝‍🧑🏿'],
    ['wave::skin-tone-7', undefined],
    ['constructor', undefined],
    ['party_parrot', undefined],
  ])('%s is %s', (name, emoji) => {
    expect(emojiOf(name)).toBe(emoji);
  });

  it('of two tones are named without, because no name says both', () => {
    expect(shortcodeOf('🧑🏻‍🤝‍🧑🏿')).toBe('people_holding_hands');
  });
});

describe('the key of a reaction', () => {
  it('is the same for the same emoji', () => {
    expect(emojiOfKey('👍️')).toEqual({ type: 'emoji', shortcode: '+1', unicode: '👍' });
    expect(keyOf({ type: 'emoji', shortcode: '+1', unicode: '👍️' })).toBe('👍');
  });

  it('names what is no Unicode, and comes back', () => {
    const parrot = { type: 'emoji', shortcode: 'party_parrot' } as const;
    expect(keyOf(parrot)).toBe(':party_parrot:');
    expect(emojiOfKey(':party_parrot:')).toEqual(parrot);
    expect(emojiOfKey(':tada:')).toEqual({ type: 'emoji', shortcode: 'tada', unicode: '🎉' });
  });

  it('may be any text, cleaned', () => {
    expect(emojiOfKey('so\u202e\ntrue')).toEqual({ type: 'emoji', shortcode: 'so true' });
    expect(emojiOfKey('\u200b')).toBeUndefined();
  });
});
