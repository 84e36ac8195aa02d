import type { Block, Inline } from './message.js';

type BlockOfText = Extract<Block, { type: 'paragraph' | 'heading' }>;

/** Whether a block holds inline content, and nothing else. */
export const isBlockOfText = (block: Block): block is BlockOfText =>
  block.type === 'paragraph' || block.type === 'heading';

/** All inline content of a block, in its order. */
export function inlinesIn(block: Block): readonly Inline[] {
  if (isBlockOfText(block)) return block.content;
  if (block.type === 'quote') return block.blocks.flatMap(inlinesIn);
  return block.type === 'list' ? block.items.flat().flatMap(inlinesIn) : [];
}

/** The block with other inline content. */
export function mapInlines(block: Block, change: (part: Inline) => Inline): Block {
  if (isBlockOfText(block)) return { ...block, content: block.content.map(change) };
  if (block.type === 'quote') return { ...block, blocks: block.blocks.map((each) => mapInlines(each, change)) };
  if (block.type !== 'list') return block;
  return { ...block, items: block.items.map((item) => item.map((each) => mapInlines(each, change))) };
}
