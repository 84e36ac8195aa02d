import type { Answer } from './admin-client.js';

/** A column of a table: its heading and the field of the row that it shows. */
export type Column = readonly [heading: string, field: string, show?: (value: unknown) => string];

// Other servers choose names and reasons: nothing of theirs may steer the terminal or turn the text around.
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
const NOTHING = '-';
const GAP = '  ';

export const plain = (value: unknown): string => {
  if (value === null || value === undefined || value === '') return NOTHING;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(UNSAFE, '\ufffd');
};

/** ms since the epoch, for a person. */
export const time = (value: unknown): string =>
  typeof value === 'number' && value > 0 ? new Date(value).toISOString() : NOTHING;

export function table(rows: readonly Answer[], columns: readonly Column[], whenEmpty: string): string {
  if (rows.length === 0) return `${whenEmpty}\n`;
  const lines = [
    columns.map(([heading]) => heading),
    ...rows.map((row) => columns.map(([, field, show = plain]) => show(row[field]))),
  ];
  const widths = columns.map((_column, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  return lines.map((line) => `${padded(line, widths)}\n`).join('');
}

/** One thing: a line per field. */
export function sheet(fields: readonly (readonly [name: string, value: unknown])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}${GAP}${plain(value)}\n`).join('');
}

export function json(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return `${text.replace(UNSAFE, (character) => (character === '\n' ? character : escaped(character)))}\n`;
}

/** The objects of a list in an answer. */
export function rowsOf(answer: Answer, field: string): Answer[] {
  const rows = answer[field];
  return Array.isArray(rows)
    ? rows.filter((row): row is Answer => typeof row === 'object' && row !== null && !Array.isArray(row))
    : [];
}

const padded = (line: readonly string[], widths: readonly number[]): string =>
  line
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join(GAP)
    .trimEnd();

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
