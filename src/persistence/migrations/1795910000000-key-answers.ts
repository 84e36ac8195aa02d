import { type MigrationInterface, type QueryRunner, Table } from 'typeorm';

/** Keys of other servers as they published them, for whoever asks us as a notary. */
export class KeyAnswers1795910000000 implements MigrationInterface {
  readonly name = 'KeyAnswers1795910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(
      new Table({
        name: 'key_answer',
        columns: [
          { name: 'server', type: 'varchar', length: '255', isPrimary: true },
          { name: 'key_set', type: 'varchar', length: '64', isPrimary: true },
          { name: 'json', type: 'text' },
          { name: 'valid_until', type: 'bigint' },
          { name: 'fetched_at', type: 'bigint' },
        ],
      }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('key_answer');
  }
}
