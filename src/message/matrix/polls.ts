import { type JsonObject, type JsonValue, isJsonObject } from '../../protocol/index.js';
import type { Block, MessageBody } from '../message.js';

/** MSC3381 and its stable names: `m.poll.start`, `m.poll.end`. */
const STARTS = ['m.poll', 'm.poll.start', 'org.matrix.msc3381.poll.start'];
const ENDS = ['m.poll.end', 'org.matrix.msc3381.poll.end'];
const TEXTS = ['m.text', 'org.matrix.msc1767.text'];
const MAX_ANSWERS = 20; // MSC3381

/** The question and the answers of a poll; who votes, votes in Matrix. Undefined when this starts none that can be read. */
export function pollOf(content: JsonObject): MessageBody | undefined {
  const poll = firstOf(content, STARTS);
  if (!isJsonObject(poll)) return undefined;
  const question = extensibleText(poll.question);
  const answers = (Array.isArray(poll.answers) ? poll.answers : [])
    .slice(0, MAX_ANSWERS)
    .map(extensibleText)
    .filter((answer) => answer !== undefined);
  if (question === undefined || answers.length === 0) return undefined;
  const blocks: Block[] = [
    { type: 'paragraph', content: [{ type: 'text', text: `📊 ${question}`, marks: ['bold'] }] },
    {
      type: 'list',
      start: 1,
      items: answers.map((text) => [{ type: 'paragraph', content: [{ type: 'text', text }] }]),
    },
  ];
  return { style: 'normal', blocks, attachments: [] };
}

/** That a poll has ended, with the result when its sender wrote it. */
export function pollEndOf(content: JsonObject): MessageBody | undefined {
  if (firstOf(content, ENDS) === undefined) return undefined;
  const text = extensibleText(content) ?? 'The poll has ended.';
  return { style: 'notice', blocks: [{ type: 'paragraph', content: [{ type: 'text', text }] }], attachments: [] };
}

/** MSC1767: a list of representations, in its first form a string. */
export function extensibleText(value: JsonValue | undefined): string | undefined {
  if (!isJsonObject(value)) return undefined;
  const text = firstOf(value, TEXTS);
  if (typeof text === 'string') return text;
  if (!Array.isArray(text)) return typeof value.body === 'string' ? value.body : undefined;
  const plain = text.find(
    (each) => isJsonObject(each) && (each.mimetype === undefined || each.mimetype === 'text/plain'),
  );
  return isJsonObject(plain) && typeof plain.body === 'string' ? plain.body : undefined;
}

const firstOf = (object: JsonObject, keys: readonly string[]): JsonValue | undefined =>
  keys.map((key) => object[key]).find((value) => value !== undefined);
