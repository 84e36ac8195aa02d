import type { Command } from 'commander';
import { json, plain, rowsOf, sheet, table, time } from './output.js';
import { type Session, path } from './session.js';

/** `causeway incidents …`. */
export function addIncidentCommands(program: Command, session: Session): void {
  const incidents = program.command('incidents').description('what other servers did against the protocol');

  incidents
    .command('list')
    .description('the newest ones, without their evidence')
    .option('--server <server>', 'of one server')
    .option('--room <room>', 'in one room')
    .option('--kind <kind>', 'of one kind')
    .option('--before <id>', 'older than this one')
    .option('--limit <number>', 'how many at most')
    .action(async (options: Record<'server' | 'room' | 'kind' | 'before' | 'limit', string | undefined>) => {
      const { room, ...others } = options;
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries({ ...others, room_id: room }))
        if (value !== undefined) query.set(name, value);
      const answer = await session.ask('GET', `incidents?${query.toString()}`);
      session.show(answer, () => {
        const rows = table(
          rowsOf(answer, 'incidents'),
          [
            ['ID', 'id'],
            ['LAST', 'last_at', time],
            ['TIMES', 'count'],
            ['KIND', 'kind'],
            ['SERVER', 'server'],
            ['ROOM', 'room_id'],
            ['WHAT', 'detail'],
          ],
          'There are no incidents.',
        );
        return answer.next === null ? rows : `${rows}\nOlder ones: --before ${plain(answer.next)}\n`;
      });
    });

  incidents
    .command('show <id>')
    .description('one of them with its evidence, which may hold messages')
    .action(async (id: string) => {
      const answer = await session.ask('GET', path('incidents', id));
      session.show(answer, ({ evidence, at, last_at: lastAt, ...fields }) => {
        const times = [
          ['at', time(at)],
          ['last_at', time(lastAt)],
        ] as const;
        return `${sheet([...Object.entries(fields), ...times])}\n${json(evidence)}`;
      });
    });
}
