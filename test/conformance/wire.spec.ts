import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import { type JsonObject, type JsonValue, type ServerName, isJsonObject } from '../../src/protocol/index.js';
import { vectors } from './vectors.js';

interface Exchange {
  id: string;
  to: ServerName;
  method: string;
  path: string;
  authorization: string | null;
  request: JsonValue;
  response: JsonValue;
}

const FILES = ['02-invite', '03-make-join', '04-send-join', '05-send-lpdu', '06-send-pdu', '07-read'];
const { keys } = vectors<{ keys: Record<ServerName, Record<string, string>> }>('wire/keys.json');
const exchanges = FILES.flatMap((file) =>
  vectors<{ exchanges: Exchange[] }>(`wire/${file}.json`).exchanges.map((exchange) => ({ file, ...exchange })),
);

function keysOf(server: ServerName): protocol.VerifyKeys {
  return new Map(
    Object.entries(keys[server] ?? {}).flatMap(([id, text]) => {
      const key = protocol.createVerifyKey(text);
      return key === undefined ? [] : [[id, key] as const];
    }),
  );
}

/** Every signed event anywhere in a body. */
function eventsIn(value: JsonValue | undefined): JsonObject[] {
  if (Array.isArray(value)) return value.flatMap(eventsIn);
  if (!isJsonObject(value)) return [];
  return value.signatures !== undefined && value.room_id !== undefined
    ? [value]
    : Object.values(value).flatMap(eventsIn);
}

describe('what other implementations sent', () => {
  // proves profile/requests/1
  it.each(exchanges.filter(({ authorization }) => authorization !== null))('$file $id is authenticated', (exchange) => {
    const header = protocol.parseXMatrix(exchange.authorization ?? '');
    if (!header.ok) throw new Error(header.error);
    const { origin, key, sig } = header.value;
    const verifyKey = keysOf(origin).get(key);
    const request = { method: exchange.method, uri: exchange.path, origin, destination: exchange.to };
    expect(verifyKey && protocol.verifyRequest(request, exchange.request ?? undefined, sig, verifyKey)).toBe(true);
  });

  const events = exchanges.flatMap(({ file, id, request, response }) =>
    [...eventsIn(request), ...eventsIn(response)].map((event, index) => ({
      name: `${file} ${id} #${String(index)}`,
      event,
    })),
  );
  // proves LM-04/receiving-events/3; profile/events/5
  it.each(events)('the event $name verifies', ({ event }) => {
    const lpdu = event.prev_events === undefined;
    const parsed = lpdu ? protocol.parseLpdu(event) : protocol.parsePdu(event);
    if (!parsed.ok) throw new Error(parsed.error.reason);
    if (lpdu) {
      expect(protocol.checkLpduHash(parsed.value as protocol.Lpdu)).toBe('ok');
      expect(protocol.checkLpduSignature(parsed.value as protocol.Lpdu, keysOf)).toBeUndefined();
    } else {
      expect(protocol.checkContentHashes(parsed.value as protocol.Pdu)).toBe('ok');
      expect(protocol.checkPduSignatures(parsed.value as protocol.Pdu, keysOf)).toBeUndefined();
    }
  });
});
