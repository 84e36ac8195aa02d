import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageBody } from './message.js';
import { plainBody, plainText } from './plain-text.js';

describe('plain text', () => {
  it('is the same again after it was a body', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '*', '@', '🙂'), maxLength: 40 });
    fc.assert(
      fc.property(text, (written) => {
        expect(plainText(plainBody(written))).toBe(written);
      }),
    );
  });

  it('of a rich body reads like one', () => {
    const body: Pick<MessageBody, 'blocks'> = {
      blocks: [
        { type: 'heading', level: 1, content: [{ type: 'text', text: 'Plan' }] },
        {
          type: 'list',
          start: 9,
          items: [
            [{ type: 'paragraph', content: [{ type: 'text', text: 'eat', marks: ['bold'] }] }],
            [
              { type: 'paragraph', content: [{ type: 'text', text: 'sleep' }] },
              { type: 'code', text: 'two\nlines' },
            ],
          ],
        },
        {
          type: 'quote',
          blocks: [
            {
              type: 'paragraph',
              content: [
                { type: 'everyone', scope: 'here' },
                { type: 'break' },
                { type: 'link', url: 'https://a.example/', content: [{ type: 'text', text: 'here' }] },
                { type: 'emoji', shortcode: 'parrot' },
              ],
            },
          ],
        },
      ],
    };
    expect(plainText(body)).toBe(
      'Plan\n\n9. eat\n10. sleep\n    two\n    lines\n\n> @here\n> here (https://a.example/):parrot:',
    );
  });
});
