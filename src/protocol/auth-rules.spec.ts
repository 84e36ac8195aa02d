import { describe, expect, it } from 'vitest';
import { ADA, BOB, GRACE, type RoomBuilder, aRoom, anEvent } from '../../test/support/events.js';
import { authEventKeys } from './auth-events.js';
import type { EventId, UserId } from './identifiers.js';

const CAROL = '@carol:acme.example' as UserId;
const OUTSIDER = '@x:other.example' as UserId;
const CREATED = '$m.room.create ' as EventId;

/** Ada has 100, Bob 50, Carol and Grace 0; all four are in. */
const settled = (levels = {}): RoomBuilder =>
  aRoom()
    .members({ [ADA]: 'join', [BOB]: 'join', [CAROL]: 'join', [GRACE]: 'join' })
    .levels({ users: { [ADA]: 100, [BOB]: 50 }, ...levels })
    .joinRule('invite');

// proves LM-04/ev-create/4
describe('rule 3: m.room.create', () => {
  const create = (content = {}) =>
    anEvent().state('m.room.create', '', {
      room_version: 'org.matrix.i-d.ralston-mimi-linearized-matrix.02',
      ...content,
    });

  // proves LM-04/auth-rules-algorithm/3; LM-04/ev-create/1, 2, 4
  it.each([
    ['3.4', create()],
    ['3.4', create().with({ prev_events: [] })],
    ['-3.1', create().with({ prev_events: ['$a'] })],
    ['3.4', create().with({ auth_events: [] })],
    ['-schema', create().with({ auth_events: ['$a'] })],
    ['-3.2', create().by(GRACE)],
    ['-3.2', create().with({ room_id: '!room:acme.example:80' })],
    ['-3.2', create().with({ room_id: 5 })],
    ['-3.3', create({ room_version: 'I.1' })],
    ['-3.3', create({ room_version: undefined })],
    ['-3.3', create().with({ content: 'x' })],
    ['-schema', create().with({ state_key: 'x' })],
  ])('is ruled by %s', (rule, event) => {
    expect(aRoom().ruling(event)).toBe(rule);
  });

  it('takes the version that the room has', () => {
    expect(aRoom().ruling(create({ room_version: 'I.1' }), { roomVersion: 'I.1' })).toBe('3.4');
  });

  it('says what is wrong', () => {
    const reason = (event: ReturnType<typeof create>): unknown => aRoom().judge(event);
    expect(reason(create().with({ prev_events: ['$a'] }))).toMatchObject({ reason: 'm.room.create has prev_events' });
    expect(reason(create().by(GRACE))).toMatchObject({ reason: 'the room id is of another server' });
    expect(aRoom().judge(create(), { roomVersion: 'I.1' })).toMatchObject({ reason: 'the room version is not I.1' });
    expect(reason(create().with({ state_key: 'x' }))).toMatchObject({ reason: 'the state_key of m.room.create is ""' });
  });
});

describe('rule 4: auth_events', () => {
  const invite = anEvent().member(OUTSIDER, 'invite');
  const all = settled().named(...authEventKeys(invite.build()));

  it('takes what the selection names, all of it or less', () => {
    expect(settled().ruling(invite, { authEvents: all })).toBe('5.3.3');
    expect(settled().ruling(invite, { authEvents: all.slice(0, 1) })).toBe('5.3.3');
  });

  // proves LM-04/auth-rules-algorithm/4
  it('4.1: refuses one that is named twice', () => {
    const verdict = settled().judge(invite, { authEvents: [...all, ...all.slice(2, 3)] });
    expect(verdict).toEqual({ allowed: false, rule: '4.1', reason: 'auth_events name m.room.member twice' });
  });

  // proves LM-04/auth-rules-algorithm/4
  it('4.2: refuses one that does not count', () => {
    const [other] = settled().named(['m.room.member', BOB]);
    const [rules] = settled().named(['m.room.join_rules', '']);
    if (other === undefined || rules === undefined) throw new Error('they are in the room');
    const reason = 'auth_events name m.room.member, which does not count';
    expect(settled().judge(invite, { authEvents: [...all, other] })).toEqual({ allowed: false, rule: '4.2', reason });
    expect(settled().ruling(anEvent(), { authEvents: [...all.slice(0, 1), rules] })).toBe('-4.2');
  });

  // proves LM-04/auth-rules-algorithm/4
  it('4.3: refuses them without m.room.create, and a room without it', () => {
    expect(settled().judge(invite, { authEvents: all.slice(1) })).toEqual({
      allowed: false,
      rule: '4.3',
      reason: 'auth_events do not name m.room.create',
    });
    expect(settled().judge(invite, { state: { get: () => undefined } })).toEqual({
      allowed: false,
      rule: '4.3',
      reason: 'the room has no m.room.create',
    });
  });
});

