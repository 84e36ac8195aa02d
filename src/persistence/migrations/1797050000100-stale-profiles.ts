import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';

/** Whose name in the rooms is not the one of the chat yet. */
export class StaleProfiles1797050000100 implements MigrationInterface {
  readonly name = 'StaleProfiles1797050000100';

  async up(runner: QueryRunner): Promise<void> {
    const no = runner.dataSource.options.type === 'postgres' ? 'false' : '0';
    const stale = new TableColumn({ name: 'stale_profile', type: 'boolean', default: no });
    await runner.addColumn('user_mapping', stale);
    await runner.createIndex(
      'user_mapping',
      new TableIndex({ name: 'user_mapping_stale', columnNames: ['stale_profile'] }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndex('user_mapping', 'user_mapping_stale');
    await runner.dropColumn('user_mapping', 'stale_profile');
  }
}
