import { expect, test } from 'vitest';
import { json, plain, sheet, table, time } from './output.js';

test('columns are as wide as their widest cell, without blanks at the end', () => {
  const rows = [
    { a: 'one', b: 1 },
    { a: 'longer', b: null },
  ];
  const columns = [
    ['A', 'a'],
    ['B', 'b'],
  ] as const;
  expect(table(rows, columns, 'Nothing.')).toBe('A       B\none     1\nlonger  -\n');
  expect(table([], columns, 'Nothing.')).toBe('Nothing.\n');
  expect(sheet([['name', 'x']])).toBe('name  x\n');
});

test('text of other servers cannot steer the terminal', () => {
  expect(plain('\u001b[2Jgone\u202e')).toBe('\ufffd[2Jgone\ufffd');
  expect(plain({ deep: '\u009b31m' })).not.toContain('\u009b');
  const text = json({ name: '\u009b31m\u202e\n' });
  expect(text).not.toMatch(/[\u009b\u202e]/);
  expect(JSON.parse(text)).toEqual({ name: '\u009b31m\u202e\n' });
});

test('times are shown in UTC, and no time as a dash', () => {
  expect(time(1_795_500_000_000)).toBe('2026-11-24T06:00:00.000Z');
  expect(time(0)).toBe('-');
  expect(time(null)).toBe('-');
});