// proves LM-04/ev-member/2
describe('rule 5.1: a membership', () => {
  // proves LM-04/ev-member/1, 2
  it.each([
    ['-5.1', anEvent().member(ADA, 'join').with({ content: {} })],
    [
      '-5.1',
      anEvent()
        .member(ADA, 'join')
        .with({ content: { membership: 5 } }),
    ],
    ['-5.1', anEvent().with({ type: 'm.room.member', content: { membership: 'join' } })],
    ['-schema', anEvent().member('ada', 'join')],
    ['-schema', anEvent().member('', 'join')],
    ['-5.7', anEvent().member(ADA, 'party')],
  ])('that is none is refused by %s', (rule, event) => {
    expect(settled().ruling(event)).toBe(rule);
  });

  it('says what is wrong', () => {
    const reason = (event: ReturnType<typeof anEvent>): unknown => settled().judge(event);
    expect(reason(anEvent().member(ADA, 'join').with({ content: {} }))).toMatchObject({
      reason: 'no state_key or no membership',
    });
    expect(reason(anEvent().member('ada', 'join'))).toMatchObject({ reason: 'the state_key is no user id' });
    expect(reason(anEvent().member(ADA, 'party'))).toMatchObject({ reason: 'the membership is unknown' });
  });
});

describe('rule 5.2: a join', () => {
  const join = (user: UserId, ...previous: string[]) =>
    anEvent().by(user).member(user, 'join').with({ prev_events: previous });

  // proves profile/events/17
  it('is the creator’s right after the creation, whatever the join rule', () => {
    expect(aRoom().ruling(join(ADA, CREATED))).toBe('5.2.1');
    expect(aRoom().ruling(join(BOB, CREATED))).toBe('-5.2.6');
    expect(aRoom().ruling(join(ADA, '$other'))).toBe('-5.2.6');
    expect(aRoom().ruling(join(ADA, CREATED, '$other'))).toBe('-5.2.6');
    expect(aRoom().ruling(join(ADA))).toBe('-5.2.6');
    expect(aRoom().ruling(anEvent().member(ADA, 'join'))).toBe('-5.2.6');
    expect(
      aRoom().ruling(
        anEvent()
          .by(BOB)
          .member(ADA, 'join')
          .with({ prev_events: [CREATED] }),
      ),
    ).toBe('-5.2.2');
  });

  it('is nobody else’s', () => {
    expect(settled().joinRule('public').judge(anEvent().member(BOB, 'join'))).toMatchObject({
      allowed: false,
      rule: '5.2.2',
      reason: 'nobody joins for another',
    });
  });

  it.each(['public', 'invite', 'knock'])('is not for the banned (%s)', (rule) => {
    const verdict = settled()
      .members({ [BOB]: 'ban' })
      .joinRule(rule)
      .judge(join(BOB));
    expect(verdict).toMatchObject({ allowed: false, rule: '5.2.3', reason: '@bob:acme.example is banned' });
  });

  // proves LM-04/auth-rules-algorithm/5
  it.each([
    ['public', 'leave', '5.2.5'],
    ['public', 'knock', '5.2.5'],
    ['public', 'invite', '5.2.5'],
    ['public', 'join', '5.2.5'],
    ['invite', 'invite', '5.2.4'],
    ['invite', 'join', '5.2.4'],
    ['invite', 'leave', '-5.2.6'],
    ['invite', 'knock', '-5.2.6'],
    ['knock', 'invite', '5.2.4'],
    ['knock', 'join', '5.2.4'],
    ['knock', 'leave', '-5.2.6'],
    ['knock', 'knock', '-5.2.6'],
    ['restricted', 'invite', '-5.2.6'],
    ['restricted', 'join', '-5.2.6'],
  ])('where the rule is %s, after %s, is ruled by %s', (joinRule, membership, ruling) => {
    expect(
      aRoom()
        .members({ [BOB]: membership })
        .joinRule(joinRule)
        .ruling(join(BOB)),
    ).toBe(ruling);
  });

  // proves LM-04/ev-join-rules/1
  it('looks at the join rule with an empty state key alone', () => {
    const elsewhere = anEvent().state('m.room.join_rules', 'x', { join_rule: 'public' });
    expect(settled().with(elsewhere).ruling(join(OUTSIDER))).toBe('-5.2.6');
  });

  it('counts who was never in the room as one who left', () => {
    expect(settled().judge(join(OUTSIDER))).toMatchObject({
      rule: '5.2.6',
      reason: '@x:other.example is not invited',
    });
  });

  // proves LM-04/ev-join-rules/2; profile/events/13, 15
  it.each([
    ['there is none', aRoom()],
    ['it is no word', aRoom().with(anEvent().state('m.room.join_rules', '', { join_rule: 5 }))],
    ['it says nothing', aRoom().with(anEvent().state('m.room.join_rules', '', {}))],
    ['it has no content', aRoom().with(anEvent().state('m.room.join_rules', '').with({ content: [] }))],
  ])('by default takes an invite, which servers read differently: %s', (_what, room) => {
    expect(room.members({ [BOB]: 'invite' }).ruling(join(BOB))).toBe('5.2.4');
    expect(room.judge(join(OUTSIDER))).toEqual({
      allowed: false,
      rule: '5.2.6',
      reason: '@x:other.example is not invited, and the room has no join rule',
    });
    expect(room.judge(join(OUTSIDER), { lenient: true })).toEqual({
      allowed: true,
      rule: '10',
      dissent: {
        rule: 'profile: default join rule',
        reason: '@x:other.example is not invited, and the room has no join rule',
      },
    });
  });
});

