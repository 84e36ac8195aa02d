import { Command, CommanderError } from 'commander';
import { ConfigurationError, loadConfiguration } from '../config/index.js';
import type { Answer } from './admin-client.js';
import { addBridgeCommands } from './bridge-commands.js';
import { addDeliveryCommands } from './delivery-commands.js';
import { CommandFailure } from './failure.js';
import { addIncidentCommands } from './incident-commands.js';
import { readKeys, summaryOf } from './offline.js';
import { plain, rowsOf, sheet, table, time } from './output.js';
import { addRoomCommands } from './room-commands.js';
import { Session, type Surroundings } from './session.js';
import { addSlackCommands } from './slack-commands.js';

const EXIT_FAILURE = 1;
const EXIT_CONFIGURATION = 78; // EX_CONFIG of sysexits.h

/** Runs one command line (without node and script); resolves with the exit code. Rejects with nothing but our own bugs. */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await programFor(surroundings).parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode; // it has spoken already
    if (!(error instanceof CommandFailure || error instanceof ConfigurationError)) throw error;
    surroundings.err(`${plain(error.message)}\n`);
    return error instanceof ConfigurationError ? EXIT_CONFIGURATION : EXIT_FAILURE;
  }
}

function programFor(surroundings: Surroundings): Command {
  const { env, directory, out, err } = surroundings;
  // Commands inherit both settings: they are made before the first of them is added.
  const program = new Command('causeway')
    .description('Looks after a Causeway gateway. Reads causeway.yaml and CAUSEWAY_…, as the gateway does.')
    .option('--url <url>', 'address of the admin API; that of ADMIN_LISTEN when absent')
    .option('--token-file <path>', 'file with the admin token; ADMIN_TOKEN when absent')
    .option('--json', 'print what the gateway answered')
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
  const session = new Session(surroundings, program);

  program
    .command('status')
    .description('who we are, and what waits where')
    .action(async () => {
      session.show(await session.ask('GET', 'status'), statusText);
    });
  addRoomCommands(program, session);
  addBridgeCommands(program, session);
  addDeliveryCommands(program, session);
  addIncidentCommands(program, session);
  addSlackCommands(program, session);

  const keys = program.command('keys').description('our signing keys');
  keys
    .command('rotate')
    .description('make a new key, which signs at once; the old one stays good for old events')
    .action(async () => {
      const answer = await session.ask('POST', 'keys/rotate');
      session.show(answer, ({ key_id: keyId }) => `${plain(keyId)} signs from now on.\n`);
    });
  keys
    .command('show')
    .description('key ids and public keys, from the database: also while the gateway is down')
    .action(async () => {
      session.show(await readKeys(loadConfiguration(env, directory)), (answer) =>
        [
          sheet([['server_name', answer.server_name]]),
          table(
            rowsOf(answer, 'keys'),
            [
              ['KEY', 'key_id'],
              ['PUBLIC KEY', 'public_key'],
              ['MADE', 'created_at', time],
              ['EXPIRED', 'expired_at', time],
            ],
            '',
          ),
        ].join('\n'),
      );
    });

  program
    .command('config')
    .description('the configuration')
    .command('check')
    .description('whether the gateway would start with it')
    .action(() => {
      session.show(summaryOf(loadConfiguration(env, directory)), (answer) =>
        sheet(Object.entries(answer).map(([name, value]) => [name, value] as const)),
      );
    });
  return program;
}

/** Nested objects and lists get a line per entry. */
function statusText(answer: Answer): string {
  const fields = Object.entries(answer).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [[name, value]],
  );
  return sheet(fields);
}
