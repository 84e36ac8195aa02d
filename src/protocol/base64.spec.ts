import { describe, expect, it } from 'vitest';
import { decodeBase64, encodeBase64, encodeBase64Url } from './base64.js';

const hex = (text: string): string | undefined => {
  const bytes = decodeBase64(text);
  return bytes && Buffer.from(bytes).toString('hex');
};

describe('base64', () => {
  it('is written without padding, in either alphabet', () => {
    expect(encodeBase64(Buffer.from('fbff', 'hex'))).toBe('+/8');
    expect(encodeBase64Url(Buffer.from('fbff', 'hex'))).toBe('-_8');
  });

  // proves LM-04/unpadded-base64/1
  it.each(['+/8', '+/8=', '-_8', '-_8='])('is read with and without padding, in either alphabet: %s', (text) => {
    expect(hex(text)).toBe('fbff');
  });

  it.each(['Zg', 'Zg=='])('is read with two characters of padding: %s', (text) => {
    expect(hex(text)).toBe('66');
  });

  it.each([
    ['holds a character of neither alphabet', 'Zm9v!Zm9'],
    ['begins with one', ' Zm9v'],
    ['ends with one', 'Zm9v\n'],
    ['begins with one of the URL-safe alphabet’s neighbours', '*-_8'],
    ['mixes the alphabets', '+_8A'],
    ['has padding that does not fill up', 'Zg='],
    ['has padding where none is due', 'Zm9v='],
    ['is nothing but padding', '=='],
    ['has padding in its middle', 'Zg==Zg=='],
    ['has three characters of padding', 'Z==='],
    ['has a length that no bytes have', 'Zm9vY'],
  ])('that %s is none', (_what, text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });

  it('of nothing is no bytes', () => {
    expect(hex('')).toBe('');
  });
});
