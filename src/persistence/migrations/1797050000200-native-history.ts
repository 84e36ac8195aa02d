import { type MigrationInterface, type QueryRunner, TableColumn } from 'typeorm';

/** How much of what was said in a channel before it was shared is still to be fetched, and from where. */
export class NativeHistory1797050000200 implements MigrationInterface {
  readonly name = 'NativeHistory1797050000200';

  async up(runner: QueryRunner): Promise<void> {
    await runner.addColumn('room_mapping', new TableColumn({ name: 'history_left', type: 'integer', default: 0 }));
    const before = { name: 'history_before', type: 'varchar', length: '255', isNullable: true };
    await runner.addColumn('room_mapping', new TableColumn(before));
    const sequence = { name: 'history_sequence', type: 'bigint', isNullable: true };
    await runner.addColumn('room_mapping', new TableColumn(sequence));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropColumn('room_mapping', 'history_sequence');
    await runner.dropColumn('room_mapping', 'history_before');
    await runner.dropColumn('room_mapping', 'history_left');
  }
}
