import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type JsonValue,
  canonicalJson,
  canonicalJsonLoose,
  decodeBase64,
  encodeBase64,
  encodeBase64Url,
  parseJson,
} from '../../src/protocol/index.js';
import { type Cases, sharedPath, sharedText, vectors } from './vectors.js';

/** The canonical form of an event's text, or undefined when it must be refused. */
function canonicalise(text: string): string | undefined {
  const parsed = parseJson(Buffer.from(text));
  if (!parsed.ok) return undefined;
  const { value, defects } = parsed.value;
  return defects.defectIn(value) === undefined ? canonicalJson(value) : undefined;
}

describe('canonical JSON vectors', () => {
  const { cases } =
    vectors<Cases<{ input: string; canonical: string | null; profile: 'same' | 'refuse' | 'either' }>>(
      'canonical-json.json',
    );
  // proves LM-04/canonical-json/1; profile/events/7, 8
  it.each(cases)('$id', ({ input, canonical, profile }) => {
    // A defect is known of objects and arrays, as events are; a bare value is wrapped.
    const whole = /^\s*[[{]/.test(input) ? input : `[${input}]`;
    const got = canonicalise(whole);
    if (profile === 'same') expect(got).toBe(whole === input ? canonical : `[${String(canonical)}]`);
    else if (profile === 'refuse') expect(got).toBeUndefined();
    // Refused or canonical: our parser sees the text, and refuses.
    else expect([profile, got]).toEqual(['either', undefined]);
  });
});

describe('RFC 8785 test data', () => {
  const names = readdirSync(sharedPath('vectors/jcs/input')).map((file) => file.replace('.json', ''));
  // proves LM-04/canonical-json/1; profile/events/8
  it.each(names)('%s is the same to the byte', (name) => {
    const parsed = parseJson(Buffer.from(sharedText(`vectors/jcs/input/${name}.json`)));
    const hex = Buffer.from(canonicalJsonLoose(parsed.ok ? parsed.value.value : null)).toString('hex');
    expect(hex).toBe(sharedText(`vectors/jcs/outhex/${name}.txt`).replace(/\s/g, ''));
  });

  it.each(names)('%s is the same as text', (name) => {
    const parsed = parseJson(Buffer.from(sharedText(`vectors/jcs/input/${name}.json`)));
    const text = canonicalJsonLoose(parsed.ok ? parsed.value.value : null);
    expect(text).toBe(sharedText(`vectors/jcs/output/${name}.json`).replace(/\n$/, ''));
  });

  it('numbers are written as ECMAScript writes them', () => {
    const lines = sharedText('vectors/jcs/es6testfile-1000.txt').trim().split('\n');
    expect(lines).toHaveLength(1000);
    for (const line of lines) {
      const [hex = '', expected] = line.split(',');
      const value: JsonValue = Buffer.from(hex.padStart(16, '0'), 'hex').readDoubleBE();
      expect(canonicalJsonLoose(value)).toBe(expected);
    }
  });
});

describe('base64 vectors', () => {
  interface Base64Case {
    hex: string | null;
    standard: string | null;
    urlsafe: string | null;
    also_decodes: string[];
    rejects: string[];
  }
  // proves LM-04/unpadded-base64/1
  it.each(vectors<Cases<Base64Case>>('base64.json').cases)(
    '$id',
    ({ hex, standard, urlsafe, also_decodes, rejects }) => {
      const bytes = Buffer.from(hex ?? '', 'hex');
      if (standard !== null) expect(encodeBase64(bytes)).toBe(standard);
      if (urlsafe !== null) expect(encodeBase64Url(bytes)).toBe(urlsafe);
      for (const text of [standard, urlsafe, ...also_decodes]) {
        if (text !== null) expect(Buffer.from(decodeBase64(text) ?? []).toString('hex'), text).toBe(hex);
      }
      for (const text of rejects) expect(decodeBase64(text), text).toBeUndefined();
    },
  );
});
