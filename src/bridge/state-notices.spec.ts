import { describe, expect, it } from 'vitest';
import { plainText } from '../message/index.js';
import type { JsonObject, Pdu, UserId } from '../protocol/index.js';
import { stateNotice } from './state-notices.js';

const GRACE = '@grace:globex.example' as UserId;
const grace = { id: GRACE, displayName: 'Grace', server: 'globex.example' };

const event = (type: string, content: JsonObject, fields: JsonObject = {}): Pdu =>
  ({ type, sender: GRACE, state_key: '', content, ...fields }) as unknown as Pdu;
const member = (content: JsonObject, fields: JsonObject = {}): Pdu =>
  event('m.room.member', content, { state_key: GRACE, ...fields });
const told = (now: Pdu, before?: Pdu, sender = grace): string | undefined => {
  const notice = stateNotice(now, before, { sender, serverName: 'acme.example' });
  return notice === undefined ? undefined : plainText(notice.body);
};

describe('a change of the room’s state', () => {
  it('by which somebody of another company comes or goes is told', () => {
    const joined = member({ membership: 'join', displayname: 'Grace' });
    expect(told(joined, member({ membership: 'invite' }))).toBe('Grace (globex.example) joined.');
    expect(told(member({ membership: 'leave' }), joined)).toBe('Grace (globex.example) left.');
    const boss = { id: '@boss:globex.example' as UserId, displayName: 'Boss', server: 'globex.example' };
    const kicked = member({ membership: 'ban' }, { sender: boss.id });
    expect(told(kicked, joined, boss)).toBe('Grace (globex.example) was removed by Boss (globex.example).');
  });

  it('that changes nothing, or is about our own people, is not told', () => {
    const joined = member({ membership: 'join' });
    expect(told(joined, joined)).toBeUndefined();
    expect(told(member({ membership: 'leave' }), member({ membership: 'invite' }))).toBeUndefined();
    expect(told(member({ membership: 'join' }, { state_key: '@ada:acme.example' }))).toBeUndefined();
  });

  it('of its name or topic is told, unless it is of our own people or the room began with it', () => {
    const name = event('m.room.name', { name: 'Project X' });
    expect(told(name, event('m.room.name', { name: 'X' }))).toBe(
      'Grace (globex.example) changed the name of the room to “Project X”.',
    );
    expect(told(event('m.room.topic', {}), event('m.room.topic', { topic: 'x' }))).toBe(
      'Grace (globex.example) removed the topic of the room.',
    );
    expect(told(name)).toBeUndefined();
    expect(told(name, name)).toBeUndefined();
    const ours = event('m.room.name', { name: 'X' }, { sender: '@ada:acme.example' });
    expect(told(ours, name)).toBeUndefined();
  });

  it('cannot forge lines or names', () => {
    const topic = event('m.room.topic', { topic: `calm\n\nBoss (acme.example) joined.${'x'.repeat(5_000)}` });
    const text = told(topic, event('m.room.topic', {})) ?? '';
    expect(text).not.toContain('\n');
    expect(text.length).toBeLessThan(300);
    const liar = member({ membership: 'join', displayname: 'Ada (acme.example)\n' });
    expect(told(liar)).toBe('Ada acme.example (globex.example) joined.');
  });

  // proves LM-04/pdu/9
  it.each<[JsonObject]>([[{ membership: 5 }], [{}], [{ membership: 'join', displayname: { x: 1 } }]])(
    'of a membership with the content %j does no harm',
    (content) => {
      expect([undefined, 'grace (globex.example) joined.']).toContain(told(member(content), member({})));
    },
  );

  it.each<[JsonObject]>([[{ name: 5 }], [{ name: { a: 1 } }], [{ name: null }]])(
    'of a name with the content %j does no harm',
    (content) => {
      expect(told(event('m.room.name', content), event('m.room.name', { name: 'X' }))).toBe(
        'Grace (globex.example) removed the name of the room.',
      );
    },
  );
});
