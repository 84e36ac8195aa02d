import { type MigrationInterface, type QueryRunner, Table } from 'typeorm';

const lease = (resourceLength: number): Table =>
  new Table({
    name: 'lease',
    columns: [
      { name: 'resource', type: 'varchar', length: String(resourceLength), isPrimary: true },
      { name: 'holder', type: 'varchar', length: '255' },
      { name: 'token', type: 'bigint' },
      { name: 'expires_at', type: 'bigint' },
    ],
  });

const MARGIN_US = 3_600_000_000; // an hour: the clocks that gave the numbers so far may have been ahead of this one

/** Leases have longer names; on PostgreSQL numbers come from a sequence, above all that clocks gave before. */
export class SeveralGateways1796030000000 implements MigrationInterface {
  readonly name = 'SeveralGateways1796030000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.dropTable('lease'); // nothing was ever in it
    await runner.createTable(lease(2_048));
    if (runner.dataSource.options.type === 'postgres') {
      await runner.query(`CREATE SEQUENCE causeway_sequence START WITH ${String(Date.now() * 1_000 + MARGIN_US)}`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    if (runner.dataSource.options.type === 'postgres') await runner.query('DROP SEQUENCE causeway_sequence');
    await runner.dropTable('lease');
    await runner.createTable(lease(255));
  }
}
