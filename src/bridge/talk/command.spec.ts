import { describe, expect, it } from 'vitest';
import { COMMANDS, helpText, parseCommand } from './command.js';

const command = (text: string) => {
  const parsed = parseCommand(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.command;
};
const problem = (text: string): string => {
  const parsed = parseCommand(text);
  if (parsed.ok) throw new Error(`${text} is a command`);
  return parsed.problem;
};

describe('a command', () => {
  it.each([
    ['', { name: 'help' }],
    ['  WHO ', { name: 'who' }],
    ['/Status', { name: 'status' }],
    ['invite @grace:globex.example', { name: 'invite', users: ['@grace:globex.example'] }],
    ['invite Grace:Globex.Example,', { name: 'invite', users: ['@grace:globex.example'] }],
    ['dm @a:b.c  @a:b.c @d:b.c', { name: 'dm', users: ['@a:b.c', '@d:b.c'] }],
    ['dm <https://matrix.to/#/@a:b.c|a>', { name: 'dm', users: ['@a:b.c'] }],
    ['join !r:b.c', { name: 'join', room: '!r:b.c' }],
    ['join `#fair:b.c`', { name: 'join', room: '#fair:b.c' }],
    ['knock #fair:b.c we met there', { name: 'knock', room: '#fair:b.c', reason: 'we met there' }],
    ['knock !r:b.c', { name: 'knock', room: '!r:b.c', reason: undefined }],
    ['search globex.example', { name: 'search', target: 'globex.example' }],
    ['search #fair:b.c', { name: 'search', target: '#fair:b.c' }],
    ['accept', { name: 'accept', invite: undefined }],
    ['decline 4821', { name: 'decline', invite: 4821 }],
    ['approve @a:b.c', { name: 'approve', user: '@a:b.c' }],
    ['map', { name: 'map', room: undefined, history: 0 }],
    ['map History 50', { name: 'map', room: undefined, history: 50 }],
    ['map !r:b.c history 500', { name: 'map', room: '!r:b.c', history: 500 }],
    ['unmap', { name: 'unmap' }],
  ])('is read from “%s”', (text, expected) => {
    expect(command(text)).toEqual(expected);
  });

  it.each([
    ['fly', 'There is no command “fly”'],
    ['invite', 'It is: invite @user:server'],
    ['invite @nobody', '“@nobody” is nobody’s address'],
    ['join general', 'It is: join'],
    ['join', 'It is: join'],
    ['knock', 'It is: knock'],
    ['search -', 'It is: search'],
    ['accept all', 'It is: accept'],
    ['deny everybody', 'It is: deny'],
    ['map general', 'It is: map'],
    ['map history 501', 'up to 500'],
    ['map history', 'up to 500'],
    [`invite ${'@a:b.c '.repeat(21)}`, 'At most 20 people'],
    [`knock !r:b.c ${'x'.repeat(2_000)}`, 'too long'],
    ['constructor', 'There is no command'],
  ])('that is none is told in a sentence: “%s”', (text, expected) => {
    expect(problem(text)).toContain(expected);
  });

  it('never echoes more of what was written than a few words', () => {
    expect(problem('z'.repeat(2_000)).length).toBeLessThan(100);
    expect(problem(`invite ${'z'.repeat(1_900)}`).length).toBeLessThan(200);
  });
});

describe('the help', () => {
  it('names every command, those for owners to owners alone', () => {
    for (const { name } of COMMANDS) expect(helpText(true)).toContain(`\n${name}`);
    expect(helpText(false)).not.toContain('unmap');
  });
});
