import { type JsonValue, isJsonObject } from '../protocol/index.js';
import { remoteText } from './remote-text.js';

const MAX_REASON = 500;

/** Why events were refused, by the ids of the received objects: the answer to a PUT send (LM-04 §send). */
export function failedPdus(answer: JsonValue): Map<string, string> {
  const failed = isJsonObject(answer) && isJsonObject(answer.failed_pdus) ? answer.failed_pdus : {};
  return new Map(Object.entries(failed).map(([id, failure]) => [id, reasonOf(failure)]));
}

function reasonOf(failure: JsonValue | undefined): string {
  const error = isJsonObject(failure) ? failure.error : undefined;
  return remoteText(error, MAX_REASON) ?? 'the hub refused it';
}
