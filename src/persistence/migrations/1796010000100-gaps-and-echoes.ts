import { type MigrationInterface, type QueryRunner, Table, TableColumn } from 'typeorm';

/** Gaps in what a hub sends are rooms' own rows; LPDUs remember when they were taken and what was asked about them. */
export class GapsAndEchoes1796010000100 implements MigrationInterface {
  readonly name = 'GapsAndEchoes1796010000100';

  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(
      new Table({
        name: 'room_gap',
        columns: [
          { name: 'room_id', type: 'varchar', length: '255', isPrimary: true },
          { name: 'since', type: 'bigint' },
          { name: 'attempts', type: 'integer' },
          { name: 'refusals', type: 'integer' },
          { name: 'next_attempt_at', type: 'bigint' },
          { name: 'reason', type: 'text', isNullable: true },
          { name: 'newest_event_id', type: 'varchar', length: '255', isNullable: true },
        ],
      }),
    );
    await runner.addColumns('lpdu_out', [
      new TableColumn({ name: 'taken', type: 'integer', default: 0 }),
      new TableColumn({ name: 'sent_at', type: 'bigint', isNullable: true }),
      new TableColumn({ name: 'overtaken_at', type: 'bigint', isNullable: true }),
      new TableColumn({ name: 'asked', type: 'integer', default: 0 }),
      new TableColumn({ name: 'ask_at', type: 'bigint', default: 0 }),
    ]);
    await runner.query("UPDATE lpdu_out SET taken = 1, sent_at = created_at WHERE state = 'sent'");
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropColumns('lpdu_out', ['taken', 'sent_at', 'overtaken_at', 'asked', 'ask_at']);
    await runner.dropTable('room_gap');
  }
}
