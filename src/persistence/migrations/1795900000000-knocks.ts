import { type MigrationInterface, type QueryRunner, TableColumn } from 'typeorm';

/** Knocks wait beside the invites. */
export class Knocks1795900000000 implements MigrationInterface {
  readonly name = 'Knocks1795900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.addColumn(
      'invite',
      new TableColumn({ name: 'membership', type: 'varchar', length: '32', default: "'invite'" }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropColumn('invite', 'membership');
  }
}
