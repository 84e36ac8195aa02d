import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import { type JsonObject, type JsonValue, type ServerName, isJsonObject } from '../../src/protocol/index.js';
import { sharedPath, vectors } from './vectors.js';

interface Exchange {
  id: string;
  to: ServerName;
  method: string;
  path: string;
  authorization: string | null;
  request: JsonValue;
  status: number;
  response: JsonValue;
}

const FILES = readdirSync(sharedPath('vectors/wire')).filter((file) => file !== 'keys.json');
const { keys } = vectors<{ keys: Record<ServerName, Record<string, string>> }>('wire/keys.json');
const exchanges = FILES.flatMap((file) =>
  vectors<{ exchanges: Exchange[] }>(`wire/${file}`).exchanges.map((exchange) => ({ file, ...exchange })),
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

const member = (value: JsonValue, key: string): JsonValue => (isJsonObject(value) ? (value[key] ?? null) : null);
const list = (value: JsonValue): JsonValue[] => (Array.isArray(value) ? value : []);

/** What each endpoint's exchange must be to us. An endpoint that is not here fails the test. */
const READ: Record<string, (exchange: Exchange) => void> = {
  server({ to, response }) {
    const parsed = protocol.parseServerKeys(response, to);
    if (!parsed.ok) throw new Error(parsed.error);
    expect(Object.fromEntries(parsed.value.verifyKeys)).toMatchObject(keys[to] ?? {});
  },
  invite({ path, request, response }) {
    const invite = member(request, 'event');
    const [, txnId = ''] = /\/invite\/([^/]+)$/.exec(path) ?? [];
    expect(protocol.eventIdOf(invite as JsonObject)).toBe(decodeURIComponent(txnId));
    expect(protocol.roomVersion(member(request, 'room_version'))).toBeDefined();
    const answer = member(response, 'event');
    expect(protocol.eventIdOf(answer as JsonObject)).toBe(decodeURIComponent(txnId));
  },
  make_join({ path, response }) {
    const userId = decodeURIComponent(/\/([^/?]+)\?/.exec(path)?.[1] ?? '');
    const template = member(response, 'event');
    expect(template).toMatchObject({ type: 'm.room.member', sender: userId, state_key: userId });
    expect(protocol.roomVersion(member(response, 'room_version'))).toBeDefined();
    expect(new URL(path, 'https://x').searchParams.getAll('ver')).toContain(protocol.DEFAULT_ROOM_VERSION);
  },
  send_join({ path, request, response }) {
    const [, txnId = ''] = /\/send_join\/([^/]+)$/.exec(path) ?? [];
    expect(protocol.eventIdOf(request as JsonObject)).toBe(decodeURIComponent(txnId));
    const parsed = protocol.parsePdu(member(response, 'event'));
    expect(parsed).toMatchObject({ ok: true, value: { sender: member(request, 'sender') } });
    expect(list(member(response, 'state')).length).toBeGreaterThan(0);
  },
  send({ request, status, response }) {
    const transaction = protocol.parseTransaction(request);
    if (!transaction.ok) throw new Error(transaction.error);
    expect(transaction.value.pdus.length).toBeGreaterThan(0);
    if (status !== 200) expect(member(response, 'errcode')).toMatch(/^M_/);
  },
  event({ path, status, response }) {
    if (status === 404) expect(member(response, 'errcode')).toBe('M_NOT_FOUND');
    else expect(path).toContain(encodeURIComponent(protocol.eventIdOf(response as JsonObject)));
  },
  backfill({ path, response }) {
    const pdus = list(member(response, 'pdus'));
    expect(pdus.length).toBeGreaterThan(0);
    expect(path).toContain(encodeURIComponent(protocol.eventIdOf(pdus[0] as JsonObject)));
    for (const pdu of pdus) expect(member(pdu, 'event_id')).toBe(protocol.eventIdOf(pdu as JsonObject));
  },
  state_ids({ response }) {
    const ids = ['auth_chain_ids', 'pdus_ids'].flatMap((key) => list(member(response, key)));
    expect(ids.length).toBeGreaterThan(0);
    for (const id of ids) expect(protocol.parseEventId(id)).toBe(id);
  },
};

describe('what other implementations sent', () => {
  it('is all of the captures', () => {
    expect(exchanges).toHaveLength(27);
  });

  it.each(exchanges)('$file $id is what its endpoint reads', (exchange) => {
    const endpoint = Object.keys(READ).find((name) => exchange.path.split(/[/?]/).includes(name));
    if (endpoint === undefined) throw new Error(`nothing reads ${exchange.path}`);
    READ[endpoint]?.(exchange);
  });

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
