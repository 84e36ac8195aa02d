import type { Command } from 'commander';
import type { Answer } from './admin-client.js';
import { plain, rowsOf, sheet, table, time } from './output.js';
import { type Session, path } from './session.js';

/** `causeway platforms`, `causeway mappings …` and `causeway destinations …`. */
export function addBridgeCommands(program: Command, session: Session): void {
  program
    .command('platforms')
    .description('the chats, whether they can be reached, and what each can do')
    .action(async () => {
      session.show(await session.ask('GET', 'platforms'), (answer) =>
        table(
          rowsOf(answer, 'platforms').map((row) => ({ ...row, can: [row.abilities].flat().join(' ') })),
          [
            ['PLATFORM', 'kind'],
            ['WORKSPACE', 'workspace'],
            ['READY', 'ready'],
            ['TROUBLE', 'trouble'],
            ['CAN', 'can'],
          ],
          'No chat is configured.',
        ),
      );
    });

  const mappings = program.command('mappings').description('which native channel is which room');

  mappings
    .command('list')
    .description('all mappings')
    .action(async () => {
      session.show(await session.ask('GET', 'mappings'), (answer) =>
        table(
          rowsOf(answer, 'mappings'),
          [
            ['ID', 'id'],
            ['PLATFORM', 'platform'],
            ['WORKSPACE', 'workspace'],
            ['CHANNEL', 'channel_name'],
            ['ROOM', 'room_id'],
            ['STATE', 'state'],
            ['PAUSE ON', 'pause_on'],
            ['REASON', 'reason'],
          ],
          'There are no mappings.',
        ),
      );
    });

  mappings
    .command('show <id>')
    .description('one mapping: what waits, what stops it, which servers of its room do not answer')
    .action(async (id: string) => {
      session.show(await session.ask('GET', path('mappings', id)), mappingText);
    });

  mappings
    .command('add <platform> <workspace> <channel> <room>')
    .description('map a channel (its id on the platform) to a room in which we are')
    .option('--history <messages>', 'so many of its last messages come into the room, at most 500', '0')
    .action(
      async (platform: string, workspace: string, channel: string, room: string, options: { history: string }) => {
        // What is no number is the gateway's to refuse.
        const history = /^\d+$/.test(options.history) ? Number(options.history) : options.history;
        const answer = await session.ask('POST', 'mappings', { platform, workspace, channel, room_id: room, history });
        session.show(answer, ({ id }) => `${plain(id)}\n`);
      },
    );

  for (const [verb, state, done] of [
    ['pause', 'paused', 'Paused'],
    ['resume', 'active', 'Resumed'],
  ] as const) {
    mappings
      .command(`${verb} <id>`)
      .description(verb === 'pause' ? 'carry nothing for a while' : 'carry on with what waited')
      .action(async (id: string) => {
        session.show(await session.ask('PATCH', path('mappings', id), { state }), () => `${done} ${id}.\n`);
      });
  }

  mappings
    .command('pause-on <id> <what>')
    .description('which incidents in its room pause it: none, forgery or any')
    .action(async (id: string, what: string) => {
      const answer = await session.ask('PATCH', path('mappings', id), { pause_on: what });
      session.show(answer, () => `${id} pauses on: ${what}.\n`);
    });

  mappings
    .command('members <id> <mode>')
    .description(
      'who of the channel is a member of its room: first_word (who has said something) or mirror (everybody)',
    )
    .action(async (id: string, mode: string) => {
      const answer = await session.ask('PATCH', path('mappings', id), { membership_mode: mode });
      session.show(answer, () => `${id} has as members: ${mode}.\n`);
    });

  mappings
    .command('remove <id>')
    .description('take channel and room apart; both keep what they have')
    .action(async (id: string) => {
      session.show(await session.ask('DELETE', path('mappings', id)), () => `Removed ${id}.\n`);
    });

  const destinations = program.command('destinations').description('the servers that we send to');

  destinations
    .command('list')
    .description('whether they answer, and what waits for them')
    .action(async () => {
      session.show(await session.ask('GET', 'destinations'), (answer) =>
        table(
          rowsOf(answer, 'destinations').map((row) => ({ ...row, behind: behind(rowsOf(row, 'rooms')) })),
          [
            ['SERVER', 'server'],
            ['FAILING SINCE', 'failing_since', time],
            ['ATTEMPTS', 'attempts'],
            ['NEXT ATTEMPT', 'next_attempt_at', time],
            ['LPDUS', 'waiting_lpdus'],
            ['EVENTS BEHIND', 'behind'],
            ['LAST ERROR', 'last_error'],
          ],
          'We send to no server yet.',
        ),
      );
    });

  destinations
    .command('retry <server>')
    .description('try at once instead of after the backoff')
    .action(async (server: string) => {
      const answer = await session.ask('POST', path('destinations', server, 'retry'));
      session.show(answer, () => `${server} is tried now.\n`);
    });
}

const mappingText = ({ outbound, inbound, failing_servers: failing, ...fields }: Answer): string =>
  sheet([
    ...Object.entries(fields),
    ...Object.entries({ outbound, inbound, failing_servers: failing }).map(([name, value]) => [name, value] as const),
  ]);

const behind = (rooms: readonly Record<string, unknown>[]): number =>
  rooms.reduce((sum, room) => sum + (typeof room.behind === 'number' ? room.behind : 0), 0);
