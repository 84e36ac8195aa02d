import { cleanLine, graphemes } from './clean-text.js';

const MAX_NAME = 80;
const MAX_FILE_NAME = 200;
const MAX_LOOKED_AT = 2_000;

// Joiners make emoji and letters of some scripts; between Latin letters they only make two names look like one.
const JOINERS = /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{M}\p{Script=Arabic}])[\u200c\u200d]/gu;
// Tag characters are a second, invisible ASCII.
const TAGS = /[\u{e0000}-\u{e0fff}]/gu;
const PILED_MARKS = /(\p{M}{3})\p{M}+/gu;
const SPACES = /[\s\p{Z}]+/gu;
// Remote people are shown as “Ada · globex.example” (design §7): nobody writes that into their own name.
const SEPARATOR = / [·•‧∙⋅・･⸱‐-―|] /g;
const SERVER_IN_BRACKETS = /[([{（［]\s?([^\s()[\]{}（）［］]{1,80}[.:][^\s()[\]{}（）［］]{1,80})\s?[)\]}）］]/g;
const SIGILS = /^[@#\s]+/;

/**
 * A name of a person or a channel as it may be shown: one line of at most 80 characters, nothing hidden in it, without a leading `@` or
 * `#`, and without what the gateway itself writes behind names (“· server”, “(server)”). Undefined when nothing is left.
 */
export function displayName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = untilStable(value.slice(0, MAX_LOOKED_AT), (line) =>
    graphemes(
      cleanLine(line.normalize('NFC'), 2 * MAX_NAME)
        .replace(JOINERS, '')
        .replace(TAGS, '')
        .replace(PILED_MARKS, '$1')
        .replace(SEPARATOR, ' ')
        .replace(SERVER_IN_BRACKETS, '$1')
        .replace(SPACES, ' ')
        .replace(SIGILS, '')
        .trim(),
      MAX_NAME,
    ),
  );
  return name === '' ? undefined : name;
}

/** The name of a file: no folders, nothing hidden, at most 200 characters. */
export function fileName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = cleanLine(value, MAX_FILE_NAME).replace(/[/\\]/g, '_').trim();
  return name === '' || /^\.+$/.test(name) ? undefined : name;
}

/** What one pass uncovers, the next one removes. After the first, each makes the text shorter or leaves it. */
function untilStable(text: string, step: (text: string) => string): string {
  for (let before = text; ; before = text) {
    text = step(before);
    if (text === before) return text;
  }
}
