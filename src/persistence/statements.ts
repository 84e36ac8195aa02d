import type { Database as SqliteConnection, Statement } from 'better-sqlite3';
import { type EntityManager, QueryFailedError, type QueryRunner } from 'typeorm';

export type SqlValue = string | number | boolean | null;

/**
 * Raw SQL for where every event passes: `?` stands for a parameter on both engines, a statement is compiled once per connection,
 * and rows come as the driver gives them (PostgreSQL: 64-bit numbers as text; SQLite: booleans as 0 and 1). Elsewhere the
 * repository methods are the way; what they cost is in docs/performance.md.
 */
export async function selectRows<T>(
  manager: EntityManager,
  sql: string,
  parameters: readonly SqlValue[] = [],
): Promise<T[]> {
  const connection = sqliteConnection(manager);
  if (connection !== undefined) return attempt(sql, () => prepared(connection, sql).all(...bound(parameters)) as T[]);
  return (await postgres(manager, sql, parameters)).rows as T[];
}

/** How many rows were changed. */
export async function execute(
  manager: EntityManager,
  sql: string,
  parameters: readonly SqlValue[] = [],
): Promise<number> {
  const connection = sqliteConnection(manager);
  if (connection !== undefined) return attempt(sql, () => prepared(connection, sql).run(...bound(parameters)).changes);
  return (await postgres(manager, sql, parameters)).rowCount ?? 0;
}

/** `INSERT INTO table (columns) VALUES …` for every row; `conflict` stands behind it. */
export async function insertRows(
  manager: EntityManager,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly SqlValue[])[],
  conflict = '',
): Promise<void> {
  if (rows.length === 0) return;
  const head = `INSERT INTO ${table} (${columns.join(', ')}) VALUES `;
  const values = `(${columns.map(() => '?').join(', ')})`;
  // SQLite has no round trip to save: one compiled statement serves any number of rows.
  const perStatement = sqliteConnection(manager) === undefined ? MAX_ROWS : 1;
  for (let at = 0; at < rows.length; at += perStatement) {
    const part = rows.slice(at, at + perStatement);
    await execute(manager, `${head}${part.map(() => values).join(', ')} ${conflict}`, part.flat());
  }
}

/** The inside of `IN (…)` for a list, and its parameters: of few lengths, so that few statements are compiled. */
export function inList(values: readonly SqlValue[]): [placeholders: string, parameters: SqlValue[]] {
  const length = 2 ** Math.ceil(Math.log2(Math.max(1, values.length)));
  const last = values.at(-1) ?? null;
  const parameters = Array.from({ length }, (_, index) => values[index] ?? last);
  return [parameters.map(() => '?').join(', '), parameters];
}

const MAX_ROWS = 100;

const compiled = new WeakMap<SqliteConnection, Map<string, Statement>>();

function prepared(connection: SqliteConnection, sql: string): Statement {
  let statements = compiled.get(connection);
  if (statements === undefined) compiled.set(connection, (statements = new Map<string, Statement>()));
  let statement = statements.get(sql);
  if (statement === undefined) statements.set(sql, (statement = connection.prepare(sql)));
  return statement;
}

/** undefined: it is PostgreSQL. */
export function sqliteConnection({ dataSource: { driver, options } }: EntityManager): SqliteConnection | undefined {
  if (options.type !== 'better-sqlite3') return undefined;
  return (driver as unknown as { databaseConnection: SqliteConnection }).databaseConnection;
}

/** SQLite has no booleans. */
const bound = (parameters: readonly SqlValue[]): SqlValue[] =>
  parameters.map((value) => (typeof value === 'boolean' ? Number(value) : value));

function attempt<T>(sql: string, query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw new QueryFailedError(sql, undefined, error as Error);
  }
}

interface PostgresClient {
  query(config: { name: string; text: string; values: readonly SqlValue[] }): Promise<PostgresResult>;
}

interface PostgresResult {
  rows: unknown[];
  rowCount: number | null;
}

interface NamedStatement {
  name: string;
  text: string;
}

/** PostgreSQL keeps a compiled statement per connection and name. */
const named = new Map<string, NamedStatement>();

function statementOf(sql: string): NamedStatement {
  let statement = named.get(sql);
  if (statement === undefined) {
    let parameter = 0;
    const text = sql.replace(/\?/g, () => `$${String(++parameter)}`);
    named.set(sql, (statement = { name: `causeway_${String(named.size)}`, text }));
  }
  return statement;
}

async function postgres(manager: EntityManager, sql: string, values: readonly SqlValue[]): Promise<PostgresResult> {
  const runner: QueryRunner = manager.queryRunner ?? manager.dataSource.createQueryRunner();
  try {
    const client = (await runner.connect()) as PostgresClient;
    return await client.query({ ...statementOf(sql), values });
  } catch (error) {
    throw new QueryFailedError(sql, undefined, error as Error);
  } finally {
    if (manager.queryRunner === undefined) await runner.release();
  }
}
