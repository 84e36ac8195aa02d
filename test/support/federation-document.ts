import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

interface Parameter {
  name: string;
  in: 'path' | 'query';
  required?: boolean;
  schema: { type?: string };
}
interface Operation {
  'x-endpoint': string;
  'x-rate-limited'?: boolean;
  parameters?: unknown[];
  requestBody?: unknown;
  responses: Record<string, unknown>;
  security?: unknown[];
}
interface Document {
  paths: Record<string, Record<string, unknown>>;
}

export interface Exchange {
  method: string;
  /** Path and query as sent. */
  path: string;
  request: unknown;
  status: number;
  response: unknown;
}

const FILE = new URL('../../docs/federation.openapi.yaml', import.meta.url);
const ID = 'federation';

/** docs/federation.openapi.yaml, to hold something against it. */
export class FederationDocument {
  private readonly document = parse(readFileSync(FILE, 'utf8')) as Document;
  private readonly ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false });
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor() {
    this.ajv.addVocabulary(Object.keys(this.document)); // the document itself is no schema, what it holds is
    this.ajv.addSchema(this.document, ID);
  }

  /** `METHOD path endpoint`, then `public` (needs no authentication) or `limited` (in rate); paths as the server writes them. */
  routes(): string[] {
    return Object.keys(this.document.paths).flatMap((path) =>
      this.operationsAt(path).map(([method, operation]) =>
        [
          method,
          path.replace(/\{(\w+)\}/g, ':$1'),
          operation['x-endpoint'],
          ...(operation.security?.length === 0 ? ['public'] : []),
          ...(operation['x-rate-limited'] ? ['limited'] : []),
        ].join(' '),
      ),
    );
  }

  /** `METHOD endpoint` of a request; undefined when the document has none for it. */
  endpointOf({ method, path }: Pick<Exchange, 'method' | 'path'>): string | undefined {
    const found = this.find(method, path);
    return found && `${method} ${found.operation['x-endpoint']}`;
  }

  /** Compiles every schema there is. Throws when one is none, or refers to nothing. */
  compileAll(): void {
    const visit = (node: unknown, pointer: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, value] of Object.entries(node)) {
        const below = `${pointer}/${escape(key)}`;
        if (key === 'schema' || pointer === '/components/schemas') this.validator(below);
        else visit(value, below);
      }
    };
    visit(this.document, '');
  }

  /** What of a request and its answer is not as the document says. */
  faults({ method, path, request, status, response }: Exchange): string[] {
    const found = this.find(method, path);
    if (found === undefined) return [`${method} ${path} is not in the document`];
    const { operation, parameters, pointer } = found;
    const query = new URLSearchParams(path.includes('?') ? path.slice(path.indexOf('?')) : '');
    const faults = (operation.parameters ?? []).flatMap((entry, index) => {
      const [parameter, at] = this.resolve(entry, `${pointer}/parameters/${String(index)}`) as [Parameter, string];
      const value = parameter.in === 'path' ? parameters[parameter.name] : valueIn(query, parameter);
      if (value === undefined) return parameter.required ? [`${parameter.name} is missing`] : [];
      return this.check(`${at}/schema`, value, parameter.name);
    });
    if (request !== null && request !== undefined) {
      if (operation.requestBody === undefined) faults.push('the request has a body');
      else faults.push(...this.checkBody(operation.requestBody, `${pointer}/requestBody`, request, 'request'));
    }
    const outcome = operation.responses[status] === undefined ? 'default' : String(status);
    return [
      ...faults,
      ...this.checkBody(operation.responses[outcome], `${pointer}/responses/${outcome}`, response, String(status)),
    ];
  }

  private find(method: string, path: string) {
    const [pathname = ''] = path.split('?');
    for (const template of Object.keys(this.document.paths)) {
      const pattern = template.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
      const match = new RegExp(`^${pattern}$`).exec(pathname);
      const operation = this.operationsAt(template).find(([name]) => name === method);
      if (match === null || operation === undefined) continue;
      const parameters = Object.fromEntries(
        Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]),
      );
      return { operation: operation[1], pointer: operation[2], parameters };
    }
    return undefined;
  }

  private operationsAt(path: string): [method: string, operation: Operation, pointer: string][] {
    const [item, pointer] = this.resolve(this.document.paths[path], `/paths/${escape(path)}`);
    return Object.entries(item as Record<string, unknown>).map(([method, operation]) => [
      method.toUpperCase(),
      operation as Operation,
      `${pointer}/${method}`,
    ]);
  }

  private checkBody(body: unknown, pointer: string, value: unknown, what: string): string[] {
    const [found, at] = this.resolve(body, pointer);
    const { content } = found as { content?: object };
    if (content !== undefined && !Object.hasOwn(content, 'application/json')) {
      return value === undefined ? [] : [`${what} is JSON, and should not be`];
    }
    return this.check(`${at}/content/${escape('application/json')}/schema`, value, what);
  }

  private check(pointer: string, value: unknown, what: string): string[] {
    const validate = this.validator(pointer);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${what}${instancePath} ${String(message)}`);
  }

  private validator(pointer: string): ValidateFunction {
    const known = this.compiled.get(pointer);
    if (known !== undefined) return known;
    const validate = this.ajv.compile({ $ref: `${ID}#${encodeURI(pointer)}` });
    this.compiled.set(pointer, validate);
    return validate;
  }

  /** What a node is, behind the references of OpenAPI itself, and where it stands. */
  private resolve(node: unknown, pointer: string): [node: unknown, pointer: string] {
    const reference = typeof node === 'object' && node !== null && '$ref' in node ? String(node.$ref) : undefined;
    if (reference === undefined) return [node, pointer];
    const at = reference.slice(1);
    const target = at
      .split('/')
      .slice(1)
      .reduce<unknown>((each, key) => (each as Record<string, unknown>)[unescape(key)], this.document);
    if (target === undefined) throw new Error(`${reference} leads nowhere`);
    return this.resolve(target, at);
  }
}

function valueIn(query: URLSearchParams, { name, schema }: Parameter): unknown {
  if (schema.type === 'array') return query.has(name) ? query.getAll(name) : undefined;
  const value = query.get(name);
  if (value === null) return undefined;
  return schema.type === 'integer' ? Number(value) : value;
}

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
const unescape = (key: string): string => key.replaceAll('~1', '/').replaceAll('~0', '~');
