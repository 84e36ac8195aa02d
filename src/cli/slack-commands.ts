import type { Command } from 'commander';
import { type Configuration, loadConfiguration } from '../config/index.js';
import { type Finding, checkSlack } from '../platform/slack/check.js';
import { accessTokenIn, installLink, secretName } from '../platform/slack/installation.js';
import { CommandFailure } from './failure.js';
import { readSecret } from './offline.js';
import { plain, rowsOf } from './output.js';
import type { Session } from './session.js';

interface CheckFlags {
  workspace?: string;
  eventsUrl?: string;
  channel?: string[];
}

/** `causeway slack …`: asks Slack itself, also while the gateway is down. */
export function addSlackCommands(program: Command, session: Session): void {
  const slack = program.command('slack').description('the workspaces of Slack');

  slack
    .command('install <workspace> <address>')
    .description('a link to install the app by OAuth, good for a day; <address> is what leads to SLACK_LISTEN')
    .action((workspace: string, address: string) => {
      const { env, directory } = session.surroundings;
      const settings = loadConfiguration(env, directory).platforms.find(
        (each) => each.kind === 'slack' && each.workspace === workspace,
      );
      if (settings?.kind !== 'slack' || settings.clientId === undefined || settings.clientSecret === undefined)
        throw new CommandFailure(`PLATFORMS has no workspace ${workspace} of Slack with client_id and client_secret.`);
      if (!URL.canParse(address)) throw new CommandFailure('The address must be one as https://slack.company.example.');
      const { clientSecret } = settings;
      const link = new URL('/slack/install', address);
      link.search = installLink({ workspace, clientSecret }, Date.now());
      session.show({ link: link.href }, ({ link: shown }) => `${plain(shown)}\n`);
    });

  slack
    .command('check')
    .description('what is missing for Slack to work, in sentences; changes nothing')
    .option('--workspace <name>', 'this workspace of PLATFORMS alone')
    .option('--events-url <url>', 'ask this address as Slack asks it')
    .option('--channel <id...>', 'whether the app is in these channels')
    .action(async ({ workspace, eventsUrl, channel }: CheckFlags) => {
      const { env, directory } = session.surroundings;
      const found: { workspace: string; findings: Finding[] }[] = [];
      const configuration = loadConfiguration(env, directory);
      for (const platform of configuration.platforms) {
        if (platform.kind !== 'slack' || (workspace ?? platform.workspace) !== platform.workspace) continue;
        const { botToken, appToken, signingSecret, apiUrl } = platform;
        const findings = await checkSlack({
          botToken: botToken ?? (await installedToken(configuration, platform.workspace)),
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

async function installedToken(configuration: Configuration, workspace: string): Promise<string | undefined> {
  const stored = await readSecret(configuration, secretName(workspace));
  return stored === undefined ? undefined : accessTokenIn(stored);
}

const line = ({ ok, sentence }: Record<string, unknown>): string => `  ${ok === true ? '✓' : '✗'} ${plain(sentence)}`;
