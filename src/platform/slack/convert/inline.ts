import type { Block, Inline, Mention } from '../../../message/index.js';

/** Names of whom and what a message mentions; `label`: what the message itself calls it. */
export interface Names {
  user(id: string, label?: string): Mention;
  channel(id: string, label?: string): Mention;
}

const MAX_URL = 2_000;
const SCHEMES = new Set(['http:', 'https:', 'mailto:']);

export function safeUrl(value: string): string | undefined {
  if (value.length > MAX_URL || !URL.canParse(value)) return undefined;
  return SCHEMES.has(new URL(value).protocol) ? value : undefined;
}

/** Line breaks are `break`. */
export function lines(text: string): string[] {
  return text.split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/);
}

/** Empty lines part paragraphs; none begins or ends with a break. */
export function paragraphs(content: readonly Inline[]): Extract<Block, { type: 'paragraph' }>[] {
  const out: Extract<Block, { type: 'paragraph' }>[] = [];
  let open: Inline[] | undefined;
  let line: Inline[] = [];
  const endLine = (): void => {
    const blank = line.every((part) => part.type === 'text' && part.text.trim() === '');
    if (blank) open = undefined;
    else if (open === undefined) out.push({ type: 'paragraph', content: (open = line) });
    else open.push({ type: 'break' }, ...line);
    line = [];
  };
  for (const part of content) {
    if (part.type === 'break') endLine();
    else line.push(part);
  }
  endLine();
  return out;
}
