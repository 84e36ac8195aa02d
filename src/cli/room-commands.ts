import type { Command } from 'commander';
import { addAliasCommands } from './alias-commands.js';
import { CommandFailure } from './failure.js';
import { plain, rowsOf, sheet, table, time } from './output.js';
import { type Session, given, path } from './session.js';

/** `causeway rooms …` and `causeway invites`. */
export function addRoomCommands(program: Command, session: Session): void {
  const rooms = program.command('rooms').description('rooms in which we are');

  rooms
    .command('list')
    .description('rooms in which we are, or were')
    .action(async () => {
      session.show(await session.ask('GET', 'rooms'), (answer) =>
        table(
          rowsOf(answer, 'rooms'),
          [
            ['ROOM', 'room_id'],
            ['ROLE', 'role'],
            ['HUB', 'hub_server'],
            ['STANDING', 'standing'],
            ['HEAD', 'head_position'],
          ],
          'There are no rooms.',
        ),
      );
    });

  rooms
    .command('create')
    .description('make a room of which we are the hub')
    .option('--name <name>', 'name of the room')
    .option('--creator <user>', 'one of our users; the bot when absent')
    .option('--join-rule <rule>', 'invite, public or knock')
    .option('--invite <user...>', 'users to invite')
    .action(async (options: { name?: string; creator?: string; joinRule?: string; invite?: string[] }) => {
      const { name, creator, joinRule, invite } = options;
      const body = given({ name, creator, join_rule: joinRule, invites: invite });
      const answer = await session.ask('POST', 'rooms', body);
      session.show(answer, ({ room_id: id }) => `${plain(id)}\n`);
      const failed = rowsOf(answer, 'failed_invites').map(
        ({ user_id: user, error }) => `${plain(user)}: ${plain(error)}`,
      );
      if (failed.length > 0)
        throw new CommandFailure(`The room is made, but not everybody is invited: ${failed.join('; ')}.`);
    });

  rooms
    .command('show <room>')
    .description('a room and its members')
    .action(async (room: string) => {
      const about = await session.ask('GET', path('rooms', room));
      const { members } = await session.ask('GET', path('rooms', room, 'members'));
      session.show({ ...about, members }, (answer) => {
        const fields = Object.entries(about).map(([name, value]) => [name, value] as const);
        const columns = [
          ['MEMBER', 'user_id'],
          ['MEMBERSHIP', 'membership'],
          ['NAME', 'display_name'],
        ] as const;
        return `${sheet(fields)}\n${table(rowsOf(answer, 'members'), columns, 'Nobody was ever in it.')}`;
      });
    });

  rooms
    .command('join <room>')
    .description('join a room, or accept an invite to it')
    .option('--via <server>', 'the hub, when no invite names it')
    .option('--user <user>', 'one of our users; the bot when absent')
    .action(async (room: string, { via, user }: { via?: string; user?: string }) => {
      const answer = await session.ask('POST', path('rooms', room, 'join'), given({ via, user_id: user }));
      session.show(answer, () => `Joined ${room}.\n`);
    });

  rooms
    .command('invite <room> <user>')
    .description('invite a user, by our bot')
    .action(async (room: string, user: string) => {
      const answer = await session.ask('POST', path('rooms', room, 'invite'), { user_id: user });
      session.show(answer, () => `Invited ${user} to ${room}.\n`);
    });

  rooms
    .command('leave <room>')
    .description('leave a room, reject an invite, or take a knock back')
    .option('--user <user>', 'one of our users; the bot when absent')
    .action(async (room: string, { user }: { user?: string }) => {
      const answer = await session.ask('POST', path('rooms', room, 'leave'), given({ user_id: user }));
      session.show(answer, () => `Left ${room}.\n`);
    });

  rooms
    .command('knock <room>')
    .description('ask for an invite to a room')
    .option('--via <server>', 'the hub; the server that the room id names when absent')
    .option('--user <user>', 'one of our users; the bot when absent')
    .option('--reason <text>', 'what the people of the room read')
    .action(async (room: string, { via, user, reason }: { via?: string; user?: string; reason?: string }) => {
      const answer = await session.ask('POST', path('rooms', room, 'knock'), given({ via, user_id: user, reason }));
      session.show(answer, () => `Knocked at ${room}.\n`);
    });

  for (const [how, done, about] of [
    ['kick', 'Removed', 'remove a user, take an invite or a ban back, or refuse a knock'],
    ['ban', 'Banned', 'remove a user for good'],
  ] as const) {
    rooms
      .command(`${how} <room> <user>`)
      .description(about)
      .option('--reason <text>', 'what the room and the user read')
      .action(async (room: string, user: string, { reason }: { reason?: string }) => {
        const answer = await session.ask('POST', path('rooms', room, how), given({ user_id: user, reason }));
        session.show(answer, () => `${done} ${user}.\n`);
      });
  }

  rooms
    .command('send <room> <text>')
    .description('say something in a room')
    .option('--sender <user>', 'one of our users; the bot when absent')
    .action(async (room: string, text: string, { sender }: { sender?: string }) => {
      const answer = await session.ask('POST', path('rooms', room, 'send'), given({ text, sender }));
      session.show(answer, ({ event_id: eventId }) =>
        eventId === undefined ? 'It waits for the hub.\n' : `${plain(eventId)}\n`,
      );
    });

  addAliasCommands(program, session);

  program
    .command('invites')
    .description('invites of our users to rooms that we are not in, and their knocks that wait')
    .action(async () => {
      session.show(await session.ask('GET', 'invites'), (answer) =>
        table(
          rowsOf(answer, 'invites'),
          [
            ['ROOM', 'room_id'],
            ['USER', 'user_id'],
            ['WHAT', 'membership'],
            ['BY', 'sender'],
            ['HUB', 'hub_server'],
            ['RECEIVED', 'received_at', time],
          ],
          'There are no invites and no knocks.',
        ),
      );
    });
}
