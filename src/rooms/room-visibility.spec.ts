import { describe, expect, it } from 'vitest';
import type { Pdu } from '../protocol/index.js';
import { ServerSight } from './room-visibility.js';

/** A log of one letter per event: what the server `b.example` sees of it, event by event. */
function seen(log: readonly (readonly [type: string, value: string])[]): string {
  const events = log.map(([type, value], position) => ({ position, rejected: false, pdu: eventOf(type, value) }));
  const sight = new ServerSight(events.filter(({ pdu }) => pdu.type !== 'm.room.message'));
  return events
    .map((event) => {
      const served = sight.of(event);
      if (served === undefined) return '-';
      return served === event.pdu ? 'W' : 'r';
    })
    .join('');
}

function eventOf(type: string, value: string): Pdu {
  const content =
    type === 'visibility'
      ? { history_visibility: value }
      : type === 'message'
        ? { body: value }
        : { membership: value };
  const stateKey = { visibility: '', bob: '@bob:b.example', carol: '@carol:b.example' }[type];
  return {
    type: type === 'message' ? 'm.room.message' : type === 'visibility' ? 'm.room.history_visibility' : 'm.room.member',
    content,
    ...(stateKey === undefined ? {} : { state_key: stateKey }),
  } as unknown as Pdu;
}

const say = ['message', 'hello'] as const;

// proves LM-04/calc-event-visibility/1
describe('what a server sees of a room', () => {
  it('is everything once it has joined (shared, the default)', () => {
    expect(seen([say, ['bob', 'join'], say])).toBe('WWW');
  });

  it('is nothing while it is only invited', () => {
    expect(seen([say, ['bob', 'invite'], say])).toBe('---');
  });

  it('ends with the leave of its last user, which it still sees', () => {
    expect(seen([['bob', 'join'], ['carol', 'join'], ['bob', 'leave'], say, ['carol', 'ban'], say])).toBe('WWWWW-');
  });

  it('is again everything when it comes back (shared)', () => {
    expect(seen([['bob', 'join'], ['bob', 'leave'], say, ['bob', 'join']])).toBe('WWWW');
  });

  it('is redacted before its join where only joined ones may read', () => {
    expect(seen([['visibility', 'joined'], say, ['bob', 'invite'], say, ['bob', 'join'], say])).toBe('rrrrWW');
  });

  it('is whole from the invite on where invited ones may read', () => {
    expect(seen([['visibility', 'invited'], say, ['bob', 'invite'], say, ['bob', 'join'], say])).toBe('rrWWWW');
  });

  it('is everything, also for a stranger, where the world may read', () => {
    expect(seen([say, ['visibility', 'world_readable'], say])).toBe('-WW');
  });

  it('follows a change of visibility from its place on', () => {
    expect(
      seen([say, ['visibility', 'joined'], say, ['visibility', 'shared'], say, ['bob', 'join'], ['bob', 'leave'], say]),
    ).toBe('WrrWWWW-');
  });

  it('never is an event that the rules refuse', () => {
    const sight = new ServerSight([{ position: 0, pdu: eventOf('bob', 'join') }]);
    expect(sight.of({ position: 1, pdu: eventOf('message', 'x'), rejected: true })).toBeUndefined();
  });
});
