import { type MigrationInterface, type QueryRunner, Table, type TableColumnOptions, TableIndex } from 'typeorm';

type Column = TableColumnOptions;
const id = (name: string, more: Partial<Column> = {}): Column => ({ name, type: 'varchar', length: '255', ...more });
const chars = (name: string, length: number, more: Partial<Column> = {}): Column => ({
  name,
  type: 'varchar',
  length: String(length),
  ...more,
});
const word = (name: string, more: Partial<Column> = {}): Column => chars(name, 32, more);
const big = (name: string, more: Partial<Column> = {}): Column => ({ name, type: 'bigint', ...more });
const int = (name: string): Column => ({ name, type: 'integer' });
const text = (name: string, more: Partial<Column> = {}): Column => ({ name, type: 'text', ...more });
const key = { isPrimary: true };
const nullable = { isNullable: true };

const TABLES: Record<string, Column[]> = {
  room: [
    id('room_id', key),
    chars('version', 128),
    word('role'),
    id('hub_server'),
    word('standing'),
    big('head_position'),
    id('head_event_id', nullable),
    big('created_at'),
  ],
  event: [
    id('room_id', key),
    big('position', key),
    id('event_id'),
    id('type'),
    id('state_key', nullable),
    id('sender'),
    chars('lpdu_hash', 64, nullable),
    { name: 'snapshot', type: 'boolean' },
    { name: 'rejected', type: 'boolean' },
    text('json'),
    big('received_at'),
  ],
  room_state: [
    id('room_id', key),
    id('type', key),
    id('state_key', key),
    big('position'),
    id('server', nullable),
    word('membership', nullable),
  ],
  invite: [
    id('room_id', key),
    id('user_id', key),
    id('hub_server'),
    id('sender'),
    text('stripped_state'),
    big('received_at'),
  ],
  pending_pdu: [id('room_id', key), id('event_id', key), big('sequence'), text('json')],
  incident: [
    big('id', key),
    word('kind'),
    id('server'),
    id('room_id', nullable),
    id('event_id', nullable),
    text('detail'),
    big('at'),
  ],
  lpdu_out: [
    chars('lpdu_hash', 64, key),
    id('room_id'),
    id('hub_server'),
    id('reference_id'),
    id('type'),
    id('state_key', nullable),
    big('sequence'),
    word('state'),
    text('json'),
    text('refusal', nullable),
    big('created_at'),
  ],
  destination: [
    id('server', key),
    big('failing_since', nullable),
    int('attempts'),
    big('next_attempt_at'),
    text('last_error', nullable),
    big('last_success_at', nullable),
  ],
  destination_room: [id('server', key), id('room_id', key), big('cursor'), big('until_position', nullable)],
  transaction_out: [id('server', key), id('txn_id'), text('body'), text('settles'), big('created_at')],
  transaction_in: [
    id('origin', key),
    word('endpoint', key),
    id('txn_id', key),
    chars('body_hash', 64, key),
    text('answer'),
    big('received_at'),
  ],
  server_key: [
    id('server', key),
    id('key_id', key),
    chars('public_key', 64),
    big('valid_until'),
    big('expired_at', nullable),
    big('fetched_at'),
  ],
  signing_key: [
    id('key_id', key),
    text('private_key'),
    chars('public_key', 64),
    big('created_at'),
    big('expired_at', nullable),
  ],
  room_mapping: [
    chars('id', 36, key),
    word('platform'),
    id('workspace'),
    id('channel_id'),
    id('channel_name'),
    id('room_id'),
    word('state'),
    text('reason', nullable),
    big('carried_position'),
    big('created_at'),
  ],
  user_mapping: [
    id('user_id', key),
    word('platform'),
    id('workspace'),
    id('native_user_id'),
    id('display_name'),
    big('created_at'),
  ],
  message_mapping: [
    chars('mapping_id', 36, key),
    id('native_id', key),
    { ...int('part'), ...key },
    id('event_id', nullable),
    chars('lpdu_hash', 64, nullable),
    word('direction'),
  ],
  inbox: [
    word('platform', key),
    id('workspace', key),
    id('native_event_id', key),
    id('channel_id'),
    big('sequence'),
    text('payload'),
    word('state'),
    text('reason', nullable),
    chars('lpdu_hash', 64, nullable),
    big('received_at'),
  ],
  platform_cursor: [word('platform', key), id('workspace', key), id('cursor')],
  delivery: [
    chars('id', 36, key),
    chars('mapping_id', 36),
    word('kind'),
    id('subject'),
    int('part'),
    text('payload'),
    word('state'),
    int('attempts'),
    big('next_attempt_at'),
    text('reason', nullable),
    id('native_id', nullable),
    big('created_at'),
  ],
  lease: [id('resource', key), id('holder'), big('token'), big('expires_at')],
  audit_log: [big('id', key), id('actor'), word('action'), text('detail'), big('at')],
};

const INDICES: [name: string, table: string, columns: string[], unique?: 'unique'][] = [
  ['event_state_at', 'event', ['room_id', 'type', 'state_key', 'position']],
  ['event_lpdu_hash', 'event', ['room_id', 'lpdu_hash']],
  ['event_id', 'event', ['event_id'], 'unique'],
  ['room_state_members', 'room_state', ['room_id', 'server', 'membership']],
  ['lpdu_out_queue', 'lpdu_out', ['hub_server', 'state', 'sequence']],
  ['lpdu_out_room', 'lpdu_out', ['room_id', 'type', 'state_key']],
  ['destination_room_by_room', 'destination_room', ['room_id']],
  ['transaction_in_age', 'transaction_in', ['received_at']],
  ['room_mapping_channel', 'room_mapping', ['platform', 'workspace', 'channel_id'], 'unique'],
  ['room_mapping_room', 'room_mapping', ['room_id']],
  ['user_mapping_native', 'user_mapping', ['platform', 'workspace', 'native_user_id'], 'unique'],
  ['message_mapping_event', 'message_mapping', ['mapping_id', 'event_id']],
  ['message_mapping_lpdu', 'message_mapping', ['lpdu_hash']],
  ['inbox_queue', 'inbox', ['state', 'platform', 'workspace', 'channel_id', 'sequence']],
  ['inbox_lpdu', 'inbox', ['lpdu_hash']],
  ['delivery_target', 'delivery', ['mapping_id', 'subject', 'part'], 'unique'],
  ['delivery_state', 'delivery', ['state', 'created_at']],
];

export class FirstSchema1795500000000 implements MigrationInterface {
  readonly name = 'FirstSchema1795500000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, columns] of Object.entries(TABLES)) await runner.createTable(new Table({ name, columns }));
    for (const [name, table, columnNames, unique] of INDICES) {
      await runner.createIndex(table, new TableIndex({ name, columnNames, isUnique: unique !== undefined }));
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of Object.keys(TABLES).reverse()) await runner.dropTable(name);
  }
}
