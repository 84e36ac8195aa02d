import { Injectable } from '@nestjs/common';
import { Configuration, type PlatformSettings } from '../config/index.js';
import { HttpPlatform } from './http/http-platform.js';
import type { Platform } from './port.js';
import { SlackEdge } from './slack/edge.js';
import { SlackPlatform } from './slack/slack-platform.js';

/** The chats of this company, by kind and workspace. */
@Injectable()
export class Platforms {
  readonly all: readonly Platform[];

  constructor({ platforms, slackListen }: Configuration) {
    const edge = new SlackEdge(slackListen);
    this.all = platforms.map((settings) => platformOf(settings, edge));
  }

  find(kind: string, workspace: string): Platform | undefined {
    return this.all.find((platform) => platform.kind === kind && platform.workspace === workspace);
  }
}

function platformOf(settings: PlatformSettings, edge: SlackEdge): Platform {
  if (settings.kind === 'http') return new HttpPlatform(settings);
  const { workspace, botToken, appToken, signingSecret, mentionEveryone, apiUrl } = settings;
  return new SlackPlatform(
    {
      workspace,
      tokens: { token: () => Promise.resolve(botToken) },
      mentionEveryone,
      ...(appToken === undefined ? {} : { appToken }),
      ...(signingSecret === undefined ? {} : { signingSecret }),
      ...(apiUrl === undefined ? {} : { slackApiUrl: apiUrl.href }),
    },
    edge,
  );
}
