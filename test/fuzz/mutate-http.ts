import type { Random } from './random.js';

/** A request that can be written down byte by byte. */
export interface HttpRequest {
  method: string;
  uri: string;
  headers: [name: string, value: string][];
  body: Buffer | undefined;
}

const METHODS = [
  'GET',
  'PUT',
  'POST',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'HEAD',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'BREW',
  'get',
  'CONNECT',
  'PURGE',
  'M-SEARCH',
] as const;

export const oddMethod = (random: Random): string => random.pick(METHODS);

/** Changes path and query, within what is still a request line. */
export function mutateUri(uri: string, random: Random): string {
  const [path = '', query] = uri.split('?', 2);
  const segments = path.split('/');
  const at = random.below(segments.length);
  const withSegment = (segment: string): string =>
    [...segments.slice(0, at), segment, ...segments.slice(at + 1)].join('/') + (query === undefined ? '' : `?${query}`);
  const here = segments[at] ?? '';
  return random.weighted<() => string>([
    [3, () => withSegment(oddSegment(random))],
    [2, () => withSegment(percentEncoded(here, random))],
    [1, () => withSegment(decoded(here))],
    [1, () => withSegment(`${here}/..`)],
    [1, () => `${path}/`],
    [1, () => path.replaceAll('/', '//')],
    [1, () => withSegment(here.toUpperCase())],
    [1, () => [...segments, ...segments].join('/')],
    [1, () => segments.slice(0, Math.max(2, at)).join('/')],
    [3, () => mutateQuery(path, query, random)],
    [1, () => `http://acme.example${uri}`],
    [
      1,
      () =>
        random.pick([
          '*',
          '/',
          '//',
          '/%',
          '/%2e%2e/%2e%2e',
          '/_matrix',
          '/_causeway/v1/rooms',
          '/metrics',
          '?',
          '/?%',
        ]),
    ],
  ])();
}

function mutateQuery(path: string, query: string | undefined, random: Random): string {
  const parts = (query ?? 'v=$x&limit=1').split('&');
  const at = random.below(parts.length);
  const [name = ''] = (parts[at] ?? '').split('=');
  const values = [
    '',
    '0',
    '-1',
    '1e9',
    '999999999',
    '1000000000',
    '0x1',
    'NaN',
    '%00',
    '%ff',
    '%',
    '$',
    '!',
    'a'.repeat(5_000),
    '__proto__',
    '%F0%9F%92%A5',
    '1&limit=2',
    '+',
  ];
  return random.weighted<() => string>([
    [
      5,
      () =>
        `${path}?${[...parts.slice(0, at), `${name}=${random.pick(values) ?? ''}`, ...parts.slice(at + 1)].join('&')}`,
    ],
    [1, () => `${path}?${[...parts, ...parts].join('&')}`],
    [1, () => `${path}?${parts.filter((_part, index) => index !== at).join('&')}`],
    [1, () => `${path}?${Array.from({ length: random.pick([10, 1_500]) }, (_, n) => `k${String(n)}=v`).join('&')}`],
    [1, () => `${path}?${query ?? ''}?${query ?? ''}`],
    [1, () => `${path}?__proto__=1&constructor=2&${query ?? ''}`],
  ])();
}

function oddSegment(random: Random): string {
  return random.pick([
    '',
    '.',
    '..',
    '%2e%2e',
    '%2E%2E%2F',
    '%2f',
    '%5c',
    '\\',
    '%00',
    '%',
    '%zz',
    '%c0%af',
    '%ff',
    '%ud800',
    '%ED%A0%80',
    ':',
    ';',
    ';x=y',
    '__proto__',
    'constructor',
    '*',
    '@',
    '$',
    '!',
    '%24',
    '%21x%3Aacme.example',
    'x'.repeat(255),
    'x'.repeat(256),
    'x'.repeat(1_024),
    'x'.repeat(1_025),
    'x'.repeat(9_000),
    '%F0%9F%92%A5',
    'é',
    '#',
    '%23',
    '"',
    '<',
    '{',
    '|',
    '^',
    '`',
    '~',
    "'",
    '%27%20OR%201%3D1',
    '%0d%0aX:%20y',
    '%25',
    '%2525',
  ] as const);
}

