import { type MigrationInterface, type QueryRunner, Table, TableIndex } from 'typeorm';

/** What native edits, deletes and reactions became, and who reacts to what. */
export class CarriedEvents1797035000000 implements MigrationInterface {
  readonly name = 'CarriedEvents1797035000000';

  async up(runner: QueryRunner): Promise<void> {
    const identifier = (name: string, nullable = false) => ({
      name,
      type: 'varchar',
      length: '255',
      isNullable: nullable,
    });
    const lpduHash = { name: 'lpdu_hash', type: 'varchar', length: '64', isNullable: true };
    await runner.createTable(
      new Table({
        name: 'carried_event',
        columns: [
          { name: 'mapping_id', type: 'varchar', length: '36', isPrimary: true },
          { ...identifier('native_event_id'), isPrimary: true },
          { name: 'part', type: 'integer', isPrimary: true },
          identifier('event_id', true),
          lpduHash,
        ],
        indices: [
          new TableIndex({ name: 'carried_event_event', columnNames: ['mapping_id', 'event_id'] }),
          new TableIndex({ name: 'carried_event_lpdu', columnNames: ['lpdu_hash'] }),
        ],
      }),
    );
    await runner.createTable(
      new Table({
        name: 'reaction',
        columns: [
          { name: 'mapping_id', type: 'varchar', length: '36', isPrimary: true },
          { ...identifier('native_id'), isPrimary: true },
          { ...identifier('sender'), isPrimary: true },
          { ...identifier('reaction_key'), isPrimary: true },
          { name: 'direction', type: 'varchar', length: '32' },
          identifier('event_id', true),
          lpduHash,
        ],
        indices: [
          new TableIndex({ name: 'reaction_event', columnNames: ['mapping_id', 'event_id'] }),
          new TableIndex({ name: 'reaction_lpdu', columnNames: ['lpdu_hash'] }),
        ],
      }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('reaction');
    await runner.dropTable('carried_event');
  }
}