describe('rule 5.3: an invite', () => {
  const invite = (target: string, sender = ADA) => anEvent().by(sender).member(target, 'invite');

  // proves LM-04/auth-rules-algorithm/6
  it.each([
    ['5.3.3', settled(), invite(OUTSIDER)],
    ['5.3.3', settled(), invite(OUTSIDER, GRACE)],
    ['5.3.3', settled({ invite: 50 }), invite(OUTSIDER, BOB)],
    ['-5.3.4', settled({ invite: 51 }), invite(OUTSIDER, BOB)],
    ['5.3.3', settled().members({ [OUTSIDER]: 'leave' }), invite(OUTSIDER)],
    ['5.3.3', settled().members({ [OUTSIDER]: 'knock' }), invite(OUTSIDER)],
    ['5.3.3', settled().members({ [OUTSIDER]: 'invite' }), invite(OUTSIDER)],
    ['-5.3.2', settled(), invite(BOB)],
    ['-5.3.2', settled().members({ [OUTSIDER]: 'ban' }), invite(OUTSIDER)],
    ['-5.3.1', settled(), invite(CAROL, OUTSIDER)],
    ['-5.3.1', settled().members({ [BOB]: 'invite' }), invite(OUTSIDER, BOB)],
  ])('is ruled by %s', (rule, room, event) => {
    expect(room.ruling(event)).toBe(rule);
  });

  it('says what is wrong', () => {
    expect(settled({ invite: 51 }).judge(invite(OUTSIDER, BOB))).toMatchObject({
      reason: '@bob:acme.example may not invite',
    });
    expect(settled().judge(invite(BOB))).toMatchObject({
      reason: '@bob:acme.example is in the room already, or banned',
    });
    expect(settled().judge(invite(CAROL, OUTSIDER))).toMatchObject({ reason: '@x:other.example is not in the room' });
  });
});

