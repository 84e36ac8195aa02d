import { type MigrationInterface, type QueryRunner, Table, TableColumn } from 'typeorm';

/** Knocks wait beside the invites; rooms have names of ours. */
export class KnocksAndAliases1795900000000 implements MigrationInterface {
  readonly name = 'KnocksAndAliases1795900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.addColumn(
      'invite',
      new TableColumn({ name: 'membership', type: 'varchar', length: '32', default: "'invite'" }),
    );
    await runner.createTable(
      new Table({
        name: 'room_alias',
        columns: [
          { name: 'alias', type: 'varchar', length: '255', isPrimary: true },
          { name: 'room_id', type: 'varchar', length: '255' },
          { name: 'created_at', type: 'bigint' },
        ],
        indices: [{ name: 'room_alias_room', columnNames: ['room_id'] }],
      }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('room_alias');
    await runner.dropColumn('invite', 'membership');
  }
}
