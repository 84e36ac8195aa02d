import { describe, expect, it } from 'vitest';
import { type EventId, type JsonObject, checkAuthRules, eventFault } from '../../src/protocol/index.js';
import { type Cases, vectors } from './vectors.js';

interface AuthCase {
  state: (JsonObject & { event_id: EventId; type: string; state_key: string })[];
  event: JsonObject & { auth_events: string[] };
  expect: 'allow' | 'reject';
  rule: string;
}

const { cases, room_version: roomVersion } = vectors<Cases<AuthCase> & { room_version: string }>('auth-rules.json');

describe('authorization rules', () => {
  // proves LM-04/auth-rules-algorithm/3, 5, 6, 7, 8, 9, 10, 11; LM-04/calc-power-levels/1; LM-04/ev-create/1, 2, 3
  // proves LM-04/ev-member/1; profile/events/14, 16, 17
  it.each(cases)('$id: $expect by $rule', ({ state, event, expect: expected, rule }) => {
    const byKey = new Map(
      state.map((entry) => [`${entry.type} ${entry.state_key}`, { eventId: entry.event_id, event: entry }]),
    );
    const authEvents = event.auth_events.flatMap((id) => [...byKey.values()].filter((entry) => entry.eventId === id));
    const fault = eventFault({ origin_server_ts: 0, hashes: {}, signatures: {}, ...event });
    const verdict = checkAuthRules(event, {
      state: { get: (type, key) => byKey.get(`${type} ${key}`) },
      authEvents,
      roomVersion,
    });
    const allowed = fault === undefined && verdict.allowed;
    expect(allowed ? 'allow' : 'reject', fault ?? JSON.stringify(verdict)).toBe(expected);
    if (rule === 'schema') expect(fault).toBeDefined();
    else if (/^[0-9]/.test(rule)) expect(verdict.rule).toBe(rule);
  });
});
