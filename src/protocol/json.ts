import { type Result, err, ok } from './result.js';

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** A member that is `undefined` is one that was never there; canonical forms refuse it. */
export interface JsonObject {
  [key: string]: JsonValue | undefined;
}

export interface JsonFault {
  kind: 'not_json';
  reason: string;
}

export interface ParsedJson {
  value: JsonValue;
  defects: JsonDefects;
}

export const MAX_JSON_DEPTH = 100;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What the text held that canonical forms disagree about (profile §2): floats, -0, integers outside ±(2^53−1), lone
 * surrogates, duplicate keys. Kept per object, so that each event of a transaction is judged alone.
 */
export class JsonDefects {
  private readonly reasons = new WeakMap<object, string>();

  /** The first duplicate key or lone surrogate outside the elements of a top-level `pdus`: two parsers read such a body differently. */
  fatal: string | undefined;

  /** The first defect anywhere inside an object or array. */
  defectIn(value: JsonValue): string | undefined {
    // Stryker disable next-line all: a WeakMap knows no primitives, but the compiler wants it said
    return typeof value === 'object' && value !== null ? this.reasons.get(value) : undefined;
  }

  mark(container: object, reason: string): void {
    this.reasons.set(container, reason);
  }
}

/** RFC 8259 from bytes: strict UTF-8, nested at most MAX_JSON_DEPTH deep. */
export function parseJson(bytes: Uint8Array): Result<ParsedJson, JsonFault> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return err({ kind: 'not_json', reason: 'not UTF-8' });
  }
  try {
    const scanner = new Scanner(text);
    return ok({ value: scanner.document(), defects: scanner.defects });
  } catch (error) {
    if (error instanceof NotJson) return err({ kind: 'not_json', reason: error.message });
    throw error;
  }
}

class NotJson extends Error {}

const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// A run without quote, backslash or control character.
// eslint-disable-next-line no-control-regex -- RFC 8259 §7 forbids them unescaped
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};
const HEX = /^[0-9a-fA-F]{4}$/;

class Scanner {
  readonly defects = new JsonDefects();
  private at = 0;
  /** What was wrong inside of the value that was read last. */
  private defect: string | undefined;
  /** Whether we are inside an element of the top-level `pdus`. */
  private insidePdu = false;

  constructor(private readonly text: string) {}

  document(): JsonValue {
    const value = this.value(0);
    this.space();
    if (this.at !== this.text.length) throw this.unexpected();
    return value;
  }

  private value(depth: number): JsonValue {
    if (depth > MAX_JSON_DEPTH) throw new NotJson(`nested deeper than ${String(MAX_JSON_DEPTH)}`);
    this.space();
    this.defect = undefined;
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth);
      case '[':
        return this.array(depth);
      case '"':
        return this.string();
      case 't':
        return this.literal('true', true);
      case 'f':
        return this.literal('false', false);
      case 'n':
        return this.literal('null', null);
      default:
        return this.number();
    }
  }

  private object(depth: number): JsonObject {
    const out: JsonObject = {};
    let first: string | undefined;
    this.at++;
    this.space();
    if (this.take('}')) return out;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.unexpected();
      this.defect = undefined;
      const key = this.string();
      first ??= this.defect;
      this.space();
      if (!this.take(':')) throw this.unexpected();
      const pdus = depth === 0 && key === 'pdus';
      const value = pdus ? this.pdus() : this.value(depth + 1);
      first ??= this.defect;
      if (Object.hasOwn(out, key)) {
        first ??= 'duplicate key';
        this.ambiguous('duplicate key');
      }
      if (key === '__proto__') {
        Object.defineProperty(out, key, { value, enumerable: true, configurable: true, writable: true });
      } else {
        out[key] = value;
      }
      this.space();
    } while (this.take(','));
    if (!this.take('}')) throw this.unexpected();
    this.close(out, first);
    return out;
  }

  private array(depth: number, each: () => JsonValue = () => this.value(depth + 1)): JsonValue[] {
    const out: JsonValue[] = [];
    let first: string | undefined;
    this.at++;
    this.space();
    if (this.take(']')) return out;
    do {
      out.push(each());
      first ??= this.defect;
      this.space();
    } while (this.take(','));
    if (!this.take(']')) throw this.unexpected();
    this.close(out, first);
    return out;
  }

  private pdus(): JsonValue {
    this.space();
    this.defect = undefined;
    if (this.text[this.at] !== '[') return this.value(1);
    return this.array(1, () => {
      this.insidePdu = true;
      const value = this.value(2);
      this.insidePdu = false;
      return value;
    });
  }

  private close(container: object, first: string | undefined): void {
    if (first !== undefined) this.defects.mark(container, first);
    this.defect = first;
  }

  private string(): string {
    this.at++;
    let out = '';
    for (;;) {
      out += this.run(PLAIN);
      const char = this.text[this.at];
      if (char === '"') break;
      if (char !== '\\') throw this.unexpected();
      out += this.escape();
    }
    this.at++;
    if (!out.isWellFormed()) {
      this.defect = 'lone surrogate';
      this.ambiguous('lone surrogate');
    }
    return out;
  }

  private escape(): string {
    const letter = this.text[this.at + 1] ?? '';
    if (letter === 'u') {
      const hex = this.text.slice(this.at + 2, this.at + 6);
      if (!HEX.test(hex)) throw this.unexpected();
      this.at += 6;
      return String.fromCharCode(parseInt(hex, 16));
    }
    const char = ESCAPES[letter];
    if (char === undefined) throw this.unexpected();
    this.at += 2;
    return char;
  }

  private number(): number {
    const token = this.run(NUMBER);
    if (token === '') throw this.unexpected();
    const value = Number(token);
    if (!INTEGER.test(token)) this.defect = 'float';
    else if (!Number.isSafeInteger(value)) this.defect = 'integer outside ±(2^53−1)';
    else if (Object.is(value, -0)) this.defect = 'negative zero';
    return value;
  }

  private literal<T extends JsonValue>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected();
    this.at += word.length;
    return value;
  }

  private ambiguous(reason: string): void {
    if (!this.insidePdu) this.defects.fatal ??= reason;
  }

  private space(): void {
    const code = this.text.charCodeAt(this.at);
    // Stryker disable next-line all: only spares the regular expression a run
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) this.run(SPACE);
  }

  private run(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text)?.[0] ?? '';
    this.at += match.length;
    return match;
  }

  private take(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  private unexpected(): NotJson {
    return new NotJson(this.at >= this.text.length ? 'ends too early' : `unexpected character at ${String(this.at)}`);
  }
}
