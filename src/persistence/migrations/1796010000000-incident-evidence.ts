import { type MigrationInterface, type QueryRunner, TableColumn, TableIndex } from 'typeorm';

const INDEX = 'incident_server';

/** Incidents have evidence and are counted; a mapping can pause on them. */
export class IncidentEvidence1796010000000 implements MigrationInterface {
  readonly name = 'IncidentEvidence1796010000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.addColumns('incident', [
      new TableColumn({ name: 'evidence', type: 'text', isNullable: true }),
      new TableColumn({ name: 'count', type: 'integer', default: 1 }),
      new TableColumn({ name: 'last_at', type: 'bigint', default: 0 }),
    ]);
    await runner.query('UPDATE incident SET last_at = at');
    await runner.createIndex('incident', new TableIndex({ name: INDEX, columnNames: ['server', 'kind', 'id'] }));
    await runner.addColumn(
      'room_mapping',
      new TableColumn({ name: 'pause_on', type: 'varchar', length: '32', default: "'forgery'" }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropColumn('room_mapping', 'pause_on');
    await runner.dropIndex('incident', INDEX);
    await runner.dropColumns('incident', ['evidence', 'count', 'last_at']);
  }
}
