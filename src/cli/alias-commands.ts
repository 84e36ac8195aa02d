import type { Command } from 'commander';
import { plain, rowsOf, table } from './output.js';
import { type Session, path } from './session.js';

/** `causeway aliases …`. */
export function addAliasCommands(program: Command, session: Session): void {
  const aliases = program.command('aliases').description('names for rooms, by which other servers find them');

  aliases
    .command('list')
    .description('our names')
    .action(async () => {
      session.show(await session.ask('GET', 'aliases'), (answer) =>
        table(
          rowsOf(answer, 'aliases'),
          [
            ['ALIAS', 'alias'],
            ['ROOM', 'room_id'],
          ],
          'There are no aliases.',
        ),
      );
    });

  aliases
    .command('resolve <alias>')
    .description('which room has a name, ours or another server’s')
    .action(async (alias: string) => {
      const answer = await session.ask('GET', path('aliases', alias));
      session.show(answer, ({ room_id: room, servers }) => {
        const via = Array.isArray(servers) ? servers.map(plain).join(', ') : '';
        return `${plain(room)} (via ${via})\n`;
      });
    });

  aliases
    .command('set <alias> <room>')
    .description('name a room, or move a name to it')
    .action(async (alias: string, room: string) => {
      const answer = await session.ask('PUT', path('aliases', alias), { room_id: room });
      session.show(answer, () => `${alias} is ${room}.\n`);
    });

  aliases
    .command('remove <alias>')
    .description('remove a name')
    .action(async (alias: string) => {
      const answer = await session.ask('DELETE', path('aliases', alias));
      session.show(answer, () => `Removed ${alias}.\n`);
    });
}
