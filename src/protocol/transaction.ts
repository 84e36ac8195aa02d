import { MAX_EDUS_PER_TRANSACTION, MAX_PDUS_PER_TRANSACTION } from './events.js';
import { type UserId, parseUserId } from './identifiers.js';
import { type JsonObject, type JsonValue, isJsonObject } from './json.js';
import { type Result, err, ok } from './result.js';

export interface Transaction {
  pdus: JsonValue[];
  edus: JsonValue[];
}

/** An ephemeral data unit (LM-04 §EDUs). */
export interface Edu {
  type: string;
  sender: UserId;
  content: JsonObject;
}

/** undefined: it is none. Matrix's own EDUs, which name no sender, are none here. */
export function parseEdu(value: JsonValue): Edu | undefined {
  if (!isJsonObject(value)) return undefined;
  const { type, content } = value;
  const sender = parseUserId(value.sender);
  if (typeof type !== 'string' || sender === undefined || !isJsonObject(content)) return undefined;
  return { type, sender, content };
}

/** The body of PUT send (LM-04 §send): at most 50 PDUs and 100 EDUs. An error is a reason for M_BAD_JSON. */
export function parseTransaction(body: JsonValue): Result<Transaction, string> {
  if (!isJsonObject(body)) return err('the body is no object');
  const { pdus, edus = [] } = body;
  if (!Array.isArray(pdus)) return err('pdus is no array');
  if (!Array.isArray(edus)) return err('edus is no array');
  if (pdus.length > MAX_PDUS_PER_TRANSACTION) return err(`more than ${String(MAX_PDUS_PER_TRANSACTION)} pdus`);
  if (edus.length > MAX_EDUS_PER_TRANSACTION) return err(`more than ${String(MAX_EDUS_PER_TRANSACTION)} edus`);
  return ok({ pdus, edus });
}