describe('rule 5.4: a leave', () => {
  const leave = (target: string, sender: string = target) =>
    anEvent()
      .by(sender as UserId)
      .member(target, 'leave');

  // proves LM-04/auth-rules-algorithm/7
  it.each([
    ['join', '5.4.1'],
    ['invite', '5.4.1'],
    ['knock', '5.4.1'],
    ['leave', '-5.4.1'],
    ['ban', '-5.4.1'],
  ])('of one’s own, after %s, is ruled by %s', (membership, rule) => {
    expect(
      settled()
        .members({ [BOB]: membership })
        .ruling(leave(BOB)),
    ).toBe(rule);
  });

  // proves LM-04/auth-rules-algorithm/7
  it.each([
    ['a kick of somebody below', '5.4.4', settled(), leave(CAROL, BOB)],
    ['a kick of somebody as high', '-5.4.5', settled({ users: { [BOB]: 50, [CAROL]: 50 } }), leave(CAROL, BOB)],
    ['a kick of somebody above', '-5.4.5', settled(), leave(ADA, BOB)],
    ['a kick with the level to kick', '5.4.4', settled({ kick: 50 }), leave(CAROL, BOB)],
    ['a kick without it', '-5.4.5', settled({ kick: 51 }), leave(CAROL, BOB)],
    ['a kick by somebody who is not in the room', '-5.4.2', settled().members({ [BOB]: 'leave' }), leave(CAROL, BOB)],
    ['an unban', '5.4.4', settled().members({ [CAROL]: 'ban' }), leave(CAROL, BOB)],
    ['an unban with the level to ban', '5.4.4', settled({ ban: 50 }).members({ [CAROL]: 'ban' }), leave(CAROL, BOB)],
    ['an unban without it', '-5.4.3', settled({ ban: 51 }).members({ [CAROL]: 'ban' }), leave(CAROL, BOB)],
    ['a kick without the level to ban', '5.4.4', settled({ ban: 51 }), leave(CAROL, BOB)],
    [
      'a rejected invite, withdrawn by its room',
      '5.4.4',
      settled().members({ [OUTSIDER]: 'invite' }),
      leave(OUTSIDER, BOB),
    ],
  ])('as %s is ruled by %s', (_what, rule, room, event) => {
    expect(room.ruling(event)).toBe(rule);
  });

  it('says what is wrong', () => {
    expect(settled().judge(leave(OUTSIDER))).toMatchObject({
      reason: '@x:other.example is not in the room, nor invited',
    });
    expect(settled().judge(leave(CAROL, OUTSIDER))).toMatchObject({ reason: '@x:other.example is not in the room' });
    expect(
      settled({ ban: 51 })
        .members({ [CAROL]: 'ban' })
        .judge(leave(CAROL, BOB)),
    ).toMatchObject({
      reason: '@bob:acme.example may not unban',
    });
    expect(settled().judge(leave(ADA, BOB))).toMatchObject({
      reason: '@bob:acme.example may not remove @ada:acme.example',
    });
  });
});

describe('rule 5.5: a ban', () => {
  const ban = (target: string, sender: string) =>
    anEvent()
      .by(sender as UserId)
      .member(target, 'ban');

  // proves LM-04/auth-rules-algorithm/8
  it.each([
    ['5.5.2', settled(), ban(CAROL, BOB)],
    ['5.5.2', settled(), ban(OUTSIDER, BOB)],
    ['5.5.2', settled({ ban: 50 }), ban(CAROL, BOB)],
    ['-5.5.3', settled({ ban: 51 }), ban(CAROL, BOB)],
    ['-5.5.3', settled(), ban(ADA, BOB)],
    ['-5.5.3', settled({ users: { [BOB]: 50, [CAROL]: 50 } }), ban(CAROL, BOB)],
    ['-5.5.3', settled(), ban(BOB, BOB)],
    ['-5.5.1', settled(), ban(CAROL, OUTSIDER)],
  ])('is ruled by %s', (rule, room, event) => {
    expect(room.ruling(event)).toBe(rule);
  });

  it('says what is wrong', () => {
    expect(settled().judge(ban(ADA, BOB))).toMatchObject({ reason: '@bob:acme.example may not ban @ada:acme.example' });
    expect(settled().judge(ban(ADA, OUTSIDER))).toMatchObject({ reason: '@x:other.example is not in the room' });
  });
});