const percentEncoded = (text: string, random: Random): string =>
  text.replaceAll(/[!-~]/g, (char) =>
    random.chance(0.5) ? `%${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char,
  );

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment).replaceAll(/[\s]/g, '+');
  } catch (error) {
    if (error instanceof URIError) return segment;
    throw error;
  }
}

/** Changes the Authorization header: its form, its fields, or how many there are. */
export function mutateAuthorization(header: string, other: string, random: Random): string[] {
  const field = random.pick(['origin', 'destination', 'key', 'sig'] as const);
  const replaced = (value: string): string => header.replace(new RegExp(`${field}="[^"]*"`), `${field}=${value}`);
  return random.weighted<() => string[]>([
    [4, () => [replaced(`"${random.pick(AUTH_VALUES)}"`)]],
    [2, () => [replaced(random.pick(['', '"', '"a', 'a"b', '"\\"', '"\\\\"', 'a b', ';', '"\t"', '""']))]],
    [2, () => [header, other]],
    [1, () => [header, header]],
    [1, () => Array.from({ length: random.pick([5, 6, 50]) }, () => header)],
    [1, () => [header.replaceAll('"', '')]],
    [1, () => [header.replaceAll(',', random.pick([', ', ' ,\t', ',,', ';', ' ']))]],
    [1, () => [header.replace('X-Matrix', random.pick(['x-matrix', 'X-MATRIX', 'Bearer', 'X-Matrix ', '', 'Basic']))]],
    [1, () => [`${header},${field}="x"`]],
    [1, () => [`${header},extra="${'x'.repeat(random.pick([10, 4_000, 5_000]))}"`]],
    [1, () => [header.replace(`${field}=`, `${field.toUpperCase()}=`)]],
    [1, () => [header.replace(/sig="(.)/, (_all, char: string) => `sig="${char === 'A' ? 'B' : 'A'}`)]],
    [1, () => [header.replace('sig="', 'signature="')]],
    [1, () => ['']],
    [1, () => []],
    [1, () => [header.slice(0, random.below(header.length))]],
    [1, () => [`X-Matrix ${'a=b,'.repeat(random.pick([100, 900]))}`]],
    [1, () => [`X-Matrix ${'\\"'.repeat(1_900)}`]],
  ])();
}

const AUTH_VALUES = [
  '',
  'acme.example',
  'evil.example',
  'second.example',
  'outsider.example',
  'EVIL.EXAMPLE',
  'evil.example:8448',
  '127.0.0.1',
  '[::1]',
  'localhost',
  'nobody.example',
  '__proto__',
  'ed25519:1',
  'ed25519:2',
  'ed25519:__proto__',
  'ed25519:',
  'rsa:1',
  'AAAA',
  '====',
  'é',
  'a'.repeat(300),
  '*',
  'evil.example\\',
] as const;

/** Adds, doubles, or bloats other headers. */
export function mutateHeaders(headers: [string, string][], random: Random): [string, string][] {
  return random.weighted<() => [string, string][]>([
    [2, () => headers.map(([name, value]) => [name, name === 'Content-Type' ? random.pick(CONTENT_TYPES) : value])],
    [1, () => headers.filter(([name]) => name !== 'Content-Type')],
    [2, () => [...headers, random.pick(EXTRA_HEADERS)]],
    [1, () => [...headers, ['X-Long', 'x'.repeat(random.pick([1_000, 15_000, 17_000, 70_000]))]]],
    [
      1,
      () => [
        ...headers,
        ...Array.from({ length: random.pick([100, 1_900, 2_100]) }, (_, n): [string, string] => [
          `X-${String(n)}`,
          'y',
        ]),
      ],
    ],
    [1, () => [...headers, ['Content-Type', random.pick(CONTENT_TYPES)]]],
    [1, () => headers.map(([name, value]) => [random.chance(0.5) ? name.toUpperCase() : name.toLowerCase(), value])],
    [
      1,
      () =>
        headers.map(([name, value]) => [
          name,
          name === 'Host'
            ? random.pick(['', 'evil.example', 'a b', '[::1', 'x'.repeat(2_000), 'localhost:99999'])
            : value,
        ]),
    ],
  ])();
}

const CONTENT_TYPES = [
  '',
  'text/plain',
  'application/json; charset=utf-16',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'x',
  '*/*',
  ';',
  'application/json,application/json',
  '/',
  'é',
] as const;
const EXTRA_HEADERS: [[string, string], ...[string, string][]] = [
  ['Content-Encoding', 'gzip'],
  ['Accept-Encoding', 'gzip, br;q=0, *'],
  ['Range', 'bytes=0-1'],
  ['If-None-Match', '*'],
  ['Upgrade', 'websocket'],
  ['Upgrade', 'h2c'],
  ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
  ['Connection', 'close, x'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X-Forwarded-For', '127.0.0.1'],
  ['Forwarded', 'for="[::1]"'],
  ['Cookie', 'a=b'],
  ['Origin', 'null'],
  ['Access-Control-Request-Method', 'PUT'],
  ['Trailer', 'X'],
  ['TE', 'trailers'],
  ['__proto__', 'x'],
  ['constructor', 'x'],
  ['Transfer-Encoding-X', 'chunked'],
  ['Max-Forwards', '0'],
];

/** One whole request, framed by its length. */
export function framed({ method, uri, headers, body }: HttpRequest): Buffer {
  const length: [string, string][] = body === undefined ? [] : [['Content-Length', String(body.length)]];
  return Buffer.concat([head(`${method} ${uri} HTTP/1.1`, [...headers, ...length]), body ?? Buffer.alloc(0)]);
}

function head(line: string, headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.from(`${line}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');
}

/** Bytes that are no request, or more than one, or one that never ends, or that two parsers frame differently. */
export function unframed({ method, uri, headers, body = Buffer.alloc(0) }: HttpRequest, random: Random): Buffer {
  const line = `${method} ${uri} HTTP/1.1`;
  const length: [string, string] = ['Content-Length', String(body.length)];
  const whole = framed({ method, uri, headers, body });
  const chunk = (text: Buffer | string, size = Buffer.byteLength(text).toString(16)): Buffer =>
    Buffer.concat([Buffer.from(`${size}\r\n`), Buffer.from(text), Buffer.from('\r\n')]);
  const chunked = head(line, [...headers, ['Transfer-Encoding', 'chunked']]);
  const end = Buffer.from('0\r\n\r\n');
  return random.weighted<() => Buffer>([
    [
      2,
      () =>
        head(
          random.pick([
            `${method} ${uri}`,
            `${method}  ${uri} HTTP/1.1`,
            `${method} ${uri} HTTP/2.0`,
            `${method} ${uri} HTTP/1.0`,
            ` ${line}`,
            `${line} x`,
            `${method}\t${uri}\tHTTP/1.1`,
            'PRI * HTTP/2.0',
          ]),
          headers,
        ),
    ],
    [2, () => whole.subarray(0, random.below(whole.length))],
    [2, () => Buffer.concat([chunked, chunk(body), end])],
    [1, () => Buffer.concat([chunked, ...[...body.subarray(0, 400)].map((byte) => chunk(Buffer.from([byte]))), end])],
    [
      1,
      () =>
        Buffer.concat([
          chunked,
          chunk(body, random.pick(['ffffffffffffffff', '-1', '0x10', '', 'zz', '8;ext="x"', ''.padEnd(20_000, '0')])),
          end,
        ]),
    ],
    [1, () => Buffer.concat([head(line, [...headers, length, ['Transfer-Encoding', 'chunked']]), chunk(body), end])],
    [1, () => Buffer.concat([head(line, [...headers, length, ['Content-Length', '0']]), body])],
    [
      1,
      () =>
        Buffer.concat([
          head(line, [
            ...headers,
            ['Content-Length', random.pick(['-1', '1e3', '99999999999999999999', ' 5 ', '5,5', '+5', '0x5', ''])],
          ]),
          body,
        ]),
    ],
    [
      1,
      () =>
        head(line, [...headers, ['Content-Length', String(random.pick([8 * 1_024 * 1_024 + 1, 2 ** 31, 2 ** 40]))]]),
    ],
    [1, () => Buffer.concat([whole, whole])],
    [1, () => Buffer.concat([head(line, [...headers, ['Expect', random.pick(['100-continue', 'x'])], length]), body])],
    [
      1,
      () =>
        Buffer.concat([
          head(line, [...headers, ['Transfer-Encoding', random.pick(['gzip', 'chunked, identity', 'x', 'CHUNKED'])]]),
          chunk(body),
          end,
        ]),
    ],
    [1, () => Buffer.from(`${line}\n${headers.map(([name, value]) => `${name}:${value}\n`).join('')}\n`, 'latin1')],
    [1, () => head(line, [...headers, ['X-Folded', 'a\r\n b']])],
    [1, () => head(line, [...headers, ['Bad Name', 'x'], ['', 'y'], ['X-Nul', 'a\u0000b']])],
    [1, () => Buffer.concat([head(line, []), body])],
    [1, () => Buffer.from('16030100f1010000ed0303', 'hex')],
    [1, () => random.bytes(random.between(1, 600))],
    [1, () => Buffer.from(`${line}\r\n${'X: y\r\n'.repeat(5_000)}`)],
  ])();
}
