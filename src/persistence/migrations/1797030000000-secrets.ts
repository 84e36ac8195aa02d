import { type MigrationInterface, type QueryRunner, Table } from 'typeorm';

/** Tokens that a platform gives when the app is installed. */
export class Secrets1797030000000 implements MigrationInterface {
  readonly name = 'Secrets1797030000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(
      new Table({
        name: 'secret',
        columns: [
          { name: 'name', type: 'varchar', length: '255', isPrimary: true },
          { name: 'value', type: 'text' },
          { name: 'changed_at', type: 'bigint' },
        ],
      }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('secret');
  }
}