describe('rule 5.6: a knock', () => {
  const knock = (target: string, sender: string = target) =>
    anEvent()
      .by(sender as UserId)
      .member(target, 'knock');

  // proves LM-04/auth-rules-algorithm/9
  it.each([
    ['5.6.3', 'knock', 'leave'],
    ['5.6.3', 'knock', 'invite'],
    ['5.6.3', 'knock', 'knock'],
    ['-5.6.4', 'knock', 'join'],
    ['-5.6.4', 'knock', 'ban'],
    ['-5.6.1', 'invite', 'leave'],
    ['-5.6.1', 'public', 'leave'],
    ['-5.6.1', 'restricted', 'leave'],
  ])('is ruled by %s where the rule is %s, after %s', (ruling, joinRule, membership) => {
    expect(
      settled()
        .members({ [OUTSIDER]: membership })
        .joinRule(joinRule)
        .ruling(knock(OUTSIDER)),
    ).toBe(ruling);
  });

  it('is nobody else’s', () => {
    expect(settled().joinRule('knock').judge(knock(OUTSIDER, GRACE))).toMatchObject({
      allowed: false,
      rule: '5.6.2',
      reason: 'nobody knocks for another',
    });
  });

  it('says what is wrong', () => {
    expect(settled().judge(knock(OUTSIDER))).toMatchObject({ reason: 'the room does not take knocks' });
    expect(settled().joinRule('knock').judge(knock(BOB))).toMatchObject({
      reason: '@bob:acme.example is in the room already, or banned',
    });
  });
});

describe('rules 6 to 8 and 10: any other event', () => {
  // proves LM-04/auth-rules-algorithm/10
  it.each([
    ['10', settled(), anEvent().by(GRACE)],
    ['-6', settled(), anEvent().by(OUTSIDER)],
    ['-6', settled().members({ [GRACE]: 'invite' }), anEvent().by(GRACE)],
    ['-6', settled().members({ [GRACE]: 'ban' }), anEvent().by(GRACE)],
    ['-7', settled(), anEvent().by(GRACE).state('m.room.name', '')],
    ['10', settled(), anEvent().by(BOB).state('m.room.name', '')],
    ['-7', settled({ state_default: 51 }), anEvent().by(BOB).state('m.room.name', '')],
    ['-7', settled({ events_default: 1 }), anEvent().by(GRACE)],
    ['10', settled({ events_default: 1, users_default: 1 }), anEvent().by(GRACE)],
    ['-7', settled({ events: { 'm.room.message': 51 } }), anEvent().by(BOB)],
    ['10', settled({ events: { 'm.room.message': 50 } }), anEvent().by(BOB)],
    ['10', settled({ events: { 'm.room.name': 0 } }), anEvent().by(GRACE).state('m.room.name', '')],
    ['10', settled(), anEvent().by(BOB).state('org.example', BOB)],
    ['-8', settled(), anEvent().by(BOB).state('org.example', CAROL)],
    ['-8', settled(), anEvent().by(ADA).state('org.example', '@')],
    ['10', settled(), anEvent().by(BOB).state('org.example', 'x@y')],
  ])('is ruled by %s', (rule, room, event) => {
    expect(room.ruling(event)).toBe(rule);
  });

  it('says what is wrong', () => {
    expect(settled().judge(anEvent().by(OUTSIDER))).toMatchObject({ reason: '@x:other.example is not in the room' });
    expect(settled().judge(anEvent().by(GRACE).state('m.room.name', ''))).toMatchObject({
      reason: '@grace:globex.example may not send m.room.name',
    });
    expect(settled().judge(anEvent().by(BOB).state('org.example', CAROL))).toMatchObject({
      reason: 'the state_key is another user',
    });
  });
});

