import { Injectable } from '@nestjs/common';
import { Configuration, type PlatformSettings } from '../config/index.js';
import { Secrets } from '../persistence/secrets.js';
import { HttpPlatform } from './http/http-platform.js';
import type { Platform } from './port.js';
import { SlackEdge } from './slack/edge.js';
import { SlackInstallation } from './slack/installation.js';
import { SlackPlatform } from './slack/slack-platform.js';

/** The chats of this company, by kind and workspace. */
@Injectable()
export class Platforms {
  readonly all: readonly Platform[];

  constructor({ platforms, slackListen }: Configuration, secrets: Secrets) {
    const edge = new SlackEdge(slackListen);
    this.all = platforms.map((settings) =>
      settings.kind === 'http' ? new HttpPlatform(settings) : slackPlatform(settings, edge, secrets),
    );
  }

  find(kind: string, workspace: string): Platform | undefined {
    return this.all.find((platform) => platform.kind === kind && platform.workspace === workspace);
  }
}

type SlackSettings = Extract<PlatformSettings, { kind: 'slack' }>;

function slackPlatform(settings: SlackSettings, edge: SlackEdge, store: Secrets): SlackPlatform {
  const { workspace, botToken, appToken, signingSecret, clientId, clientSecret, mentionEveryone, apiUrl } = settings;
  const api = apiUrl === undefined ? {} : { slackApiUrl: apiUrl.href };
  // A token in the configuration is the token.
  const installed = botToken === undefined && clientId !== undefined && clientSecret !== undefined;
  const options = {
    workspace,
    tokens: installed
      ? new SlackInstallation({ workspace, clientId, clientSecret, store, ...api })
      : { token: () => Promise.resolve(botToken) },
    mentionEveryone,
    ...(appToken === undefined ? {} : { appToken }),
    ...(signingSecret === undefined ? {} : { signingSecret }),
    ...api,
  };
  return new SlackPlatform(options, edge);
}
