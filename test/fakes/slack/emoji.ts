import shortcodes from 'emojibase-data/en/shortcodes/iamcal.json' with { type: 'json' };

const CANONICAL = new Map<string, string>();
for (const names of Object.values(shortcodes)) {
  const all = typeof names === 'string' ? [names] : names;
  for (const name of all) CANONICAL.set(name, all[0] ?? name);
}

const SKIN_TONE = /^(.+?)(::skin-tone-[2-6])?$/;

/** The name under which Slack keeps a reaction (`thumbsup` is `+1`), or undefined when there is no such emoji. */
export function canonicalEmoji(name: string, custom: ReadonlyMap<string, string>): string | undefined {
  const [, base = '', tone = ''] = SKIN_TONE.exec(name) ?? [];
  if (custom.has(base)) return tone === '' ? base : undefined;
  const canonical = CANONICAL.get(base);
  return canonical === undefined ? undefined : `${canonical}${tone}`;
}
