import type { Block, Inline, MessageBody } from './message.js';

/** A body of plain text: each line a line, each empty line a new paragraph. {@link plainText} gives the same text again. */
export function plainBody(text: string, style: MessageBody['style'] = 'normal'): MessageBody {
  const paragraphs = text === '' ? [] : text.split('\n\n');
  return { style, blocks: paragraphs.map((part) => ({ type: 'paragraph', content: lines(part) })), attachments: [] };
}

function lines(text: string): Inline[] {
  return text
    .split('\n')
    .flatMap((line, n): Inline[] => [
      ...(n === 0 ? [] : [{ type: 'break' } as const]),
      ...(line === '' ? [] : [{ type: 'text', text: line } as const]),
    ]);
}

/** How a body reads where there is no rich text; attachments are not in it. */
export function plainText({ blocks }: Pick<MessageBody, 'blocks'>): string {
  return blocks.map(blockText).join('\n\n');
}

function blockText(block: Block): string {
  switch (block.type) {
    case 'paragraph':
    case 'heading':
      return inlineText(block.content);
    case 'quote':
      return prefixed(plainText(block), '> ', '> ');
    case 'list':
      return block.items.map((item, n) => itemText(item, block.start, n)).join('\n');
    case 'code':
      return block.text;
    case 'rule':
      return '———';
  }
}

function itemText(item: Block[], start: number | undefined, n: number): string {
  const bullet = start === undefined ? '• ' : `${String(start + n)}. `;
  return prefixed(item.map(blockText).join('\n'), bullet, ' '.repeat(bullet.length));
}

const prefixed = (text: string, first: string, others: string): string =>
  text
    .split('\n')
    .map((line, n) => `${n === 0 ? first : others}${line}`)
    .join('\n');

export function inlineText(content: readonly Inline[]): string {
  return content.map(partText).join('');
}

function partText(part: Inline): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'break':
      return '\n';
    case 'emoji':
      return part.unicode ?? `:${part.shortcode}:`;
    case 'link': {
      const text = inlineText(part.content);
      return text === part.url || text === '' ? part.url : `${text} (${part.url})`;
    }
    case 'user':
      return `@${part.name}`;
    case 'channel':
      return `#${part.name}`;
    case 'everyone':
      return part.scope === 'here' ? '@here' : '@channel';
  }
}
