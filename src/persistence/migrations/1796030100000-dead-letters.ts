import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';

/** Parked deliveries keep their place; what stops a channel is seen; old rows are found by their age. */
export class DeadLetters1796030100000 implements MigrationInterface {
  readonly name = 'DeadLetters1796030100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.addColumn('delivery', new TableColumn({ name: 'position', type: 'bigint', isNullable: true }));
    await runner.addColumn('inbox', new TableColumn({ name: 'attempts', type: 'integer', default: 0 }));
    await runner.addColumn('inbox', new TableColumn({ name: 'failing_since', type: 'bigint', isNullable: true }));
    await runner.createIndex(
      'delivery',
      new TableIndex({ name: 'delivery_queue', columnNames: ['mapping_id', 'state'] }),
    );
    await runner.createIndex('inbox', new TableIndex({ name: 'inbox_age', columnNames: ['received_at'] }));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndex('inbox', 'inbox_age');
    await runner.dropIndex('delivery', 'delivery_queue');
    await runner.dropColumn('inbox', 'failing_since');
    await runner.dropColumn('inbox', 'attempts');
    await runner.dropColumn('delivery', 'position');
  }
}