describe('a room that is not federated', () => {
  const closed = (): RoomBuilder =>
    aRoom({ 'm.federate': false })
      .members({ [ADA]: 'join', [GRACE]: 'join' })
      .joinRule('public');

  // proves profile/events/16
  it('takes nothing from other servers, and everything else from its own', () => {
    expect(closed().judge(anEvent().by(GRACE))).toEqual({
      allowed: false,
      rule: 'm.federate',
      reason: 'the room is closed to other servers',
    });
    expect(closed().ruling(anEvent().by(OUTSIDER).member(OUTSIDER, 'join'))).toBe('-m.federate');
    expect(closed().ruling(anEvent().by(ADA))).toBe('10');
    expect(closed().ruling(anEvent().by(BOB).member(BOB, 'join'))).toBe('5.2.5');
  });

  it.each([true, null, 'false', 0])('is closed by false alone, not by %j', (value) => {
    const room = aRoom({ 'm.federate': value }).members({ [GRACE]: 'join' });
    expect(room.ruling(anEvent().by(GRACE))).toBe('10');
  });
});

describe('rule 9: new power levels', () => {
  const levels = (content: object, sender = BOB) =>
    anEvent()
      .by(sender)
      .state('m.room.power_levels', '')
      .with({ content: content as never });
  const before = { users: { [ADA]: 100, [BOB]: 50 }, events: { a: 50, b: 51 }, ban: 51, kick: 50 };

  // proves LM-04/ev-power-levels/1
  it('have an empty state key', () => {
    expect(settled().ruling(levels({}).with({ state_key: 'x' }))).toBe('-schema');
  });

  // proves LM-04/auth-rules-algorithm/11
  it.each(['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'])(
    '9.1 and 9.5: %s is an integer, and neither it nor what it was is above the sender',
    (field) => {
      for (const value of ['1', null, true, {}]) {
        expect(settled().judge(levels({ ...before, [field]: value }, ADA))).toMatchObject({
          rule: '9.1',
          reason: `${field} is no integer`,
        });
      }
      const room = (value?: number): RoomBuilder =>
        aRoom()
          .members({ [BOB]: 'join' })
          .levels({ users: { [BOB]: 50 }, ...(value === undefined ? {} : { [field]: value }), state_default: 0 });
      const change = (value?: number) =>
        levels({ users: { [BOB]: 50 }, state_default: 0, ...(value === undefined ? {} : { [field]: value }) });
      if (field !== 'state_default') {
        expect(room(51).judge(change(50))).toMatchObject({ rule: '9.5.1', reason: `${field} is above ${BOB}` });
        expect(room(51).ruling(change())).toBe('-9.5.1');
        expect(room(51).ruling(change(51))).toBe('9.10');
        expect(room(50).ruling(change())).toBe('9.10');
      }
      expect(room().judge(change(51))).toMatchObject({ rule: '9.5.2', reason: `${field} would be above ${BOB}` });
      expect(room(50).ruling(change(51))).toBe('-9.5.2');
      expect(room(49).ruling(change(50))).toBe('9.10');
    },
  );

  // proves LM-04/auth-rules-algorithm/11
  it.each([[[]], ['x'], [{ a: 'x' }], [{ a: 1, b: null }], [{ a: {} }]])(
    '9.2: events are a map of integers, and not %j',
    (events) => {
      const verdict = settled().judge(levels({ events }, ADA));
      expect(verdict).toMatchObject({ rule: '9.2', reason: 'events is no map of integers' });
    },
  );

  // proves LM-04/auth-rules-algorithm/11
  it.each([[[]], ['x'], [{ [ADA]: 'x' }], [{ [ADA]: 1, bob: 1 }], [{ [ADA]: 1, [BOB]: null }]])(
    '9.3: users are a map of user ids to integers, and not %j',
    (users) => {
      const verdict = settled().judge(levels({ users }, ADA));
      expect(verdict).toMatchObject({ rule: '9.3', reason: 'users is no map of user ids to integers' });
    },
  );

  it('9.4: are free where there are none yet, for who may send them', () => {
    const room = aRoom().members({ [ADA]: 'join', [BOB]: 'join' });
    expect(room.ruling(levels({ users: { [BOB]: 1_000 }, ban: 1_000 }, ADA))).toBe('9.10');
    expect(room.ruling(levels({ users: { [BOB]: 1_000 } }, BOB))).toBe('-7');
    expect(room.ruling(levels({ ban: 'x' }, ADA))).toBe('-9.1');
  });

  // proves LM-04/auth-rules-algorithm/11
  it.each([
    ['nothing', before, '9.10'],
    ['a type as high as oneself: lower', { ...before, events: { a: 0, b: 51 } }, '9.10'],
    ['a type as high as oneself: gone', { ...before, events: { b: 51 } }, '9.10'],
    ['a type above oneself: lower', { ...before, events: { a: 50, b: 0 } }, '-9.6.1'],
    ['a type above oneself: gone', { ...before, events: { a: 50 } }, '-9.6.1'],
    ['all types gone', { ...before, events: undefined }, '-9.6.1'],
    ['a new type as high as oneself', { ...before, events: { a: 50, b: 51, c: 50 } }, '9.10'],
    ['a new type above oneself', { ...before, events: { a: 50, b: 51, c: 51 } }, '-9.7.1'],
    ['a type up to above oneself', { ...before, events: { a: 51, b: 51 } }, '-9.7.1'],
    ['a type that every object inherits', { ...before, events: { a: 50, b: 51, toString: 51 } }, '-9.7.1'],
    ['a user above oneself: lower', { ...before, users: { [ADA]: 0, [BOB]: 50 } }, '-9.8.1'],
    ['a user above oneself: gone', { ...before, users: { [BOB]: 50 } }, '-9.8.1'],
    ['all users gone', { ...before, users: undefined }, '-9.8.1'],
    ['oneself: lower', { ...before, users: { [ADA]: 100, [BOB]: 1 } }, '9.10'],
    ['oneself: gone', { ...before, users: { [ADA]: 100 } }, '9.10'],
    ['oneself: higher', { ...before, users: { [ADA]: 100, [BOB]: 51 } }, '-9.9.1'],
    ['a new user as high as oneself', { ...before, users: { [ADA]: 100, [BOB]: 50, [CAROL]: 50 } }, '9.10'],
    ['a new user above oneself', { ...before, users: { [ADA]: 100, [BOB]: 50, [CAROL]: 51 } }, '-9.9.1'],
  ])('9.5 to 9.9: change %s', (_what, after, rule) => {
    const room = aRoom()
      .members({ [BOB]: 'join' })
      .levels({ ...before, state_default: 50 });
    expect(room.ruling(levels(JSON.parse(JSON.stringify({ ...after, state_default: 50 })) as object))).toBe(rule);
  });

  it('say what is wrong', () => {
    const room = aRoom()
      .members({ [BOB]: 'join' })
      .levels(before);
    const reason = (after: object): unknown => room.judge(levels({ ...before, ...after }));
    expect(reason({ events: { a: 50 } })).toMatchObject({ reason: `the level of b is above ${BOB}` });
    expect(reason({ events: { ...before.events, c: 51 } })).toMatchObject({
      reason: `the level of c would be above ${BOB}`,
    });
    expect(reason({ users: { [BOB]: 50 } })).toMatchObject({ reason: `${ADA} is above ${BOB}` });
    expect(reason({ users: { ...before.users, [CAROL]: 51 } })).toMatchObject({
      reason: `${CAROL} would be above ${BOB}`,
    });
  });

  // proves profile/events/14, 15
  it('leave a user as high as oneself alone, which servers read differently', () => {
    const room = aRoom()
      .members({ [BOB]: 'join' })
      .levels({ users: { [BOB]: 50, [CAROL]: 50, [GRACE]: 50 } });
    const demote = levels({ users: { [BOB]: 50, [CAROL]: 1 } });
    const dissent = { rule: 'profile: equal level', reason: `${CAROL} is as high as ${BOB}` };
    expect(room.judge(demote)).toEqual({ allowed: false, ...dissent });
    expect(room.judge(demote, { lenient: true })).toEqual({ allowed: true, rule: '10', dissent });
    const alsoForbidden = levels({ users: { [BOB]: 50, [CAROL]: 1, [GRACE]: 50, [ADA]: 99 } });
    expect(room.ruling(alsoForbidden, { lenient: true })).toBe('-9.9.1');
  });

  it('are those of who the current ones say, not of who the new ones say', () => {
    expect(settled().ruling(levels({ users: { [ADA]: 100, [GRACE]: 100 } }, GRACE))).toBe('-7');
  });
});
