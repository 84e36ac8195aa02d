import { describe, expect, it } from 'vitest';
import { mayServerSee } from './event-visibility.js';

const sight = (historyVisibility: string | undefined, ...met: ('joinedThen' | 'invitedThen' | 'joinedSince')[]) =>
  mayServerSee({
    type: 'm.room.message',
    historyVisibility,
    joinedThen: met.includes('joinedThen'),
    invitedThen: met.includes('invitedThen'),
    joinedSince: met.includes('joinedSince'),
  });

describe('the content of an event', () => {
  it.each(['world_readable', 'shared', 'invited', 'joined', undefined, 'nonsense'])(
    'is for who was joined then (%s)',
    (visibility) => {
      expect(sight(visibility, 'joinedThen')).toBe(true);
    },
  );

  it('is for everybody where the room is world_readable', () => {
    expect(sight('world_readable')).toBe(true);
  });

  it.each(['shared', undefined, 'nonsense'])(
    'is for who joined later, and not for who was only invited (%s)',
    (visibility) => {
      expect(sight(visibility, 'joinedSince')).toBe(true);
      expect(sight(visibility, 'invitedThen')).toBe(false);
      expect(sight(visibility)).toBe(false);
    },
  );

  it('is for who was invited then, and not for who came later (invited)', () => {
    expect(sight('invited', 'invitedThen')).toBe(true);
    expect(sight('invited', 'joinedSince')).toBe(false);
  });

  it('is for nobody else (joined)', () => {
    expect(sight('joined', 'invitedThen', 'joinedSince')).toBe(false);
  });

  it.each(['invited', 'joined'])('that is an m.mls.commit is for who joined later, too (%s)', (historyVisibility) => {
    const commit = { type: 'm.mls.commit', historyVisibility, joinedThen: false, invitedThen: false };
    expect(mayServerSee({ ...commit, joinedSince: true })).toBe(true);
    expect(mayServerSee({ ...commit, joinedSince: false })).toBe(false);
  });
});
