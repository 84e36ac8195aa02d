import { type MigrationInterface, type QueryRunner, Table, TableIndex } from 'typeorm';

/** What lies in the media folder. */
export class Media1797060000000 implements MigrationInterface {
  readonly name = 'Media1797060000000';

  async up(runner: QueryRunner): Promise<void> {
    const text = { type: 'varchar', length: '255' };
    const pixels = { type: 'integer', isNullable: true };
    await runner.createTable(
      new Table({
        name: 'media',
        columns: [
          { name: 'server', ...text, isPrimary: true },
          { name: 'media_id', ...text, isPrimary: true },
          { name: 'origin_key', ...text, isNullable: true },
          { name: 'room_id', ...text, isNullable: true },
          { name: 'name', ...text },
          { name: 'mime_type', ...text },
          { name: 'size', type: 'bigint' },
          { name: 'width', ...pixels },
          { name: 'height', ...pixels },
          { name: 'used_at', type: 'bigint' },
        ],
        indices: [
          new TableIndex({ name: 'media_origin_key', columnNames: ['origin_key'], isUnique: true }),
          new TableIndex({ name: 'media_used', columnNames: ['used_at'] }),
        ],
      }),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('media');
  }
}
