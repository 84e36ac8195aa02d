import { MAX_EDUS_PER_TRANSACTION, MAX_PDUS_PER_TRANSACTION } from './events.js';
import { type JsonValue, isJsonObject } from './json.js';
import { type Result, err, ok } from './result.js';

export interface Transaction {
  pdus: JsonValue[];
  edus: JsonValue[];
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
