import { existsSync, readFileSync } from 'node:fs';
import { type Json, isJson } from './model.js';

const SAMPLES = new URL('../../../../shared/vectors/slack/slack-samples/', import.meta.url);

/** A published sample: every field that an answer or event may have, with blank values. */
export function sample(name: string): Json {
  const json: unknown = JSON.parse(readFileSync(new URL(`${name}.json`, SAMPLES), 'utf8'));
  if (!isJson(json)) throw new Error(`${name} is no object`);
  return json;
}

export const hasSample = (name: string): boolean => existsSync(new URL(`${name}.json`, SAMPLES));

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

/** Objects whose names are data: emoji, channels of shares, errors by user. */
const isMap = (sampled: Json): boolean =>
  Object.keys(sampled).length > 0 &&
  Object.keys(sampled).every((name) => /^([CUX]\d{8}|C03E94MKU_?|\d{3})$/.test(name));

/** Where a value differs from a sample: another type, or a field that the sample does not know. */
export function differences(value: unknown, sampled: unknown, at = ''): string[] {
  const [got, wanted] = [typeOf(value), typeOf(sampled)];
  // Samples have no null; Slack sends it for what is not there, as of an enterprise.
  if (got === 'null') return [];
  if (got !== wanted) return [`${at}: ${got} instead of ${wanted}`];
  if (Array.isArray(value) && Array.isArray(sampled)) return listDifferences(value, sampled, at);
  if (!isJson(value) || !isJson(sampled)) return [];
  if (isMap(sampled)) {
    const [one] = Object.values(sampled);
    return Object.entries(value).flatMap(([name, each]) => differences(each, one, `${at}.${name}`));
  }
  return Object.entries(value).flatMap(([name, each]) => {
    // An empty object in a sample stands for any: event payloads of metadata, channels of im_created.
    if (Object.keys(sampled).length === 0) return [];
    if (!(name in sampled)) return [`${at}.${name}: not in the sample`];
    return differences(each, sampled[name], `${at}.${name}`);
  });
}

function listDifferences(value: unknown[], sampled: unknown[], at: string): string[] {
  // Blocks and attachments were trimmed in the samples: their shapes are Block Kit's, checked elsewhere.
  if (sampled.length === 0 || /\.(blocks|attachments)$/.test(at)) return [];
  return value.flatMap((each, index) => differences(each, sampled[0], `${at}[${index}]`));
}
