import { type JsonObject, canonicalJson } from '../../protocol/index.js';
import { graphemes } from '../clean-text.js';

/**
 * Canonical JSON of an event's content without its relation. An event has 65,536 bytes (LM-04 §Events); ids, hashes, two signatures,
 * a relation and an edit's fallback take less than the rest.
 */
export const MAX_CONTENT_BYTES = 56_000;

export const bytesOf = (content: JsonObject): number => Buffer.byteLength(canonicalJson(content));

/** The beginning of a text, of at most `most` characters, marked as such when it is not all. */
export const shortened = (text: string, most: number): string => {
  const start = graphemes(text, most);
  return start === text ? text : `${start}…`;
};
