import type { JsonValue } from '../../src/protocol/index.js';
import type { Attacker } from './attacker.js';
import { type Names, mutateEvent, seal } from './mutate-event.js';
import { eventsIn, mutateBytes, mutateValue, oddSpelling, oddText, oddValue, plainText } from './mutate-json.js';
import type { Random } from './random.js';

/** Bytes for a connection, and whether it is closed after them or in the middle of them. */
export interface RawAnswer {
  bytes: Buffer;
  what: string;
}

const STATUSES = [
  200, 201, 204, 205, 206, 301, 302, 307, 304, 400, 401, 403, 404, 405, 413, 418, 429, 500, 501, 502, 503, 504, 599,
  999,
] as const;

/** What a hostile server says where `json` with status 200 would be right. */
export function mutateAnswer(json: JsonValue, server: Attacker, names: Names, random: Random): RawAnswer {
  return random.weighted<() => RawAnswer>([
    [34, () => withOddEvent(json, server, names, random)],
    [22, () => answer('value', plainText(mutateValue(json, random)))],
    [10, () => answer('spelling', oddSpelling(json, random))],
    [8, () => answer('bytes', mutateBytes(Buffer.from(plainText(json)), random))],
    [4, () => answer('made longer', plainText(longer(json, random)))],
    [10, () => refusal(random)],
    [12, () => misframed(Buffer.from(plainText(json)), random)],
  ])();
}

/** As `mutateAnswer` would be, but right. */
export const rightAnswer = (status: number, body: string): RawAnswer => answer('right', body, status);

function answer(what: string, body: Buffer | string, status = 200, headers: [string, string][] = []): RawAnswer {
  const payload = Buffer.from(body);
  const all: [string, string][] = [
    ['Content-Type', 'application/json'],
    ['Connection', 'close'],
    ...headers,
    ['Content-Length', String(payload.length)],
  ];
  return { what, bytes: Buffer.concat([head(`HTTP/1.1 ${String(status)} x`, all), payload]) };
}

const head = (line: string, headers: readonly (readonly [string, string])[]): Buffer =>
  Buffer.from(`${line}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');

/** One event of it says something else, and is hashed and signed again as far as this server can. */
function withOddEvent(json: JsonValue, server: Attacker, names: Names, random: Random): RawAnswer {
  const copy = structuredClone(json);
  const event = random.pick(eventsIn(copy));
  if (event === undefined) return answer('value', plainText(mutateValue(json, random)));
  const mutated = mutateEvent(event, names, random);
  const sealed = seal(mutated.event, server, names, random, { auth_events: [], prev_events: [] });
  for (const key of Object.keys(event)) Reflect.deleteProperty(event, key);
  for (const [key, value] of Object.entries(sealed.event)) {
    Object.defineProperty(event, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return answer(`event: ${mutated.what}, ${sealed.what}`, plainText(copy));
}

/** Its lists go on and on. */
function longer(json: JsonValue, random: Random): JsonValue {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const grown = (value: JsonValue | undefined): JsonValue | undefined =>
    Array.isArray(value) && value.length > 0
      ? Array.from({ length: random.pick([200, 3_000]) }, (_, n) => value[n % value.length] ?? null)
      : value;
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, grown(value)]));
}

function refusal(random: Random): RawAnswer {
  const status = random.pick(STATUSES);
  const body = random.weighted<() => JsonValue>([
    [3, () => ({ errcode: 'M_FORBIDDEN', error: 'no' })],
    [
      3,
      () => ({
        errcode: random.pick<JsonValue>(['M_LIMIT_EXCEEDED', oddText(random), oddValue(random)]),
        error: oddValue(random),
        retry_after_ms: oddValue(random),
      }),
    ],
    [1, () => oddValue(random)],
  ])();
  const headers = random.weighted<[string, string][]>([
    [4, []],
    [
      2,
      [['Retry-After', random.pick(['0', '-1', '1e9', 'x', 'Wed, 21 Oct 2015 07:28:00 GMT', '99999999999999999999'])]],
    ],
    [
      2,
      [
        [
          'Location',
          random.pick(['/', 'http://127.0.0.1:1/', 'https://acme.example/', '//', 'x:y', '', 'file:///etc/passwd']),
        ],
      ],
    ],
    [
      1,
      [
        ['Set-Cookie', 'a=b'],
        ['Connection', 'close'],
      ],
    ],
  ]);
  return answer(`status ${String(status)}`, plainText(body), status, headers);
}

function misframed(body: Buffer, random: Random): RawAnswer {
  const type: [string, string] = ['Content-Type', 'application/json'];
  const length = (value: number | string): [string, string] => ['Content-Length', String(value)];
  const ok = 'HTTP/1.1 200 OK';
  const chunked: [string, string] = ['Transfer-Encoding', 'chunked'];
  const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]);
  const [what, bytes] = random.weighted<[string, () => Buffer]>([
    [2, ['nothing', () => Buffer.alloc(0)]],
    [2, ['too short', () => Buffer.concat([head(ok, [type, length(body.length + 10)]), body])]],
    [
      2,
      [
        'cut off',
        () => Buffer.concat([head(ok, [type, length(body.length)]), body.subarray(0, random.below(body.length))]),
      ],
    ],
    [
      2,
      [
        'more than it says',
        () => Buffer.concat([head(ok, [type, length(body.length)]), body, Buffer.from('HTTP/1.1 200 OK\r\n\r\n')]),
      ],
    ],
    [1, ['two lengths', () => Buffer.concat([head(ok, [type, length(body.length), length(1)]), body])]],
    [1, ['length and chunks', () => Buffer.concat([head(ok, [type, length(body.length), chunked]), chunk])]],
    [1, ['no last chunk', () => Buffer.concat([head(ok, [type, chunked]), chunk])]],
    [1, ['a wrong chunk', () => Buffer.concat([head(ok, [type, chunked]), Buffer.from('zz\r\n'), body])]],
    [1, ['chunks', () => Buffer.concat([head(ok, [type, chunked]), chunk, Buffer.from('0\r\n\r\n')])]],
    [1, ['until the end', () => Buffer.concat([head(ok, [type]), body])]],
    [
      1,
      [
        'another encoding',
        () =>
          Buffer.concat([
            head(ok, [type, ['Content-Encoding', random.pick(['gzip', 'br', 'x'])], length(body.length)]),
            body,
          ]),
      ],
    ],
    [
      1,
      [
        'many headers',
        () =>
          Buffer.concat([
            head(ok, [
              ...Array.from({ length: 3_000 }, (_, n): [string, string] => [`X-${String(n)}`, 'y']),
              length(body.length),
            ]),
            body,
          ]),
      ],
    ],
    [1, ['a long header', () => Buffer.concat([head(ok, [['X', 'y'.repeat(40_000)], length(body.length)]), body])]],
    [
      1,
      [
        'interim answers',
        () =>
          Buffer.concat([
            Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(random.pick([1, 2_000]))),
            head(ok, [type, length(body.length)]),
            body,
          ]),
      ],
    ],
    [
      1,
      [
        'switching',
        () =>
          head('HTTP/1.1 101 Switching Protocols', [
            ['Upgrade', 'x'],
            ['Connection', 'upgrade'],
          ]),
      ],
    ],
    [1, ['no status line', () => random.bytes(200)]],
    [1, ['another version', () => Buffer.concat([head('HTTP/9.9 200', [length(body.length)]), body])]],
    [1, ['headers that never end', () => Buffer.from(`${ok}\r\n${'A: b\r\n'.repeat(10_000)}`)]],
  ]);
  return { what: `framing: ${what}`, bytes: bytes() };
}
