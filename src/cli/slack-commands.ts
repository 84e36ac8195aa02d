import type { Command } from 'commander';
import { loadConfiguration } from '../config/index.js';
import { type Finding, checkSlack } from '../platform/slack/check.js';
import { CommandFailure } from './failure.js';
import { plain, rowsOf } from './output.js';
import type { Session } from './session.js';

interface CheckFlags {
  workspace?: string;
  eventsUrl?: string;
  channel?: string[];
}

/** `causeway slack …`: asks Slack itself, also while the gateway is down. */
export function addSlackCommands(program: Command, session: Session): void {
  program
    .command('slack')
    .description('the workspaces of Slack')
    .command('check')
    .description('what is missing for Slack to work, in sentences; changes nothing')
    .option('--workspace <name>', 'this workspace of PLATFORMS alone')
    .option('--events-url <url>', 'ask this address as Slack asks it')
    .option('--channel <id...>', 'whether the app is in these channels')
    .action(async ({ workspace, eventsUrl, channel }: CheckFlags) => {
      const { env, directory } = session.surroundings;
      const found: { workspace: string; findings: Finding[] }[] = [];
      for (const platform of loadConfiguration(env, directory).platforms) {
        if (platform.kind !== 'slack' || (workspace ?? platform.workspace) !== platform.workspace) continue;
        const { botToken, appToken, signingSecret, apiUrl } = platform;
        const findings = await checkSlack({
          botToken,
          appToken,
          signingSecret,
          slackApiUrl: apiUrl?.href,
          eventsUrl,
          channels: channel ?? [],
        });
        found.push({ workspace: platform.workspace, findings });
      }
      if (found.length === 0) throw new CommandFailure('PLATFORMS has no such workspace of Slack.');
      session.show({ workspaces: found }, (answer) =>
        rowsOf(answer, 'workspaces')
          .map((row) => [`${plain(row.workspace)}:`, ...rowsOf(row, 'findings').map(line)].join('\n'))
          .join('\n\n')
          .concat('\n'),
      );
      const wrong = found.flatMap(({ findings }) => findings).filter(({ ok }) => !ok).length;
      if (wrong > 0)
        throw new CommandFailure(
          wrong === 1 ? 'One thing is to be put right.' : `${String(wrong)} things are to be put right.`,
        );
    });
}

const line = ({ ok, sentence }: Record<string, unknown>): string => `  ${ok === true ? '✓' : '✗'} ${plain(sentence)}`;
