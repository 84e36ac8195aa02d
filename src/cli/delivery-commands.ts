import type { Command } from 'commander';
import { rowsOf, table, time } from './output.js';
import { type Session, path } from './session.js';

/** `causeway deliveries …`, `causeway inbox …` and `causeway lpdus …`: what is on its way, and what got stuck. */
export function addDeliveryCommands(program: Command, session: Session): void {
  const deliveries = program.command('deliveries').description('calls to the chats');

  deliveries
    .command('list')
    .description('the dead ones, or those of another state')
    .option('--state <state>', 'intent, done, dead or discarded', 'dead')
    .action(async ({ state }: { state: string }) => {
      session.show(await session.ask('GET', `deliveries?state=${encodeURIComponent(state)}`), (answer) =>
        table(
          rowsOf(answer, 'deliveries'),
          [
            ['ID', 'id'],
            ['CREATED', 'created_at', time],
            ['MAPPING', 'mapping_id'],
            ['KIND', 'kind'],
            ['STATE', 'state'],
            ['ATTEMPTS', 'attempts'],
            ['REASON', 'reason'],
          ],
          'There are none.',
        ),
      );
    });

  for (const [verb, about, done] of [
    ['retry', 'try it now; a dead one comes as a late message', 'is tried now'],
    ['discard', 'give it up; the channel is told in its place', 'is given up'],
  ] as const) {
    deliveries
      .command(`${verb} <id>`)
      .description(about)
      .action(async (id: string) => {
        session.show(await session.ask('POST', path('deliveries', id, verb)), () => `${id} ${done}.\n`);
      });
  }

  const inbox = program.command('inbox').description('messages of our people on their way into rooms');

  inbox
    .command('list')
    .description('those that wait, or those of another state; one that fails stops its channel')
    .option('--state <state>', 'held, waiting, submitted, carried, ignored, refused or discarded', 'waiting')
    .action(async ({ state }: { state: string }) => {
      session.show(await session.ask('GET', `inbox?state=${encodeURIComponent(state)}`), (answer) =>
        table(
          rowsOf(answer, 'inbox'),
          [
            ['PLATFORM', 'platform'],
            ['WORKSPACE', 'workspace'],
            ['EVENT', 'native_event_id'],
            ['CHANNEL', 'channel'],
            ['RECEIVED', 'received_at', time],
            ['FAILING SINCE', 'failing_since', time],
            ['ATTEMPTS', 'attempts'],
            ['REASON', 'reason'],
          ],
          'There are none.',
        ),
      );
    });

  inbox
    .command('discard <platform> <workspace> <event>')
    .description('take out one that waits; its author is told')
    .action(async (platform: string, workspace: string, event: string) => {
      const answer = await session.ask('POST', path('inbox', platform, workspace, event, 'discard'));
      session.show(answer, () => `${event} is taken out.\n`);
    });

  program
    .command('lpdus')
    .description('what we sent to hubs: refused, or in another state')
    .option('--state <state>', 'pending, sent or refused', 'refused')
    .action(async ({ state }: { state: string }) => {
      session.show(await session.ask('GET', `lpdus?state=${encodeURIComponent(state)}`), (answer) =>
        table(
          rowsOf(answer, 'lpdus'),
          [
            ['LPDU', 'lpdu_hash'],
            ['CREATED', 'created_at', time],
            ['HUB', 'hub_server'],
            ['ROOM', 'room_id'],
            ['TYPE', 'type'],
            ['REASON', 'reason'],
          ],
          'There are none.',
        ),
      );
    });
}
