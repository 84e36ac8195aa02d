import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Block,
  type Inline,
  type MessageBody,
  fromMatrix,
  inlineText,
  mentionsOf,
  normalise,
  parseMessageBody,
  plainText,
  relationOf,
  split,
  toMatrix,
} from '../../src/message/index.js';
import { inlinesIn } from '../../src/message/blocks.js';
import { trueTarget } from '../../src/message/links.js';
import { type JsonObject, canonicalJson } from '../../src/protocol/index.js';
import * as any from './messages.js';

function contents(body: MessageBody) {
  const converted = toMatrix(body);
  if (!converted.ok) throw new Error('too large');
  return converted.value;
}

describe('the normal form of a message', () => {
  it('is its own normal form', () => {
    fc.assert(
      fc.property(any.body, (body) => {
        const normal = normalise(body);
        expect(normalise(normal)).toEqual(normal);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is what the parser makes of it as JSON', () => {
    fc.assert(
      fc.property(any.normalBody, (body) => {
        expect(parseMessageBody(JSON.parse(JSON.stringify(body)))).toEqual({ ok: true, value: body });
      }),
    );
  });

  it('is what the parser gives, or it says where it stopped, whatever comes', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const parsed = parseMessageBody(value);
        if (parsed.ok) expect(normalise(parsed.value)).toEqual(parsed.value);
        else expect(parsed.error.reason).not.toBe('');
      }),
    );
  });
});

/** What Matrix has no place for, done to a body on the way there. */
function asMatrixKnowsIt(body: MessageBody): MessageBody {
  return normalise({
    ...body,
    blocks: body.blocks.map((block) => mapped(block, partInMatrix)),
    attachments: body.attachments,
  });
}

function mapped(block: Block, change: (part: Inline) => Inline): Block {
  switch (block.type) {
    case 'paragraph':
    case 'heading':
      return { ...block, content: block.content.map(change) };
    case 'quote':
      return { ...block, blocks: block.blocks.map((each) => mapped(each, change)) };
    case 'list':
      return { ...block, items: block.items.map((item) => item.map((each) => mapped(each, change))) };
    default:
      return block;
  }
}

const asText = (text: string): Inline => ({ type: 'text', text });

/** Emoji are Unicode, or a picture of Matrix, or text; `@here` is `@room`; native addresses are names. */
function partInMatrix(part: Inline): Inline {
  switch (part.type) {
    case 'emoji': {
      if (part.unicode !== undefined) return asText(part.unicode);
      const { shortcode, image } = part;
      return image !== undefined && 'mxc' in image ? { type: 'emoji', shortcode, image } : asText(`:${shortcode}:`);
    }
    case 'link': {
      const content = part.content.map(partInMatrix);
      return { ...part, content: content.filter((each) => each.type === 'text' || each.type === 'emoji') };
    }
    case 'everyone':
      return { type: 'everyone', scope: 'channel' };
    case 'user':
      return 'nativeId' in part.user ? asText(`@${part.name}`) : part;
    case 'channel':
      return 'nativeId' in part.channel ? asText(`#${part.name}`) : part;
    default:
      return part;
  }
}

/** Text that a Matrix client takes for more, and only where a mention of the same stands beside it. */
const AMBIGUOUS = /@room|@ada:|@b\.c=d:|https?:\/\/|matrix\.to/;
const GLUED = /^[\p{L}\p{N}_-]|^\.\p{L}/u;

