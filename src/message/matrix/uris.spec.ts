import { describe, expect, it } from 'vitest';
import type { UserId } from '../../protocol/index.js';
import { isEventLink, matrixTarget, parseMxcUri, roomUri, userUri } from './uris.js';

describe('a link to something in Matrix', () => {
  it.each(['@ada:globex.example', '@a=b/c+d._-:globex.example:8448'])('leads to the person %s', (userId) => {
    expect(matrixTarget(userUri(userId as UserId))).toEqual({ kind: 'user', userId });
  });

  it.each(['!room:globex.example', '#general:globex.example', '#ä/b?c#d&e%41:globex.example'])(
    'leads to the room %s',
    (room) => {
      expect(matrixTarget(roomUri(room))).toEqual({ kind: 'room', room });
    },
  );

  // The examples of the specification (appendices, URIs).
  it.each<[string, unknown]>([
    ['matrix:r/somewhere:example.org', { kind: 'room', room: '#somewhere:example.org' }],
    ['matrix:roomid/somewhere:example.org?via=elsewhere.ca', { kind: 'room', room: '!somewhere:example.org' }],
    ['matrix:roomid/somewhere:example.org/e/event?via=elsewhere.ca', { kind: 'other' }],
    ['matrix:u/alice:example.org?action=chat', { kind: 'user', userId: '@alice:example.org' }],
    ['https://matrix.to/#/%23somewhere:example.org', { kind: 'room', room: '#somewhere:example.org' }],
    ['https://matrix.to/#/!somewhere:example.org?via=elsewhere.ca', { kind: 'room', room: '!somewhere:example.org' }],
    ['https://matrix.to/#/!somewhere:example.org/$event:example.org?via=elsewhere.ca', { kind: 'other' }],
    ['https://matrix.to/#/@alice:example.org', { kind: 'user', userId: '@alice:example.org' }],
    ['https://matrix.to/#/%40alice%3Aexample.org', { kind: 'user', userId: '@alice:example.org' }],
    ['https://matrix.to/#/+group:example.org', { kind: 'other' }],
    ['https://matrix.to/#/%E0%A4%A', { kind: 'other' }],
    ['https://matrix.to/#/@alice:example.org/', { kind: 'user', userId: '@alice:example.org' }],
    ['matrix:constructor/alice:example.org', { kind: 'other' }],
    ['https://matrix.to.evil.example/#/@alice:example.org', undefined],
    ['http://matrix.to/#/@alice:example.org', undefined],
    ['https://globex.example/', undefined],
  ])('%s', (url, target) => {
    expect(matrixTarget(url)).toEqual(target);
  });

  it('may lead to a message', () => {
    expect(isEventLink('https://matrix.to/#/!somewhere:example.org/$event?via=elsewhere.ca')).toBe(true);
    expect(isEventLink('https://matrix.to/#/!somewhere:example.org/event')).toBe(false);
  });
});

describe('a content URI', () => {
  it.each([
    ['mxc://globex.example/AbC_1-2', true],
    ['mxc://globex.example:8448/a', true],
    ['mxc://globex.example/', false],
    ['mxc://globex.example/a/b', false],
    ['mxc://globex.example/..', false],
    ['mxc:///a', false],
    ['mxc://127.0.0.1/a', false],
    ['https://globex.example/a', false],
    [`mxc://globex.example/${'a'.repeat(300)}`, false],
    [7, false],
  ])('%s: %s', (uri, valid) => {
    expect(parseMxcUri(uri)).toBe(valid ? uri : undefined);
  });
});
