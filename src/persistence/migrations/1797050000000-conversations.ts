import { type MigrationInterface, type QueryRunner, Table, TableColumn, TableIndex } from 'typeorm';

/** What one person alone is told; which mappings are conversations; how people of a channel become members. */
export class Conversations1797050000000 implements MigrationInterface {
  readonly name = 'Conversations1797050000000';

  async up(runner: QueryRunner): Promise<void> {
    const identifier = (name: string, isNullable = false) => ({ name, type: 'varchar', length: '255', isNullable });
    const word = (name: string) => ({ name, type: 'varchar', length: '32' });
    const no = runner.dataSource.options.type === 'postgres' ? 'false' : '0';
    await runner.createTable(
      new Table({
        name: 'personal_notice',
        columns: [
          { name: 'id', type: 'varchar', length: '36', isPrimary: true },
          word('platform'),
          identifier('workspace'),
          identifier('native_user_id'),
          identifier('channel_id', true),
          identifier('subject'),
          { name: 'payload', type: 'text' },
          word('state'),
          { name: 'attempts', type: 'integer' },
          { name: 'next_attempt_at', type: 'bigint' },
          { name: 'reason', type: 'text', isNullable: true },
          { name: 'created_at', type: 'bigint' },
        ],
        indices: [
          new TableIndex({
            name: 'personal_notice_subject',
            columnNames: ['platform', 'workspace', 'subject'],
            isUnique: true,
          }),
          new TableIndex({
            name: 'personal_notice_queue',
            columnNames: ['state', 'platform', 'workspace', 'native_user_id', 'created_at'],
          }),
        ],
      }),
    );
    await runner.addColumn('room_mapping', new TableColumn({ ...word('kind'), default: `'channel'` }));
    await runner.addColumn('room_mapping', new TableColumn({ ...word('membership_mode'), default: `'first_word'` }));
    await runner.addColumn('invite', new TableColumn({ name: 'is_direct', type: 'boolean', default: no }));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropColumn('invite', 'is_direct');
    await runner.dropColumn('room_mapping', 'membership_mode');
    await runner.dropColumn('room_mapping', 'kind');
    await runner.dropTable('personal_notice');
  }
}
