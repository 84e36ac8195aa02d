import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayName, fileName } from './names.js';

describe('the name of a person', () => {
  it.each([
    ['Ada Lovelace', 'Ada Lovelace'],
    ['  Ada \n\t Lovelace ', 'Ada Lovelace'],
    ['@ada', 'ada'],
    ['##1 fan', '1 fan'],
    ['Ada · acme.example', 'Ada acme.example'],
    ['Ada • acme.example', 'Ada acme.example'],
    ['Ada · · acme.example', 'Ada acme.example'],
    ['Ada (acme.example)', 'Ada acme.example'],
    ['Ada （@ada:acme.example）', 'Ada @ada:acme.example'],
    ['Ada ((acme.example))', 'Ada acme.example'],
    ['Ada (they/them)', 'Ada (they/them)'],
    ['Paral·lel', 'Paral·lel'],
    ['\u202eadA', 'adA'],
    ['A\u200bda\u2060', 'Ada'],
    ['A\u200dda', 'Ada'],
    ['میخواهم', 'میخواهم'],
    ['می\u200cخواهم', 'می\u200cخواهم'],
    ['👩‍🔬 Ada', '👩‍🔬 Ada'],
    ['Ada\u0000\u001b[31m', 'Ada[31m'],
    ['A\u0301\u0301\u0301\u0301\u0301\u0301da', 'Á\u0301\u0301\u0301da'],
    ['Ada\u{e0041}\u{e0042}', 'Ada'],
  ])('%j is shown as %j', (name, shown) => {
    expect(displayName(name)).toBe(shown);
  });

  it.each([undefined, 7, '', ' ', '@', '\u202e', '\ud800'.repeat(0)])('%j is none', (name) => {
    expect(displayName(name)).toBeUndefined();
  });

  it('is short, clean and itself when it is cleaned again, whatever it was', () => {
    const unit = fc.oneof(
      fc.constantFrom(
        ...'@#·•|()[].:/ab '.split(''),
        ' · ',
        ' (a.b)',
        '\u200d',
        '\u202e',
        '\n',
        '👩',
        '\u0301',
        '\u00a0',
        '‐',
      ),
      fc.string({ unit: 'binary', maxLength: 1 }),
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 400 }), (name) => {
        const shown = displayName(name);
        if (shown === undefined) return;
        expect(displayName(shown)).toBe(shown);
        expect([...new Intl.Segmenter('en').segment(shown)].length).toBeLessThanOrEqual(80);
        expect(shown).not.toMatch(/[\p{Cc}\u202a-\u202e]| · |^[@#]/u);
        expect(shown.isWellFormed()).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  it('takes no time for a megabyte of anything', () => {
    for (const unit of ['(', '(a.b', ' · ', '\u0301', '\u200d', '@', 'a ']) displayName(unit.repeat(1_000_000));
  });
});

describe('the name of a file', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', '.._.._etc_passwd'],
    ['C:\\autoexec.bat', 'C:_autoexec.bat'],
    ['invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['a\nb', 'a b'],
    ['..', undefined],
    ['', undefined],
    [7, undefined],
  ])('%j is shown as %j', (name, shown) => {
    expect(fileName(name)).toBe(shown);
  });
});
