import { describe, expect, it } from 'vitest';
import * as protocol from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

describe('server names', () => {
  const { cases } =
    vectors<Cases<{ value: string; valid: boolean; host: string | null; port: number | null }>>('server-names.json');
  // proves LM-04/server-names/1, 3
  it.each(cases)('$id: $value', ({ value, valid, host, port }) => {
    const name = protocol.parseServerName(value);
    expect(name !== undefined).toBe(valid);
    if (name !== undefined) expect(protocol.splitServerName(name)).toEqual({ hostname: host, port: port ?? undefined });
  });
});

describe('identifiers', () => {
  const parsers: Record<string, (value: unknown) => unknown> = {
    user: protocol.parseUserId,
    room: protocol.parseRoomId,
  };
  // proves LM-04/room-id/1; LM-04/user-id/1, 3
  it.each(vectors<Cases<{ kind: string; value: string; valid: boolean }>>('identifiers.json').cases)(
    '$id: $value',
    ({ kind, value, valid }) => {
      const parse = parsers[kind];
      if (parse === undefined) throw new Error(`no parser for ${kind}`);
      expect(parse(value) !== undefined).toBe(valid);
    },
  );
});