const isAmbiguous = (part: Inline, n: number, parts: readonly Inline[]): boolean =>
  (part.type === 'text' &&
    (AMBIGUOUS.test(part.text) || (parts[n - 1]?.type === 'everyone' && GLUED.test(part.text)))) ||
  (part.type === 'link' && AMBIGUOUS.test(part.url.replace(/^https?:\/\//i, '')));

describe('a message', () => {
  it('comes back from Matrix as it went there', () => {
    fc.assert(
      fc.property(any.normalBody, (body) => {
        const sent = asMatrixKnowsIt({ ...body, attachments: [] });
        fc.pre(!sent.blocks.flatMap(inlinesIn).some(isAmbiguous));
        const [event] = contents(sent);
        const back = event === undefined ? undefined : fromMatrix(event.type, event.content);
        expect(back ?? { ...sent, blocks: [] }).toEqual(sent);
      }),
      { numRuns: 2_000 },
    );
  });

  it('mentions in Matrix whom it mentioned, and nobody that its text names', () => {
    fc.assert(
      fc.property(any.normalBody, (body) => {
        const said = body.blocks.flatMap(inlinesIn);
        const events = contents(body);
        const users = events.flatMap(({ content }) => [...mentionsOf(content).users]);
        for (const part of said) {
          if (part.type === 'user' && 'userId' in part.user) expect(users).toContain(part.user.userId);
        }
        const back = events.flatMap(({ type, content }) => fromMatrix(type, content)?.blocks ?? []).flatMap(inlinesIn);
        for (const part of back) {
          if (part.type === 'everyone') expect(said.some(({ type }) => type === 'everyone')).toBe(true);
          if (part.type === 'user') expect(said).toContainEqual(expect.objectContaining({ user: part.user }));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('keeps its attachments', () => {
    fc.assert(
      fc.property(any.attachment, (attachment) => {
        const sent = normalise({ style: 'normal', blocks: [], attachments: [attachment] });
        const [event] = contents(sent);
        const back = event === undefined ? undefined : fromMatrix(event.type, event.content);
        const [file] = sent.attachments;
        if (file === undefined || !('mxc' in file.source)) {
          expect(back?.attachments).toEqual([]);
          return;
        }
        const { alt, thumbnail, ...rest } = file;
        expect(back?.attachments[0]).toEqual({
          ...rest,
          ...(alt !== undefined && file.kind === 'sticker' && alt !== file.name ? { alt } : {}),
          ...(thumbnail !== undefined && 'mxc' in thumbnail ? { thumbnail } : {}),
        });
      }),
    );
  });

  it('is canonical JSON of a bounded size', () => {
    fc.assert(
      fc.property(any.body, (body) => {
        for (const { content } of contents(body)) expect(canonicalJson(content).length).toBeLessThan(56_000);
      }),
    );
  });

  it('loses nothing but white space when it is split', () => {
    const leaves = (bodies: MessageBody[]): string =>
      bodies
        .flatMap(({ blocks }) => blocks)
        .map((block) => leafText(block))
        .join('')
        .replace(/\s/g, '');
    fc.assert(
      fc.property(any.normalBody, fc.integer({ min: 10, max: 300 }), (body, max) => {
        const parts = split(body, max);
        expect(leaves(parts)).toBe(leaves([body]));
        for (const part of parts) expect(normalise(part)).toEqual(part);
      }),
    );
  });
});

describe('what a hostile client sends', () => {
  const mentions = fc.constantFrom<JsonObject>(
    {},
    { 'm.mentions': {} },
    { 'm.mentions': { user_ids: ['@ada:globex.example'] } },
    { 'm.mentions': { room: true } },
    { 'm.mentions': { user_ids: ['@eve:globex.example', 7], room: 'yes' } },
  );

  it('is a normal body, whose links are honest and who mentions those alone whom it says that it mentions', () => {
    fc.assert(
      fc.property(any.html, any.text, mentions, (formatted_body, body, more) => {
        const content = { msgtype: 'm.text', body, format: 'org.matrix.custom.html', formatted_body, ...more };
        const read = fromMatrix('m.room.message', content);
        if (read === undefined) return;
        expect(parseMessageBody(JSON.parse(JSON.stringify(read)))).toEqual({ ok: true, value: read });
        const allowed = mentionsOf(content);
        for (const part of read.blocks.flatMap(inlinesIn)) {
          if (part.type === 'everyone') expect(allowed.room).toBe(true);
          if (part.type === 'user') expect(allowed.users).toContain('userId' in part.user ? part.user.userId : '');
          if (part.type !== 'link') continue;
          expect(part.url).toMatch(/^(?:https?:|mailto:)/i);
          expect(trueTarget(inlineText(part.content), part.url)).toBeUndefined();
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('may be any JSON', () => {
    const value = fc.oneof(fc.jsonValue(), any.text);
    const keys = ['msgtype', 'body', 'formatted_body', 'url', 'info', 'm.mentions', 'm.relates_to', 'm.poll', 'm.text'];
    const content = fc.dictionary(fc.constantFrom(...keys, 'filename', 'geo_uri', 'format'), value);
    const type = fc.constantFrom('m.room.message', 'm.sticker', 'm.poll.start', 'm.poll.end', 'com.example.x');
    const msgtype = fc.constantFrom('m.text', 'm.image', 'm.audio', 'm.location', undefined);
    fc.assert(
      fc.property(type, msgtype, content, (eventType, known, given) => {
        const read = fromMatrix(eventType, {
          ...given,
          ...(known === undefined ? {} : { msgtype: known }),
        });
        if (read !== undefined) expect(parseMessageBody(read)).toEqual({ ok: true, value: read });
        relationOf(given);
      }),
      { numRuns: 2_000 },
    );
  });

  // Of what takes quadratic time a megabyte takes hours.
  it.each([
    '<',
    '</',
    '<b>',
    '</b>',
    '<b></i>',
    '<p>',
    '<li>',
    '<a href="https://a.example">b',
    '<a ',
    '<a b',
    '<a b="',
    '<b c=1 ',
    '<b c="1">d</b>',
    '<br>',
    '<!--',
    '<![CDATA[',
    '<script>',
    '</script',
    '<title>',
    '&',
    '&amp;',
    '&#0',
    '&lt',
    '&CounterClockwiseContourIntegral',
    'a ',
    '\n',
    '> ',
    '@room ',
    '@',
    '@a:',
    '@a:b.',
    'https://',
    'https://a.example/)',
    ')',
    '(',
    'a.b',
    '\u0301',
    '👩‍',
    ':',
  ])('is read when it is a megabyte of %j', (unit) => {
    const much = unit.repeat(Math.ceil(1_000_000 / unit.length));
    const content = { msgtype: 'm.text', body: much, format: 'org.matrix.custom.html', 'm.mentions': { room: true } };
    const bodies = [
      fromMatrix('m.room.message', content),
      fromMatrix('m.room.message', { ...content, formatted_body: much }),
      fromMatrix('m.room.message', { ...content, formatted_body: `<a href="https://b.example">${much}` }),
      fromMatrix('m.room.message', { ...content, formatted_body: `<pre>${much}` }),
      fromMatrix('m.room.message', { ...content, formatted_body: `<a href="${much}">x</a><img alt="${much}">` }),
      fromMatrix('m.room.message', { msgtype: 'm.image', body: much, filename: much, url: 'mxc://a.example/b' }),
    ];
    for (const body of bodies) if (body !== undefined) expect(normalise(body)).toEqual(body);
  });
});

function leafText(block: Block): string {
  if (block.type === 'code') return block.text;
  return block.type === 'rule' ? '———' : inlinesIn(block).map(partText).join('');
}

const partText = (part: Inline): string =>
  part.type === 'link'
    ? part.content.map(partText).join('')
    : plainText({ blocks: [{ type: 'paragraph', content: [part] }] });
