/** What text may hold, wherever it comes from. All of it takes time linear in the text's length. */

/** Everything that ends a line in Unicode (UAX #14), CR LF as one. */
const LINE_ENDS = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/;
const ALL_LINE_ENDS = new RegExp(LINE_ENDS, 'g');

// Controls other than tab and the line ends; NUL among them, which no database keeps. Overrides show letters in an order that is
// not theirs (“exe.gpj”); what right-to-left scripts need are marks and isolates, which stay.
// eslint-disable-next-line no-control-regex -- these are what it is about
const UNWANTED = /[\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u202d\u202e]/g;

const BIDI = '\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069';
/** Characters that show nothing: what they hide between is not what it seems. */
const INVISIBLE =
  '\\u00ad\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180e\\u200b\\u2060-\\u2064\\u206a-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb';
// eslint-disable-next-line no-misleading-character-class -- each is meant alone, joined or not
const HIDDEN = new RegExp(`[${BIDI}${INVISIBLE}]|\\u034f`, 'gu');

/** The lines of a text, without control characters and overrides; tabs and no-break spaces are spaces. */
export function cleanLines(text: string): string[] {
  return text.split(LINE_ENDS).map((line) =>
    line
      .replace(UNWANTED, '')
      .replace(/[\t\u00a0]/g, ' ')
      .toWellFormed(),
  );
}

/** Text as it stands in a block of code: tabs and all spaces stay, empty lines around it go. */
export function cleanCode(text: string): string {
  return trim(text.replace(ALL_LINE_ENDS, '\n').replace(UNWANTED, '').toWellFormed(), '\n');
}

/** The text of a link in one line, where nothing may hide what it says. */
export const cleanLinkText = (text: string): string => cleanLines(text).join(' ').replace(HIDDEN, '');

/** One line of text of at most `most` characters, with nothing hidden in it, and trimmed. */
export function cleanLine(text: string, most: number): string {
  const line = cleanLines(text.slice(0, most * 8))
    .join(' ')
    .replace(HIDDEN, '')
    .trim();
  return graphemes(line, most).trim();
}

/** Without `char` at its ends. (A regular expression takes quadratic time for runs in the middle.) */
export function trim(text: string, char: string): string {
  let [from, to] = [0, text.length];
  while (from < to && text[from] === char) from++;
  while (to > from && text[to - 1] === char) to--;
  return text.slice(from, to);
}

export function trimEnd(text: string, char: string): string {
  let to = text.length;
  while (to > 0 && text[to - 1] === char) to--;
  return text.slice(0, to);
}

let segmenter: Intl.Segmenter | undefined;
const WINDOW = 512;

/**
 * Characters as people count them (UAX #29); one of more than 512 code units, which nobody writes, is several. Intl.Segmenter
 * takes time quadratic in the length of its text: it is given a window.
 */
export function* characters(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (let start = 0; start < text.length;) {
    const window = [...segmenter.segment(text.slice(start, windowEnd(text, start)))].map(({ segment }) => segment);
    // The last one may go on behind the window.
    const whole = start + WINDOW >= text.length || window.length === 1 ? window : window.slice(0, -1);
    yield* whole;
    for (const segment of whole) start += segment.length;
  }
}

function windowEnd(text: string, start: number): number {
  const end = start + WINDOW;
  return /[\ud800-\udbff]/.test(text[end - 1] ?? '') ? end - 1 : end;
}

/** The first `most` characters. */
export function graphemes(text: string, most: number): string {
  if (text.length <= most) return text;
  let [count, end] = [0, 0];
  for (const character of characters(text)) {
    if (++count > most) break;
    end += character.length;
  }
  return text.slice(0, end);
}
