import { describe, expect, it } from 'vitest';
import { ADA, BOB } from '../../test/support/events.js';
import type { JsonObject } from './json.js';
import { type PowerAction, PowerLevels } from './power-levels.js';

const levels = (content?: JsonObject): PowerLevels => new PowerLevels(content, ADA);

describe('the level of a user', () => {
  // proves LM-04/calc-power-levels/1
  it('is 100 for the creator and 0 for others while there are no power levels', () => {
    expect(levels().of(ADA)).toBe(100);
    expect(levels().of(BOB)).toBe(0);
    expect(new PowerLevels(undefined, undefined).of(BOB)).toBe(0);
  });

  it('is what `users` says, else `users_default`, else 0, also for the creator', () => {
    expect(levels({ users: { [BOB]: 5 }, users_default: 7 }).of(BOB)).toBe(5);
    expect(levels({ users: { [BOB]: -5 }, users_default: 7 }).of(BOB)).toBe(-5);
    expect(levels({ users: { [BOB]: 0 }, users_default: 7 }).of(BOB)).toBe(0);
    expect(levels({ users: { [BOB]: 5 }, users_default: 7 }).of(ADA)).toBe(7);
    expect(levels({ users_default: 7 }).of(ADA)).toBe(7);
    expect(levels({}).of(ADA)).toBe(0);
    expect(levels({ users: 'x', users_default: 'x' }).of(ADA)).toBe(0);
    expect(levels({ users: {} }).of('toString')).toBe(0);
    expect(levels({ users: { [BOB]: 1.5 }, users_default: 2 }).of(BOB)).toBe(2);
  });
});

describe('the level to do something', () => {
  // proves LM-04/calc-power-levels/1
  it.each<[PowerAction, number]>([
    ['ban', 50],
    ['kick', 50],
    ['redact', 50],
    ['invite', 0],
  ])('%s is what is said, else %i', (action, fallback) => {
    expect(levels().toDo(action)).toBe(fallback);
    expect(levels({}).toDo(action)).toBe(fallback);
    expect(levels({ [action]: 'x' }).toDo(action)).toBe(fallback);
    expect(levels({ [action]: 7 }).toDo(action)).toBe(7);
    expect(levels({ [action]: 0 }).toDo(action)).toBe(0);
  });
});

describe('the level to send an event', () => {
  // proves LM-04/calc-power-levels/1
  it('is what `events` says, else the default of its sort', () => {
    const content = { events: { a: 5, b: 0 }, events_default: 7, state_default: 9 };
    expect(levels(content).toSend('a', true)).toBe(5);
    expect(levels(content).toSend('b', false)).toBe(0);
    expect(levels(content).toSend('c', true)).toBe(9);
    expect(levels(content).toSend('c', false)).toBe(7);
    expect(levels(content).toSend('toString', false)).toBe(7);
  });

  it.each([[undefined], [{}], [{ events: 'x', events_default: 'x', state_default: null }]])(
    'is 50 for state and 0 for others where nothing is said: %j',
    (content) => {
      expect(levels(content).toSend('a', true)).toBe(50);
      expect(levels(content).toSend('a', false)).toBe(0);
    },
  );
});
