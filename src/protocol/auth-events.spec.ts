import { describe, expect, it } from 'vitest';
import { ADA, BOB, GRACE, aRoom, anEvent } from '../../test/support/events.js';
import { authEventKeys, selectAuthEvents } from './auth-events.js';

const CREATE = ['m.room.create', ''];
const LEVELS = ['m.room.power_levels', ''];
const RULES = ['m.room.join_rules', ''];
const member = (user: string): string[] => ['m.room.member', user];

// proves LM-04/auth-selection/1
describe('the auth events of an event', () => {
  it('are none for m.room.create', () => {
    expect(authEventKeys(anEvent().state('m.room.create', '').build())).toEqual([]);
  });

  it('are the creation, the power levels and the sender’s membership', () => {
    expect(authEventKeys(anEvent().build())).toEqual([CREATE, LEVELS, member(ADA)]);
    expect(authEventKeys(anEvent().state('m.room.name', BOB, { membership: 'join' }).build())).toEqual([
      CREATE,
      LEVELS,
      member(ADA),
    ]);
  });

  it.each(['join', 'invite'])('of a membership %s are the target’s and the join rules too', (membership) => {
    expect(authEventKeys(anEvent().member(BOB, membership).build())).toEqual([
      CREATE,
      LEVELS,
      member(ADA),
      member(BOB),
      RULES,
    ]);
    expect(authEventKeys(anEvent().member(ADA, membership).build())).toEqual([CREATE, LEVELS, member(ADA), RULES]);
  });

  it.each(['leave', 'ban', 'knock'])('of a membership %s are the target’s too', (membership) => {
    expect(authEventKeys(anEvent().member(BOB, membership).build())).toEqual([
      CREATE,
      LEVELS,
      member(ADA),
      member(BOB),
    ]);
  });

  it('of what is hardly an event are those that can be told', () => {
    expect(authEventKeys({})).toEqual([CREATE, LEVELS]);
    expect(authEventKeys({ type: 'm.room.member', sender: 5, state_key: 6, content: 'x' })).toEqual([CREATE, LEVELS]);
  });

  it('are named by id, where the state has them', () => {
    const room = aRoom().members({ [ADA]: 'join' });
    expect(selectAuthEvents(anEvent().build(), room)).toEqual(['$m.room.create ', `$m.room.member ${ADA}`]);
    expect(selectAuthEvents(anEvent().by(GRACE).build(), room)).toEqual(['$m.room.create ']);
  });
});
