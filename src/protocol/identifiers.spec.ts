import { describe, expect, it } from 'vitest';
import {
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
  localpartOf,
  parseDeviceId,
  parseEventId,
  parseKeyId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  serverOfAlias,
  serverOfRoom,
  serverOfUser,
  splitServerName,
} from './identifiers.js';

const label = (length: number): string => 'a'.repeat(length);
/** A host name of exactly this length, with labels of at most 63. */
const hostname = (length: number): string => {
  const labels: string[] = [];
  for (let left = length; left > 0; left -= 64) labels.push(label(Math.min(63, left)));
  return labels.join('.');
};

describe('a server name', () => {
  it.each([
    'example.org',
    'EXAMPLE.org',
    'localhost',
    'localhost:3000',
    'a-b.c--d.example',
    'xn--bcher-kva.example',
    '1234.example.com',
    '1.2.3.example',
    '0xg.example',
    'example.0xyz',
    'example.org:0',
    'example.org:65535',
    label(63),
    hostname(255),
    `${hostname(255)}:12345`,
  ])('may be %s', (name) => {
    expect(parseServerName(name)).toBe(name);
  });

  // proves LM-04/server-names/1, 3
  it.each([
    ['is empty', ''],
    ['is no text', 5],
    ['is missing', undefined],
    ['has an empty label', 'a..example'],
    ['begins with a dot', '.example'],
    ['ends with a dot', 'example.org.'],
    ['begins a label with a hyphen', '-a.example'],
    ['ends a label with a hyphen', 'a-.example'],
    ['has an underscore', 'a_b.example'],
    ['has a space', 'a b.example'],
    ['ends with a line break', 'example.org\n'],
    ['is of another script', 'bücher.example'],
    ['has a label of 64', label(64)],
    ['is longer than 255', [62, 63, 63, 63, 1].map(label).join('.')],
    ['is longer than 255, with a port', `${hostname(257)}:1`],
    ['has an empty port', 'example.org:'],
    ['has a port that is no number', 'example.org:x'],
    ['has a port of six digits', 'example.org:000080'],
    ['has a port above 65535', 'example.org:65536'],
    ['has a port alone', ':8448'],
    ['has two ports', 'example.org:1:2'],
    ['has a path', 'example.org/x'],
    ['has a user', 'u@example.org'],
    ['is an IPv4 address', '1.2.3.4'],
    ['is an IPv4 address with a port', '1.2.3.4:8448'],
    ['is a short form of an IPv4 address', '127.1'],
    ['is a hexadecimal form of an IPv4 address', '0x7f.0.0.0x1'],
    ['is an IPv4 address in one hexadecimal number', '0x7F000001'],
    ['is an IPv4 address with a hexadecimal end', '127.0.0.0x'],
    ['ends in a number', 'example.1'],
    ['ends in a longer number', '1.2.3.255'],
    ['is an IPv6 address', '::1'],
    ['is an IPv6 address in brackets', '[::1]:8448'],
  ])('is none when it %s', (_what, name) => {
    expect(parseServerName(name)).toBeUndefined();
  });

  it('is a host name and a port', () => {
    expect(splitServerName('a.example:0443' as ServerName)).toEqual({ hostname: 'a.example', port: 443 });
    expect(splitServerName('a.example' as ServerName)).toEqual({ hostname: 'a.example', port: undefined });
  });
});

describe('ids of a server', () => {
  const parsers = { '@': parseUserId, '!': parseRoomId, '#': parseRoomAlias };

  it.each(Object.entries(parsers))('%s: have a localpart, a colon and a server name', (sigil, parse) => {
    const good = `${sigil}a:b.example:80`;
    expect(parse(good)).toBe(good);
    for (const bad of ['', sigil, 'a:b.example', `${sigil}a`, `${sigil}:b.example`, `${sigil}a:`, `${sigil}a:b_c`, 5]) {
      expect(parse(bad)).toBeUndefined();
    }
    for (const other of Object.keys(parsers).filter((each) => each !== sigil)) {
      expect(parse(`${other}a:b.example`)).toBeUndefined();
    }
  });

  // proves LM-04/room-id/1; LM-04/user-id/1
  it.each(Object.entries(parsers))('%s: have at most 255 bytes', (sigil, parse) => {
    const id = (length: number): string => `${sigil}${'a'.repeat(length - 3)}:b`;
    expect(parse(id(255))).toBe(id(255));
    expect(parse(id(256))).toBeUndefined();
  });

  // proves LM-04/user-id/3
  it('may hold of letters what the draft lists', () => {
    expect(parseUserId('@az09-.=_/+:b')).toBe('@az09-.=_/+:b');
    expect(parseRoomId('!azAZ09-.~_:b')).toBe('!azAZ09-.~_:b');
    expect(parseRoomAlias('#Büro/1 '.trim() + ':b')).toBe('#Büro/1:b');
    for (const bad of ['@Ada:b', '@a b:b', '@ä:b', '@a~:b', '@ a:b', '@a :b']) expect(parseUserId(bad)).toBeUndefined();
    for (const bad of ['!a b:b', '!a/b:b', '!ä:b', '! a:b', '!a :b']) expect(parseRoomId(bad)).toBeUndefined();
    for (const bad of ['#a b:b', '#a\u0000:b', '#a\u007f:b', '# a:b', '#a :b']) {
      expect(parseRoomAlias(bad)).toBeUndefined();
    }
  });

  it('are counted in bytes where they may hold more than ASCII', () => {
    const alias = (letters: number): string => `#${'ü'.repeat(letters)}:b`;
    expect(parseRoomAlias(alias(126))).toBe(alias(126));
    expect(parseRoomAlias(alias(127))).toBeUndefined();
  });

  it('tell their server and their localpart', () => {
    expect(serverOfUser('@ada:acme.example:80' as UserId)).toBe('acme.example:80');
    expect(serverOfRoom('!room:acme.example' as RoomId)).toBe('acme.example');
    expect(serverOfAlias('#room:acme.example' as RoomAlias)).toBe('acme.example');
    expect(localpartOf('@ada:acme.example:80' as UserId)).toBe('ada');
  });
});

// proves LM-04/signing/2
describe('ids of events, keys and devices', () => {
  // proves LM-04/pdu/12; LM-04/signing/1, 2
  it.each([
    [
      'an event id',
      parseEventId,
      '$',
      '$azAZ09-_',
      ['azAZ09', '$', '$a b', '$a=', '$a+', '$a:b', ' $a', '$a ', 5, ['$a']],
    ],
    [
      'a key id',
      parseKeyId,
      'ed25519:',
      'ed25519:azAZ09_',
      ['ed25519:', 'ed25519:a-b', 'curve25519:a', 'ed25519', ' ed25519:a', 'ed25519:a ', 5, ['ed25519:a']],
    ],
    ['a device id', parseDeviceId, '', 'azAZ09_', ['', 'a-b', 'a b', ' a', 'a ', 5, ['a']]],
  ] as const)('%s has its letters and at most 255 of them', (_what, parse, prefix, good, bad) => {
    expect(parse(good)).toBe(good);
    for (const each of bad) expect(parse(each)).toBeUndefined();
    expect(parse(prefix.padEnd(255, 'a'))).toBe(prefix.padEnd(255, 'a'));
    expect(parse(prefix.padEnd(256, 'a'))).toBeUndefined();
  });
});
