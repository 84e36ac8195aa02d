import { cleanLinkText } from './clean-text.js';

const MAX_URL = 2_000;
const SCHEMES = new Set(['http:', 'https:', 'mailto:']);
const WRITTEN_OUT = /^(?:https?:\/\/|mailto:)/i;
const NEEDS_ENCODING = /[\s\p{C}\p{Z}<>"`\\]/u;

/** A URL that may be the target of a link: http, https or mailto, of at most 2,000 characters; as written when that is unambiguous. */
export function linkUrl(value: string): string | undefined {
  if (value.length > MAX_URL || !URL.canParse(value)) return undefined;
  const { protocol, href } = new URL(value);
  if (!SCHEMES.has(protocol) || href.length > MAX_URL) return undefined;
  return WRITTEN_OUT.test(value) && !NEEDS_ENCODING.test(value) ? value : href;
}

/**
 * What must stand beside the text of a link so that the text does not pretend another target: the true host (of mailto, the address).
 * Undefined when the text names no host, the true one alone, or says it already.
 */
export function trueTarget(text: string, url: string): string | undefined {
  const target = new URL(url);
  const shown = readable(text);
  const mail = target.protocol === 'mailto:';
  const label = mail ? target.pathname : target.host;
  if (shown.endsWith(` (${label})`)) return undefined;
  if (target.username + target.password !== '') return label; // “https://bank.example@evil.example”
  if (isAddress(shown, target) || (mail && shown.includes(label))) return undefined;
  return hostsIn(shown).every((host) => sameHost(host, target.hostname)) ? undefined : label;
}

/** Compatibility forms and dots of other scripts as browsers read them, nothing invisible. */
const readable = (text: string): string =>
  cleanLinkText(text)
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .replaceAll('。', '.')
    .trim();

/** Whether the text as a whole is an address at the same host, with or without its scheme: then its path may say what it likes. */
function isAddress(text: string, target: URL): boolean {
  if (text.length > MAX_URL || NEEDS_ENCODING.test(text)) return false;
  const written = WRITTEN_OUT.test(text) ? text : `https://${text}`;
  if (!URL.canParse(written)) return false;
  const { hostname, username, password, pathname, protocol } = new URL(written);
  if (target.protocol === 'mailto:') return protocol === 'mailto:' && pathname === target.pathname;
  return username + password === '' && hostname !== '' && sameHost(hostname, target.hostname);
}

const sameHost = (one: string, other: string): boolean => withoutWww(one) === withoutWww(other);
const withoutWww = (host: string): string => host.toLowerCase().replace(/^www\./, '');

// Endings that look like a domain in “main.ts” and are none.
const FILE_ENDINGS = new Set(
  'js ts jsx tsx mjs cjs json yaml yml toml xml html htm css txt log csv pdf doc docx xls xlsx ppt pptx odt png jpg jpeg gif svg webp mp3 exe dll gz tar bat ini cfg conf go rb php sql kt cpp hpp'.split(
    ' ',
  ),
);
const NUMBERS = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** The host names that a text shows, as far as they look like one. */
function hostsIn(text: string): string[] {
  const named = text
    .split(/[^\p{L}\p{N}\p{M}.-]+/u)
    .map((word) => word.replace(/^[.-]{1,8}|[.-]{1,8}$/g, ''))
    .filter(looksLikeHost);
  return [...named.map(inAscii), ...authoritiesIn(text)];
}

function looksLikeHost(word: string): boolean {
  const labels = word.split('.');
  const last = labels.at(-1) ?? '';
  if (labels.length < 2 || labels.includes('')) return false;
  return (
    NUMBERS.test(word) ||
    (/^(?:\p{L}[\p{L}\p{M}]+|xn--[a-z0-9-]+)$/iu.test(last) && !FILE_ENDINGS.has(last.toLowerCase()))
  );
}

/** What stands behind `://`, also when it is no domain (“http://intranet/”). */
function authoritiesIn(text: string): string[] {
  const parts = text.split('://').slice(1);
  return parts.flatMap((part) => {
    const authority = part.slice(0, 256).split(/[\s/?#]/, 1)[0] ?? '';
    return authority === '' ? [] : [inAscii(authority)];
  });
}

/** As URLs write it: lower case, Punycode, without a port; what is no host stays as it is, and is like no other. */
function inAscii(host: string): string {
  return URL.canParse(`https://${host}`) && !host.includes('@') ? new URL(`https://${host}`).hostname : host;
}
