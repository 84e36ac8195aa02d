import { type MigrationInterface, type QueryRunner, TableColumn } from 'typeorm';

const COLUMNS: readonly [table: string, column: TableColumn][] = [
  ['transaction_in', new TableColumn({ name: 'status', type: 'integer', default: 200 })],
  ['room_mapping', new TableColumn({ name: 'allow', type: 'text', default: "'[]'" })],
  ['room_mapping', new TableColumn({ name: 'deny', type: 'text', default: "'[]'" })],
  ['user_mapping', new TableColumn({ name: 'avatar_url', type: 'text', isNullable: true })],
];

/** Refusals are kept like answers; who may take part in a mapping's room; avatars. */
export class Edge1796020000000 implements MigrationInterface {
  readonly name = 'Edge1796020000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [table, column] of COLUMNS) await runner.addColumn(table, column);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [table, column] of [...COLUMNS].reverse()) await runner.dropColumn(table, column);
  }
}
